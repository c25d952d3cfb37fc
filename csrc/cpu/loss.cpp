// Losses: runs of rows or elements shared out, each giving its gradients and a partial sum.
#include <algorithm>

#include "backend.h"
#include "cpu/advance.h"
#include "cpu/isa/loss.h"
#include "cpu/partial_sums.h"

namespace hotloop::cpu {
namespace {

constexpr int64_t kGrain = 8 * 1024;        // elements: a few microseconds of exponentials
constexpr int64_t kPlainGrain = 32 * 1024;  // the same without them

// What "mean" divides by: the weights of the labels that count, or the number of rows that do.
template <class T>
double mean_divisor(const CrossEntropySpec& s, const int64_t* labels, const T* class_weight) {
  if (labels == nullptr || (!s.has_ignore_index && class_weight == nullptr)) return static_cast<double>(s.rows);
  double sum = 0;
  for (int64_t r = 0; r < s.rows; ++r) {
    if (s.has_ignore_index && labels[r] == s.ignore_index) continue;
    sum += class_weight != nullptr ? static_cast<double>(class_weight[labels[r]]) : 1.0;
  }
  return sum;
}

}  // namespace

template <class T>
Status softmax_cross_entropy(const CrossEntropySpec& s, const T* logits, const int64_t* labels, const T* target,
                             const T* class_weight, const T* sample_weight, T* loss, T* dlogits) {
  const double divisor = s.reduction == Reduction::mean ? mean_divisor(s, labels, class_weight) : 1.0;
  double class_weight_sum = static_cast<double>(s.classes);
  if (class_weight != nullptr) {
    class_weight_sum = 0;
    for (int64_t c = 0; c < s.classes; ++c) class_weight_sum += class_weight[c];
  }
  const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, s.classes));
  const double sum = sum_of_ranges(s.rows, grain, [&](int64_t begin, int64_t end) {
    const isa::CrossEntropyRun<T> run = {
        .rows = end - begin,
        .classes = s.classes,
        .logits = logits + begin * s.classes,
        .labels = advance(labels, begin),
        .target = advance(target, begin * s.classes),
        .class_weight = class_weight,
        .sample_weight = advance(sample_weight, begin),
        .loss = s.reduction == Reduction::none ? loss + begin : nullptr,
        .dlogits = advance(dlogits, begin * s.classes),
        .scale = 1.0 / divisor,
        .class_weight_sum = class_weight_sum,
        .label_smoothing = s.label_smoothing,
        .has_ignore_index = s.has_ignore_index,
        .ignore_index = s.ignore_index,
    };
    return isa::loss_micro<T>().cross_entropy(run);
  });
  if (s.reduction != Reduction::none) *loss = static_cast<T>(sum / divisor);
  return kOk;
}

template <class T>
Status pointwise_loss(const PointwiseLossSpec& s, const T* x, const T* target, const T* sample_weight, T* loss, T* dx) {
  const double divisor = s.reduction == Reduction::mean ? static_cast<double>(s.n) : 1.0;
  const int64_t grain = s.kind == PointwiseLoss::binary_cross_entropy ? kGrain : kPlainGrain;
  const double sum = sum_of_ranges(s.n, grain, [&](int64_t begin, int64_t end) {
    const isa::PointwiseLossRun<T> run = {
        .kind = s.kind,
        .n = end - begin,
        .delta = s.delta,
        .x = x + begin,
        .target = target + begin,
        .sample_weight = advance(sample_weight, begin),
        .loss = s.reduction == Reduction::none ? loss + begin : nullptr,
        .dx = advance(dx, begin),
        .scale = 1.0 / divisor,
    };
    return isa::loss_micro<T>().pointwise(run);
  });
  if (s.reduction != Reduction::none) *loss = static_cast<T>(sum / divisor);
  return kOk;
}

template Status softmax_cross_entropy<float>(const CrossEntropySpec&, const float*, const int64_t*, const float*,
                                             const float*, const float*, float*, float*);
template Status softmax_cross_entropy<double>(const CrossEntropySpec&, const double*, const int64_t*, const double*,
                                              const double*, const double*, double*, double*);
template Status pointwise_loss<float>(const PointwiseLossSpec&, const float*, const float*, const float*, float*,
                                      float*);
template Status pointwise_loss<double>(const PointwiseLossSpec&, const double*, const double*, const double*, double*,
                                       double*);

}  // namespace hotloop::cpu
