// Kernels that are still to be written: each fails by name until its family's file defines it and its line here goes.
#include "cuda/common.cuh"

namespace hotloop::cuda {
namespace {

constexpr Status kPending = "not written for CUDA";

}  // namespace

Status conv2d_max_pool2d(const ConvPoolShape&, const float*, const float*, const float*, float*, uint8_t*) {
  return kPending;
}
Status conv2d_max_pool2d_input_grad(const ConvPoolShape&, const float*, const uint8_t*, const float*, float*) {
  return kPending;
}
Status conv2d_max_pool2d_weight_grad(const ConvPoolShape&, const float*, const float*, const uint8_t*, float*) {
  return kPending;
}
Status dropout(const DropoutSpec&, const float*, float*) { return kPending; }
Status sgd(const SgdSpec&, const StepState*, int64_t, const float*, float*, float*) { return kPending; }
Status adam(const AdamSpec&, const StepState*, int64_t, const float*, float*, float*, float*, float*) {
  return kPending;
}
Status nadam(const NadamSpec&, const StepState*, int64_t, const float*, float*, float*, float*) { return kPending; }
Status rmsprop(const RmspropSpec&, const StepState*, int64_t, const float*, float*, float*, float*, float*) {
  return kPending;
}
Status adagrad(const AdagradSpec&, const StepState*, int64_t, const float*, float*, float*) { return kPending; }
Status lion(const LionSpec&, const StepState*, int64_t, const float*, float*, float*) { return kPending; }
Status square_sum(int64_t, const float*, double*) { return kPending; }
Status scale(int64_t, double, float*) { return kPending; }
Status gather_rows(int64_t, int64_t, const int64_t*, const uint8_t*, uint8_t*) { return kPending; }
Status gather_rows_grad(int64_t, int64_t, int64_t, const int64_t*, const float*, float*) { return kPending; }
Status rescale_bytes(int64_t, const uint8_t*, double, double, float*) { return kPending; }

}  // namespace hotloop::cuda
