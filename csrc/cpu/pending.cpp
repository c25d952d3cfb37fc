// Kernels of the contract that are still to be written; each family takes its own away.
#include "backend.h"

#pragma GCC diagnostic ignored "-Wunused-parameter"

namespace hotloop::cpu {
// dropout
template <>
Status dropout<float>(const DropoutSpec& s, const float* x, float* y) {
  return "not built yet";
}
template <>
Status dropout<double>(const DropoutSpec& s, const double* x, double* y) {
  return "not built yet";
}

// optim: fused updates over flat buffers; w and the moments are read and written
template <>
Status sgd<float>(const SgdSpec& s, const StepState* state, int64_t n, const float* g, float* w, float* velocity) {
  return "not built yet";
}
template <>
Status sgd<double>(const SgdSpec& s, const StepState* state, int64_t n, const double* g, double* w, double* velocity) {
  return "not built yet";
}
template <>
Status adam<float>(const AdamSpec& s, const StepState* state, int64_t n, const float* g, float* w, float* m, float* v,
                   float* v_max) {
  return "not built yet";
}
template <>
Status adam<double>(const AdamSpec& s, const StepState* state, int64_t n, const double* g, double* w, double* m,
                    double* v, double* v_max) {
  return "not built yet";
}
template <>
Status nadam<float>(const NadamSpec& s, const StepState* state, int64_t n, const float* g, float* w, float* m,
                    float* v) {
  return "not built yet";
}
template <>
Status nadam<double>(const NadamSpec& s, const StepState* state, int64_t n, const double* g, double* w, double* m,
                     double* v) {
  return "not built yet";
}
template <>
Status rmsprop<float>(const RmspropSpec& s, const StepState* state, int64_t n, const float* g, float* w, float* v,
                      float* mean, float* velocity) {
  return "not built yet";
}
template <>
Status rmsprop<double>(const RmspropSpec& s, const StepState* state, int64_t n, const double* g, double* w, double* v,
                       double* mean, double* velocity) {
  return "not built yet";
}
template <>
Status adagrad<float>(const AdagradSpec& s, const StepState* state, int64_t n, const float* g, float* w, float* sum) {
  return "not built yet";
}
template <>
Status adagrad<double>(const AdagradSpec& s, const StepState* state, int64_t n, const double* g, double* w,
                       double* sum) {
  return "not built yet";
}
template <>
Status lion<float>(const LionSpec& s, const StepState* state, int64_t n, const float* g, float* w, float* m) {
  return "not built yet";
}
template <>
Status lion<double>(const LionSpec& s, const StepState* state, int64_t n, const double* g, double* w, double* m) {
  return "not built yet";
}
template <>
Status square_sum<float>(int64_t n, const float* x, double* out) {
  return "not built yet";
}
template <>
Status square_sum<double>(int64_t n, const double* x, double* out) {
  return "not built yet";
}
template <>
Status scale<float>(int64_t n, double factor, float* x) {
  return "not built yet";
}
template <>
Status scale<double>(int64_t n, double factor, double* x) {
  return "not built yet";
}

// batch
template <>
Status gather_rows<float>(int64_t count, int64_t row, const int64_t* indices, const float* x, float* y) {
  return "not built yet";
}
template <>
Status gather_rows<double>(int64_t count, int64_t row, const int64_t* indices, const double* x, double* y) {
  return "not built yet";
}
template <>
Status rescale_bytes<float>(int64_t n, const uint8_t* x, double factor, double offset, float* y) {
  return "not built yet";
}
template <>
Status rescale_bytes<double>(int64_t n, const uint8_t* x, double factor, double offset, double* y) {
  return "not built yet";
}

}  // namespace hotloop::cpu
