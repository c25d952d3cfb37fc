// Optimizer updates over a run of elements; the arrays are those of kernels.h.
#pragma once

#include <cstdint>

#include "cpu/isa/micro.h"
#include "step_rates.h"

namespace hotloop::isa {

template <class T>
struct OptimMicro {
  void (*sgd)(const SgdRates& rates, int64_t n, const T* g, T* w, T* velocity);
  void (*adam)(const AdamRates& rates, int64_t n, const T* g, T* w, T* m, T* v, T* v_max);
  void (*nadam)(const NadamRates& rates, int64_t n, const T* g, T* w, T* m, T* v);
  void (*rmsprop)(const RmspropRates& rates, int64_t n, const T* g, T* w, T* v, T* mean, T* velocity);
  void (*adagrad)(const AdagradRates& rates, int64_t n, const T* g, T* w, T* sum);
  void (*lion)(const LionRates& rates, int64_t n, const T* g, T* w, T* m);
  /// The sum of squares of x (n), in double.
  double (*square_sum)(int64_t n, const T* x);
  /// x (n) *= factor
  void (*scale)(int64_t n, double factor, T* x);
};

HL_MICRO(OptimMicro, optim)

}  // namespace hotloop::isa
