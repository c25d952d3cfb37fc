// One step of every optimizer on one element: the rates of the step, the gradient, then the weight and its state, which
// change in place. See formulas.h for what V is and who provides the primitives.
#include "step_rates.h"

/// The gradient with weight decay; a decay of 0 must not turn an infinite weight into NaN.
template <class V>
HL_FORMULA V decayed(double weight_decay, V g, V w) {
  return weight_decay != 0 ? g + constant<V>(weight_decay) * w : g;
}

/// a moved towards b by share
template <class V>
HL_FORMULA V towards(V a, V b, double share) {
  return a + constant<V>(share) * (b - a);
}

template <class V>
HL_FORMULA void sgd_step(const SgdRates& r, V g, V& w) {
  w -= constant<V>(r.lr) * decayed(r.weight_decay, g, w);
}

template <class V>
HL_FORMULA void sgd_step(const SgdRates& r, V g, V& w, V& velocity) {
  const V momentum = constant<V>(r.momentum);
  g = decayed(r.weight_decay, g, w);
  velocity = momentum * velocity + constant<V>(r.fresh) * g;
  w -= constant<V>(r.lr) * (r.nesterov ? g + momentum * velocity : velocity);
}

/// The moments of Adam and Nadam.
template <class V>
HL_FORMULA void update_moments(double beta1, double beta2, V g, V& m, V& v) {
  m = towards(m, g, 1 - beta1);
  v = constant<V>(beta2) * v + constant<V>(1 - beta2) * (g * g);
}

template <class V>
HL_FORMULA void adam_step(const AdamRates& r, V g, V& w, V& m, V& v) {
  update_moments(r.beta1, r.beta2, decayed(r.weight_decay, g, w), m, v);
  const V root = sqrt_(v) * constant<V>(r.root_scale) + constant<V>(r.eps);
  w = constant<V>(r.keep) * w - constant<V>(r.step_size) * m / root;
}

template <class V>
HL_FORMULA void adam_step(const AdamRates& r, V g, V& w, V& m, V& v, V& v_max) {
  update_moments(r.beta1, r.beta2, decayed(r.weight_decay, g, w), m, v);
  v_max = v <= v_max ? v_max : v;
  const V root = sqrt_(v_max) * constant<V>(r.root_scale) + constant<V>(r.eps);
  w = constant<V>(r.keep) * w - constant<V>(r.step_size) * m / root;
}

template <class V>
HL_FORMULA void nadam_step(const NadamRates& r, V g, V& w, V& m, V& v) {
  g = decayed(r.weight_decay, g, w);
  update_moments(r.beta1, r.beta2, g, m, v);
  const V root = sqrt_(v) * constant<V>(r.root_scale) + constant<V>(r.eps);
  w -= (constant<V>(r.gradient_step) * g + constant<V>(r.momentum_step) * m) / root;
}

/// mean is used where centered, velocity where there is momentum.
template <class V>
HL_FORMULA void rmsprop_step(const RmspropRates& r, V g, V& w, V& v, V& mean, V& velocity) {
  g = decayed(r.weight_decay, g, w);
  v = constant<V>(r.alpha) * v + constant<V>(1 - r.alpha) * (g * g);
  V spread = v;
  if (r.centered) {
    mean = towards(mean, g, 1 - r.alpha);
    spread -= mean * mean;
    // A variance of 0 can round to less, where PyTorch's root gives NaN.
    spread = spread < constant<V>(0) ? constant<V>(0) : spread;
  }
  V step = g / (sqrt_(spread) + constant<V>(r.eps));
  if (r.momentum > 0) step = velocity = constant<V>(r.momentum) * velocity + step;
  w -= constant<V>(r.lr) * step;
}

template <class V>
HL_FORMULA void adagrad_step(const AdagradRates& r, V g, V& w, V& sum) {
  g = decayed(r.weight_decay, g, w);
  sum += g * g;
  w -= constant<V>(r.lr) * g / (sqrt_(sum) + constant<V>(r.eps));
}

template <class V>
HL_FORMULA void lion_step(const LionRates& r, V g, V& w, V& m) {
  const V zero = constant<V>(0), lr = constant<V>(r.lr);
  const V direction = constant<V>(r.beta1) * m + constant<V>(1 - r.beta1) * g;
  const V step = direction > zero ? lr : (direction < zero ? -lr : direction);
  w = constant<V>(r.keep) * w - step;
  m = constant<V>(r.beta2) * m + constant<V>(1 - r.beta2) * g;
}
