// Softmax cross-entropy: a row's loss and its gradient in one kernel, by a few lanes or by a block.
//
// With q_c the share of class c (one-hot or given, smoothed, times its weight) and Q = sum of q:
//   loss = Q log(sum_c exp x_c) - sum_c q_c x_c,   d loss / d x_c = Q softmax(x)_c - q_c
// What a mean divides by is summed first where it depends on the labels. A label outside [0, classes) is reported; its
// row takes no part.
#include "cuda/labels.cuh"
#include "cuda/ptx.cuh"
#include "cuda/rows.cuh"
#include "cuda/sums.cuh"

namespace hotloop::cuda {
namespace {

/// The arrays of kernels.h, of which exactly one of labels and target is not null, and the options.
struct CrossEntropy {
  int64_t classes;
  const float* logits;
  const int64_t* labels;
  const float *target, *class_weight, *sample_weight;
  float *loss, *dlogits;  // or null
  float keep, spread;     // q = keep * one-hot or given + spread, before the weights
  bool has_ignore_index;
  int64_t ignore_index;
  SumDivisor divisor;
  LabelSlot* bad_labels;

  /// The part of q that every class has, where `shared` below says that there is one.
  __device__ float share(int64_t r, int64_t c) const {
    const float q = target != nullptr ? spread + keep * target[r * classes + c] : spread;
    return class_weight != nullptr ? q * class_weight[c] : q;
  }
  __device__ bool ignored(int64_t r) const { return has_ignore_index && labels[r] == ignore_index; }
  __device__ bool bad(int64_t r) const { return labels[r] < 0 || labels[r] >= classes; }
};

/// What is known of a row once its logits were seen; the same in all its threads.
struct RowResult {
  float loss = 0.0f;
  float factor = 0.0f;  // of exp(x - max) in the gradient
  float scale = 0.0f;   // of q
  float own = 0.0f;     // what q of the label has beyond the shares
  int64_t label = -1;   // or -1 where target is given
};

/// scale is that of the gradient, shares the sum of q without `own`, product that of q (x - max).
__device__ RowResult finish(const CrossEntropy& e, int64_t r, float scale, float max, float sum, float shares,
                            float product) {
  RowResult result;
  if (e.target == nullptr) {
    result.label = e.labels[r];
    result.own = e.class_weight != nullptr ? e.keep * e.class_weight[result.label] : e.keep;
    shares += result.own;
    product += result.own * (e.logits[r * e.classes + result.label] - max);
  }
  const float weight = e.sample_weight != nullptr ? e.sample_weight[r] : 1.0f;
  result.loss = weight * (shares * log_(sum) - product);
  result.scale = weight * scale;
  result.factor = shares * result.scale / sum;
  return result;
}

/// Element c of the gradient.
template <bool shared>
__device__ float slope(const CrossEntropy& e, const RowResult& result, int64_t r, int64_t c, float exponential) {
  float d = exponential * result.factor;
  if constexpr (shared) d -= result.scale * e.share(r, c);
  if (c == result.label) d -= result.own * result.scale;
  return d;
}

// Notes a row's loss where there is room for it and gives what it adds to the sum; one thread of the row's calls it.
__device__ double note_loss(const CrossEntropy& e, int64_t r, float loss) {
  if (e.loss != nullptr) e.loss[r] = loss;
  return loss;
}

template <class Shape, bool shared>
__global__ void __launch_bounds__(kRowThreads, Shape::blocks)
    short_rows(Cut cut, CrossEntropy e, SumTarget<float> sum) {
  using Row = HeldRow<Shape>;
  const bool leader = Row::place(0) == 0;
  const int classes = static_cast<int>(e.classes);
  const auto scale = static_cast<float>(1.0 / e.divisor.get());
  double total = 0;
  // All lanes of a warp go round together, whether they have a row or not.
  for (int64_t first = cut.begin(); first < cut.end(); first += Shape::rows_at_once) {
    const int64_t r = first + threadIdx.x / Shape::width;
    const bool there = r < cut.end();
    const bool ignored = there && e.target == nullptr && e.ignored(r);
    const bool bad = there && e.target == nullptr && !ignored && e.bad(r);
    const bool counts = there && !ignored && !bad;
    if (bad && leader) report_label(e.bad_labels, r, e.labels[r], e.classes);
    const int n = counts ? classes : 0;
    Row held;
    held.load(e.logits + r * e.classes, n, -INFINITY);
    const float max = held.fold(Larger());
    float exponentials = 0.0f, shares = 0.0f, product = 0.0f;
#pragma unroll
    for (int i = 0; i < Shape::count; ++i) {
      const float x = held.v[i] - max;
      held.v[i] = exp_(x);
      exponentials += held.v[i];
      if (shared && Row::place(i) < n) {
        const float q = e.share(r, Row::place(i));
        shares += q;
        product += q * x;
      }
    }
    exponentials = fold_lanes<Shape::width>(exponentials, Add());
    if constexpr (shared) {
      shares = fold_lanes<Shape::width>(shares, Add());
      product = fold_lanes<Shape::width>(product, Add());
    }
    RowResult result;
    if (counts) result = finish(e, r, scale, max, exponentials, shares, product);
    if (there && leader) total += note_loss(e, r, result.loss);
    if (!there || e.dlogits == nullptr) continue;
#pragma unroll
    for (int i = 0; i < Shape::count; ++i) {
      if (Row::place(i) >= classes) continue;
      e.dlogits[r * e.classes + Row::place(i)] = counts ? slope<shared>(e, result, r, Row::place(i), held.v[i]) : 0.0f;
    }
  }
  if (e.loss == nullptr) add_to_sum(total, sum, shared_memory<SumMemory>().part);
}

struct LongRowMemory {
  float part[kMostWarps];
  SumMemory sum;
};

template <bool shared>
__global__ void __launch_bounds__(kLongRowThreads) long_rows(Cut cut, CrossEntropy e, SumTarget<float> sum) {
  auto& memory = shared_memory<LongRowMemory>();
  const auto scale = static_cast<float>(1.0 / e.divisor.get());
  double total = 0;
  for (int64_t r = cut.begin(); r < cut.end(); ++r) {
    const float* x = e.logits + r * e.classes;
    float* dx = e.dlogits != nullptr ? e.dlogits + r * e.classes : nullptr;
    const bool ignored = e.target == nullptr && e.ignored(r), bad = e.target == nullptr && !ignored && e.bad(r);
    if (ignored || bad) {
      if (bad && threadIdx.x == 0) report_label(e.bad_labels, r, e.labels[r], e.classes);
      if (threadIdx.x == 0) note_loss(e, r, 0.0f);
      if (dx != nullptr) for_row_quads(dx, e.classes, [&](int64_t i) { store_inside(dx, i, e.classes, Quad{}); });
      continue;
    }
    const ExpSum all = exp_sum_of_row(x, e.classes, memory.part);
    float shares = 0.0f, product = 0.0f;
    if constexpr (shared) {
      for (int64_t c = threadIdx.x; c < e.classes; c += kLongRowThreads) {
        const float q = e.share(r, c);
        shares += q;
        product += q * (x[c] - all.max);
      }
      shares = fold_block(shares, Add(), memory.part);
      product = fold_block(product, Add(), memory.part);
    }
    const RowResult result = finish(e, r, scale, all.max, all.sum, shares, product);
    if (threadIdx.x == 0) total += note_loss(e, r, result.loss);
    if (dx == nullptr) continue;
    for_row_quads(x, e.classes, [&](int64_t i) {
      Quad q = load_inside(x, i, e.classes, 0.0f);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        if (i + j >= 0 && i + j < e.classes) q.v[j] = slope<shared>(e, result, r, i + j, exp_(q.v[j] - all.max));
      }
      store_inside(dx, i, e.classes, q);
    });
  }
  if (e.loss == nullptr) add_to_sum(total, sum, memory.sum.part);
}

/// The weights of the labels that count, added up.
__global__ void __launch_bounds__(kRowThreads) weigh_labels(Cut cut, CrossEntropy e, SumTarget<double> sum) {
  double total = 0;
  for (int64_t r = cut.begin() + threadIdx.x; r < cut.end(); r += kRowThreads) {
    if (e.ignored(r) || e.bad(r)) continue;
    total += e.class_weight != nullptr ? e.class_weight[e.labels[r]] : 1.0f;
  }
  add_to_sum(total, sum, shared_memory<SumMemory>().part);
}

constexpr int64_t kFewElements = 8192;
constexpr int64_t kFewLabels = 8192;

dim3 grid_of(const Cut& cut) { return dim3(static_cast<unsigned>(cut.blocks())); }

Status sum_weights(const CrossEntropySpec& s, const CrossEntropy& e, double* result) {
  const Cut cut(s.rows, kRowThreads, s.rows <= kFewLabels);
  const Scratch<double> partial(cut.one_block() ? 0 : cut.blocks());
  HL_TRY(partial.status());
  const SumTarget<double> sum{partial.get(), result, {}};
  HL_TRY(launch("softmax_cross_entropy", weigh_labels, grid_of(cut), kRowThreads, sizeof(SumMemory), cut, e, sum));
  return end_sum("softmax_cross_entropy", cut, sum);
}

Status sum_rows(const CrossEntropySpec& s, const CrossEntropy& e, float* loss) {
  const bool reduced = s.reduction != Reduction::none;
  const auto over = [&](auto kernel, int64_t at_once, int threads, std::size_t memory) -> Status {
    const Cut cut(s.rows, at_once, s.rows * s.classes <= kFewElements);
    const Scratch<double> partial(reduced && !cut.one_block() ? cut.blocks() : 0);
    HL_TRY(partial.status());
    const SumTarget<float> sum{partial.get(), loss, e.divisor};
    HL_TRY(launch("softmax_cross_entropy", kernel, grid_of(cut), threads, memory, cut, e, sum));
    return reduced ? end_sum("softmax_cross_entropy", cut, sum) : kOk;
  };
  const bool shared = e.target != nullptr || s.label_smoothing != 0;
  if (s.classes > kShortRow) {
    return over(shared ? long_rows<true> : long_rows<false>, 1, kLongRowThreads, sizeof(LongRowMemory));
  }
  Status status = kOk;
  with_row_shape(s.classes, [&](auto shape) {
    using Shape = decltype(shape);
    status = over(shared ? short_rows<Shape, true> : short_rows<Shape, false>, Shape::rows_at_once, kRowThreads,
                  sizeof(SumMemory));
  });
  return status;
}

}  // namespace

Status softmax_cross_entropy(const CrossEntropySpec& s, const float* logits, const int64_t* labels, const float* target,
                             const float* class_weight, const float* sample_weight, float* loss, float* dlogits) {
  const bool mean = s.reduction == Reduction::mean;
  if (s.rows == 0 && s.reduction == Reduction::none) return kOk;
  CrossEntropy e{
      .classes = s.classes,
      .logits = logits,
      .labels = labels,
      .target = target,
      .class_weight = class_weight,
      .sample_weight = sample_weight,
      .loss = s.reduction == Reduction::none ? loss : nullptr,
      .dlogits = dlogits,
      .keep = static_cast<float>(1 - s.label_smoothing),
      .spread = static_cast<float>(s.label_smoothing / static_cast<double>(s.classes)),
      .has_ignore_index = s.has_ignore_index,
      .ignore_index = s.ignore_index,
      .divisor = {mean ? static_cast<double>(s.rows) : 1.0},
      .bad_labels = label_slot(),
  };
  const bool weighed = mean && labels != nullptr && (s.has_ignore_index || class_weight != nullptr);
  const Scratch<double> weights(weighed ? 1 : 0);
  HL_TRY(weights.status());
  if (weighed) {
    HL_TRY(sum_weights(s, e, weights.get()));
    e.divisor.computed = weights.get();
  }
  return sum_rows(s, e, loss);
}

}  // namespace hotloop::cuda
