// Softmax cross-entropy of rows too short for a vector: a lane is a row, gathered and scattered again.
#pragma once

#include "cpu/isa/loss.h"
#include "cpu/isa/vecmath.h"

namespace hotloop::isa::HL_TIER {
namespace {

constexpr int64_t kShortRow = 32;  // classes; from there on gathering costs more than a row's partly filled vector

/// What becomes of a line's rows one by one: their losses, and the factor of each row's gradient.
template <class T>
HL_INLINE double line_losses(const CrossEntropyRun<T>& run, int64_t first, int64_t rows, Vec<T> max, Vec<T> sum,
                             T* slope) {
  const Vec<T> log_sum = log_(sum);
  double total = 0;
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t r = first + i, label = run.labels[r];
    double loss = 0, weight = 0;
    if (!run.has_ignore_index || label != run.ignore_index) {
      weight = run.sample_weight != nullptr ? run.sample_weight[r] : 1;
      if (run.class_weight != nullptr) weight *= run.class_weight[label];
      loss = weight * (log_sum[i] - (static_cast<double>(run.logits[r * run.classes + label]) - max[i]));
    }
    slope[i] = static_cast<T>(weight * run.scale);
    if (run.loss != nullptr) run.loss[r] = static_cast<T>(loss);
    total += loss;
  }
  return total;
}

/// The gradients of a line's rows from p (classes, lanes), their softmax times slope.
template <class T>
HL_INLINE void scatter_line(const CrossEntropyRun<T>& run, int64_t first, int64_t rows, const T* p, const T* slope) {
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t r = first + i, label = run.labels[r];
    T* d = run.dlogits + r * run.classes;
    if (run.has_ignore_index && label == run.ignore_index) {
      for (int64_t c = 0; c < run.classes; ++c) d[c] = T{0};
      continue;
    }
    for (int64_t c = 0; c < run.classes; ++c) d[c] = p[c * kLanes<T> + i];
    d[label] -= slope[i];
  }
}

/// The run's losses for plain labels; lanes without a row are computed too, from zeros.
template <class T>
double lines_loss(const CrossEntropyRun<T>& run) {
  constexpr int64_t lanes = kLanes<T>;
  const int64_t classes = run.classes;
  T line[kShortRow * lanes] = {}, slope[lanes] = {};
  double total = 0;
  for (int64_t r = 0; r < run.rows; r += lanes) {
    const int64_t rows = run.rows - r < lanes ? run.rows - r : lanes;
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t c = 0; c < classes; ++c) line[c * lanes + i] = run.logits[(r + i) * classes + c];
    }
    Vec<T> max = load(line), sum{};
    for (int64_t c = 1; c < classes; ++c) {
      const Vec<T> v = load(line + c * lanes);
      max = v <= max ? max : v;
    }
    for (int64_t c = 0; c < classes; ++c) {
      const Vec<T> e = exp_(load(line + c * lanes) - max);
      store<T>(line + c * lanes, e);
      sum += e;
    }
    total += line_losses<T>(run, r, rows, max, sum, slope);
    if (run.dlogits == nullptr) continue;
    const Vec<T> factor = load(slope) / sum;
    for (int64_t c = 0; c < classes; ++c) store<T>(line + c * lanes, load(line + c * lanes) * factor);
    scatter_line<T>(run, r, rows, line, slope);
  }
  return total;
}

}  // namespace
}  // namespace hotloop::isa::HL_TIER
