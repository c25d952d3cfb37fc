// The primitives of formulas.h for one float a thread, and the formulas on them. CUDA's own functions where they are
// right to two units in the last place; the library is compiled without fast mathematics.
#pragma once

#include <cuda_runtime.h>

#include <cmath>
#include <type_traits>

#include "shapes.h"
#include "step_rates.h"

#define HL_FORMULA __host__ __device__ inline

namespace hotloop::cuda {

template <class V>
HL_FORMULA V constant(double value) {
  return static_cast<V>(value);
}
template <class V>
inline constexpr bool is_float = sizeof(V) == sizeof(float);
template <class F>
HL_FORMULA float in_double(F&& f, float x) {
  return static_cast<float>(f(static_cast<double>(x)));
}
HL_FORMULA float abs_(float x) { return fabsf(x); }
HL_FORMULA float sqrt_(float x) { return sqrtf(x); }
HL_FORMULA float exp_(float x) { return expf(x); }
HL_FORMULA float expm1_(float x) { return expm1f(x); }
HL_FORMULA float log_(float x) { return logf(x); }
HL_FORMULA float log1p_(float x) { return log1pf(x); }
HL_FORMULA float tanh_(float x) { return tanhf(x); }
HL_FORMULA float sin_(float x) { return sinf(x); }
HL_FORMULA float cos_(float x) { return cosf(x); }
HL_FORMULA float pow_(float x, float y) { return powf(x, y); }
HL_FORMULA float normal_cdf_(float x) { return normcdff(x); }
HL_FORMULA float logistic_(float x, float factor) {
  // The exponent is never positive: nothing overflows, and results down to the denormal ones are there.
  const float small = expf(-fabsf(x));
  return (x < 0.0f ? factor * small : factor) / (1.0f + small);
}

// A formula that takes a function calls it wherever it came from, host or device.
#ifdef __NVCC__
#  pragma nv_diagnostic push
#  pragma nv_diag_suppress 20011, 20012, 20013, 20014, 20015
#endif
#include "formulas.h"
#include "formulas_loss.h"
#include "formulas_optim.h"
#ifdef __NVCC__
#  pragma nv_diagnostic pop
#endif

}  // namespace hotloop::cuda
