// Softmax cross-entropy in two passes over a row: exponentials and their sum, then the gradient. A row is read in
// blocks that stay in L1, each scaled by the largest logit up to there; the second pass brings the blocks together.
//
// With q_c the share of class c (one-hot or given, smoothed, times its weight) and Q = sum of q:
//   loss = Q log(sum_c exp x_c) - sum_c q_c x_c,   d loss / d x_c = Q softmax(x)_c - q_c
// Sums run in T within a block and in double across blocks.
#pragma once

#include "cpu/isa/loss.h"
#include "cpu/isa/vecmath.h"

namespace hotloop::isa::HL_TIER {
namespace {

constexpr int64_t kMaxBlocks = 64;
constexpr int64_t kBlock = 1024;    // elements, at least
constexpr int64_t kSumBlock = 512;  // elements that are summed in T

/// Lanes from `width` on replaced by `rest`.
template <class T, class Width>
HL_INLINE Vec<T> fill_rest(Vec<T> v, Width width, T rest) {
  if constexpr (std::is_integral_v<Width>) {
    Mask<T> lane;
    for (int i = 0; i < kLanes<T>; ++i) lane[i] = i;
    v = lane < static_cast<Lane<Mask<T>>>(width) ? v : splat(rest);
  }
  return v;
}

template <class T>
HL_INLINE T horizontal_max(Vec<T> v) {
  T result = v[0];
  for (int i = 1; i < kLanes<T>; ++i) result = result < v[i] ? v[i] : result;
  return result;
}

/// The largest of x (n) and `least`; NaN is passed over, it will show in the sum of exponentials.
template <class T>
HL_INLINE T block_max(int64_t n, const T* x, T least) {
  Vec<T> largest = splat(least);
  for_vectors<T>(n, [&](int64_t i, auto width) {
    const Vec<T> v = fill_rest<T>(load_width(x + i, width), width, least);
    largest = largest < v ? v : largest;
  });
  return horizontal_max<T>(largest);
}

/// Sum of exp(x - shift) over x (n); the exponentials go to e (n) unless it is null.
template <class T>
HL_INLINE T block_exp(int64_t n, const T* x, T shift, T* e) {
  const Vec<T> shifts = splat(shift);
  Vec<T> sum{};
  for_vectors<T>(n, [&](int64_t i, auto width) {
    const Vec<T> v = exp_(load_width(x + i, width) - shifts);
    if (e != nullptr) store_width(e + i, v, width);
    sum += fill_rest<T>(v, width, T{0});
  });
  return horizontal_sum<T>(sum);
}

/// What the first pass leaves of a row: exp(x - max) summed, and the maximum each block was scaled by.
template <class T>
struct RowSum {
  int64_t block;
  T max;
  double sum;
  T block_max[kMaxBlocks];
};

template <class T>
HL_INLINE void sum_row(int64_t classes, const T* x, T* e, RowSum<T>& row) {
  const int64_t share = (classes + kMaxBlocks - 1) / kMaxBlocks;
  row.block = share > kBlock ? share : kBlock;
  row.max = -static_cast<T>(__builtin_inf());
  row.sum = 0;
  for (int64_t begin = 0, b = 0; begin < classes; begin += row.block, ++b) {
    const int64_t n = classes - begin < row.block ? classes - begin : row.block;
    const T max = block_max(n, x + begin, row.max);
    if (b > 0 && row.max < max) row.sum *= __builtin_exp(static_cast<double>(row.max) - max);
    row.max = row.block_max[b] = max;
    row.sum += block_exp(n, x + begin, max, e != nullptr ? e + begin : nullptr);
  }
}

/// The part of q that every class has: none for plain labels, else smoothing and given probabilities times weights.
struct NoShares {
  static constexpr bool any = false;
};
template <class T, bool kGiven, bool kWeighted>
struct Shares {
  static constexpr bool any = true;
  const T* target;
  const T* class_weight;
  T keep, spread;

  template <class Width>
  HL_INLINE Vec<T> operator()(int64_t i, Width width) const {
    Vec<T> q = splat(spread);
    if constexpr (kGiven) q += splat(keep) * load_width(target + i, width);
    if constexpr (kWeighted) q *= load_width(class_weight + i, width);
    return q;
  }
};

struct ShareSums {
  double shares = 0;   // sum of q
  double product = 0;  // sum of q (x - max)
};

template <class T, class S>
HL_INLINE ShareSums sum_shares(int64_t classes, const T* x, T max, const S& shares) {
  ShareSums result;
  for (int64_t begin = 0; begin < classes; begin += kSumBlock) {
    const int64_t n = classes - begin < kSumBlock ? classes - begin : kSumBlock;
    Vec<T> share_sum{}, product_sum{};
    for_vectors<T>(n, [&](int64_t i, auto width) {
      const Vec<T> q = fill_rest<T>(shares(begin + i, width), width, T{0});
      share_sum += q;
      product_sum += fill_rest<T>(q * (load_width(x + begin + i, width) - splat(max)), width, T{0});
    });
    result.shares += horizontal_sum<T>(share_sum);
    result.product += horizontal_sum<T>(product_sum);
  }
  return result;
}

/// d (n) holds exp(x - block maximum) and becomes factor * d - scale * q.
template <class T, class S>
HL_INLINE void finish_row(int64_t classes, const RowSum<T>& row, double factor, double scale, const S& shares, T* d) {
  const Vec<T> scales = splat(static_cast<T>(scale));
  for (int64_t begin = 0, b = 0; begin < classes; begin += row.block, ++b) {
    const int64_t n = classes - begin < row.block ? classes - begin : row.block;
    const double behind =
        row.block_max[b] < row.max ? __builtin_exp(static_cast<double>(row.block_max[b]) - row.max) : 1;
    const Vec<T> factors = splat(static_cast<T>(factor * behind));
    for_vectors<T>(n, [&](int64_t i, auto width) {
      Vec<T> v = load_width(d + begin + i, width) * factors;
      if constexpr (S::any) v -= scales * shares(begin + i, width);
      store_width(d + begin + i, v, width);
    });
  }
}

template <class T, class S>
HL_INLINE double row_loss(const CrossEntropyRun<T>& run, int64_t r, S shares) {
  const int64_t classes = run.classes;
  const T* x = run.logits + r * classes;
  T* d = run.dlogits != nullptr ? run.dlogits + r * classes : nullptr;
  if (run.target == nullptr && run.has_ignore_index && run.labels[r] == run.ignore_index) {
    if (d != nullptr) __builtin_memset(d, 0, static_cast<unsigned long>(classes) * sizeof(T));
    return 0;
  }
  RowSum<T> row;
  sum_row(classes, x, d, row);
  double share = 0, product = 0, own = 0;  // own: what q of the label has beyond `shares`
  if constexpr (S::any) {
    if (run.target != nullptr) shares.target = run.target + r * classes;
    const ShareSums sums = sum_shares(classes, x, row.max, shares);
    share = sums.shares;
    product = sums.product;
  }
  if (run.target == nullptr) {
    const int64_t label = run.labels[r];
    own = (1 - run.label_smoothing) * (run.class_weight != nullptr ? run.class_weight[label] : 1);
    share = own + run.label_smoothing / static_cast<double>(classes) * run.class_weight_sum;
    product += own * (static_cast<double>(x[label]) - row.max);
  }
  const double weight = run.sample_weight != nullptr ? run.sample_weight[r] : 1;
  if (d != nullptr) {
    const double scale = weight * run.scale;
    finish_row(classes, row, share * scale / row.sum, scale, shares, d);
    if (run.target == nullptr) d[run.labels[r]] -= static_cast<T>(own * scale);
  }
  return weight * (share * __builtin_log(row.sum) - product);
}

template <class T, class S>
double rows_loss(const CrossEntropyRun<T>& run, const S& shares) {
  double sum = 0;
  for (int64_t r = 0; r < run.rows; ++r) {
    const double loss = row_loss(run, r, shares);
    if (run.loss != nullptr) run.loss[r] = static_cast<T>(loss);
    sum += loss;
  }
  return sum;
}

}  // namespace
}  // namespace hotloop::isa::HL_TIER
