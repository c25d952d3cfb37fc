// What an optimizer's step works with: its options and the state of the step, resolved to the factors that the update
// of an element multiplies by. Computed in double, once a kernel, so that formulas_optim.h holds no powers and no
// branches on the step.
#pragma once

#include <cmath>

#include "shapes.h"

#ifdef __CUDACC__
#  define HL_HOST_DEVICE __host__ __device__
#else
#  define HL_HOST_DEVICE
#endif

namespace hotloop {

struct SgdRates {
  double lr, weight_decay, momentum, fresh;  // velocity = momentum * velocity + fresh * gradient
  bool nesterov;
};
struct AdamRates {
  double weight_decay;  // of the gradient
  double keep;          // of the weight, where decoupled
  double beta1, beta2, eps;
  double root_scale;  // 1 / sqrt of v's bias correction
  double step_size;   // lr over m's bias correction
};
struct NadamRates {
  double weight_decay, beta1, beta2, eps;
  double root_scale;
  double gradient_step, momentum_step;
};
struct RmspropRates {
  double lr, weight_decay, alpha, eps, momentum;
  bool centered;
};
struct AdagradRates {
  double lr, weight_decay, eps;
};
struct LionRates {
  double lr, keep, beta1, beta2;
};

HL_HOST_DEVICE inline SgdRates step_rates(const SgdSpec& s, const StepState& state) {
  // PyTorch's first velocity is the gradient, undampened.
  return {state.lr, s.weight_decay, s.momentum, state.step == 1 ? 1 : 1 - s.dampening, s.nesterov};
}

HL_HOST_DEVICE inline AdamRates step_rates(const AdamSpec& s, const StepState& state) {
  const double step = static_cast<double>(state.step);
  return {s.decoupled ? 0 : s.weight_decay,
          s.decoupled ? 1 - state.lr * s.weight_decay : 1,
          s.beta1,
          s.beta2,
          s.eps,
          1 / std::sqrt(1 - std::pow(s.beta2, step)),
          state.lr / (1 - std::pow(s.beta1, step))};
}

/// The momentum of a step, which rises towards beta1.
HL_HOST_DEVICE inline double nadam_mu(const NadamSpec& s, int64_t step) {
  return s.beta1 * (1 - 0.5 * std::pow(0.96, static_cast<double>(step) * s.momentum_decay));
}

HL_HOST_DEVICE inline NadamRates step_rates(const NadamSpec& s, const StepState& state) {
  const double mu = nadam_mu(s, state.step), next = nadam_mu(s, state.step + 1);
  return {s.weight_decay,
          s.beta1,
          s.beta2,
          s.eps,
          1 / std::sqrt(1 - std::pow(s.beta2, static_cast<double>(state.step))),
          state.lr * (1 - mu) / (1 - state.mu_product),
          state.lr * next / (1 - state.mu_product * next)};
}

HL_HOST_DEVICE inline RmspropRates step_rates(const RmspropSpec& s, const StepState& state) {
  return {state.lr, s.weight_decay, s.alpha, s.eps, s.momentum, s.centered};
}

HL_HOST_DEVICE inline AdagradRates step_rates(const AdagradSpec& s, const StepState& state) {
  return {state.lr / (1 + static_cast<double>(state.step - 1) * s.lr_decay), s.weight_decay, s.eps};
}

HL_HOST_DEVICE inline LionRates step_rates(const LionSpec& s, const StepState& state) {
  return {state.lr, 1 - state.lr * s.weight_decay, s.beta1, s.beta2};
}

}  // namespace hotloop
