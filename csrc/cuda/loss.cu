// Losses that look at one element at a time: the losses' sum and the gradient in one pass.
#include "cuda/math.cuh"
#include "cuda/ptx.cuh"
#include "cuda/quads.cuh"
#include "cuda/sums.cuh"

namespace hotloop::cuda {
namespace {

constexpr int64_t kAtOnce = 4 * kQuadThreads;
constexpr int64_t kFew = 8 * kAtOnce;

/// The arrays, of which sample_weight, loss and dx may be null.
struct Elements {
  const float *x, *target, *sample_weight;
  float *loss, *dx;
  float delta, scale;
};

template <PointwiseLoss kind>
__global__ void __launch_bounds__(kQuadThreads) elements(Cut cut, Elements e, SumTarget<float> sum) {
  double total = 0;
  const int64_t end = cut.end();
  for (int64_t i = cut.begin() + 4 * static_cast<int64_t>(threadIdx.x); i < end; i += kAtOnce) {
    const int64_t left = end - i;
    const Quad x = load_quad(e.x + i, left), target = load_quad(e.target + i, left);
    Quad weight = {{1.0f, 1.0f, 1.0f, 1.0f}}, loss, slope;
    if (e.sample_weight != nullptr) weight = load_quad(e.sample_weight + i, left);
    float part = 0.0f;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      pointwise_loss<kind>(x.v[j], target.v[j], e.delta, loss.v[j], slope.v[j]);
      loss.v[j] *= weight.v[j];
      slope.v[j] *= weight.v[j] * e.scale;
      part += j < left ? loss.v[j] : 0.0f;
    }
    if (e.loss != nullptr) store_quad(e.loss + i, loss, left);
    if (e.dx != nullptr) store_quad(e.dx + i, slope, left);
    total += part;
  }
  if (e.loss == nullptr) add_to_sum(total, sum, shared_memory<SumMemory>().part);
}

}  // namespace

Status pointwise_loss(const PointwiseLossSpec& s, const float* x, const float* target, const float* sample_weight,
                      float* loss, float* dx) {
  const bool reduced = s.reduction != Reduction::none;
  if (s.n == 0 && !reduced) return kOk;
  const double divisor = s.reduction == Reduction::mean ? static_cast<double>(s.n) : 1.0;
  const Cut cut(s.n, kAtOnce, s.n <= kFew);
  const Scratch<double> partial(reduced && !cut.one_block() ? cut.blocks() : 0);
  HL_TRY(partial.status());
  const SumTarget<float> sum{partial.get(), loss, {divisor}};
  const Elements e{x,
                   target,
                   sample_weight,
                   reduced ? nullptr : loss,
                   dx,
                   static_cast<float>(s.delta),
                   static_cast<float>(1.0 / divisor)};
  Status status = kOk;
  with_pointwise_loss(s.kind, [&](auto kind) {
    status = launch("pointwise_loss", elements<decltype(kind)::value>, dim3(static_cast<unsigned>(cut.blocks())),
                    kQuadThreads, sizeof(SumMemory), cut, e, sum);
  });
  HL_TRY(status);
  return reduced ? end_sum("pointwise_loss", cut, sum) : kOk;
}

}  // namespace hotloop::cuda
