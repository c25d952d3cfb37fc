// Losses that look at one element at a time; see formulas.h for what V is and who provides the primitives.
// NaN passes through: the tests are written so that a NaN takes a branch that returns it.
#include "shapes.h"

/// Calls f(kind constant) with the loss as a compile-time constant.
template <class F>
HL_FORMULA void with_pointwise_loss(PointwiseLoss kind, F&& f) {
  switch (kind) {
#define HL_CASE(name)                                                \
  case PointwiseLoss::name:                                          \
    f(std::integral_constant<PointwiseLoss, PointwiseLoss::name>{}); \
    break;
    HL_POINTWISE_LOSSES(HL_CASE)
#undef HL_CASE
  }
}

/// The loss of prediction x for target t, and its derivative by x.
template <PointwiseLoss kind, class V>
HL_FORMULA void pointwise_loss(V x, V t, V delta, V& loss, V& slope) {
  const V zero = constant<V>(0), one = constant<V>(1), half = constant<V>(0.5);
  const V d = x - t;
  if constexpr (kind == PointwiseLoss::mse) {
    loss = d * d;
    slope = d + d;
  }
  if constexpr (kind == PointwiseLoss::mae) {
    loss = abs_(d);
    slope = d > zero ? one : (d < zero ? -one : d);
  }
  if constexpr (kind == PointwiseLoss::huber) {
    const V size = abs_(d);
    loss = size <= delta ? half * d * d : delta * (size - half * delta);
    slope = d > delta ? delta : (d < -delta ? -delta : d);
  }
  if constexpr (kind == PointwiseLoss::binary_cross_entropy) {
    // softplus(x) - t x and sigmoid(x) - t; the exponent is never positive, so nothing overflows, and no infinity is
    // taken from another.
    const V small = exp_(-abs_(x));
    loss = (x < zero ? -t : one - t) * x + log1p_(small);
    slope = (x < zero ? small : one) / (one + small) - t;
  }
}
