// Scalar mathematics, written once for every compiler that runs it: V is float or double in CUDA code, a vector
// register of them in cpu/isa. The including file provides, for its V, the primitives
//   constant<V>(double), abs_(V), sqrt_(V), exp_(V), expm1_(V), log_(V), log1p_(V), tanh_(V), sin_(V), cos_(V),
//   pow_(V, V), normal_cdf_(V), logistic_(V x, V factor) = factor / (1 + exp(-x)), is_float<V>, and for floats
//   in_double(f, V) = f of V's doubles
// and HL_FORMULA, how a function of it is declared. Comparisons give masks, `mask ? a : b` selects.
//
// NaN passes through every activation: tests are written so that a NaN takes the branch that returns it.
#include "shapes.h"

/// Calls f(kind constant) with the activation as a compile-time constant, so that loops hold no branch.
template <class F>
HL_FORMULA void with_activation(Activation kind, F&& f) {
  switch (kind) {
#define HL_CASE(name)                                          \
  case Activation::name:                                       \
    f(std::integral_constant<Activation, Activation::name>{}); \
    break;
    HL_ACTIVATIONS(HL_CASE)
#undef HL_CASE
  }
}

inline constexpr double kSeluAlpha = 1.6732632423543772848170429916717;
inline constexpr double kSeluScale = 1.0507009873554804934193349852946;
inline constexpr double kGeluSlope = 0.79788456080286535588;  // sqrt(2 / pi)
inline constexpr double kGeluCubic = 0.044715;
/// From here on x * f(x) has reached its limit, or f is 1: put in place of an infinity, which would give inf * 0 = NaN.
inline constexpr double kFar = 1e15;

template <class V>
HL_FORMULA V not_below_far(V x) {
  return x < constant<V>(-kFar) ? constant<V>(-kFar) : x;
}
template <class V>
HL_FORMULA V within_far(V x) {
  return x > constant<V>(kFar) ? constant<V>(kFar) : not_below_far(x);
}

/// The steps of hard_sigmoid: relu6(x + 3) / 6.
template <class V>
HL_FORMULA V hard_step(V x) {
  const V zero = constant<V>(0), six = constant<V>(6), y = x + constant<V>(3);
  return (y < zero ? zero : (y > six ? six : y)) / six;
}

/// act(x)
template <Activation kind, class V>
HL_FORMULA V activate(V x, V alpha) {
  const V zero = constant<V>(0);
  if constexpr (kind == Activation::none) return x;
  if constexpr (kind == Activation::relu) return x < zero ? zero : x;
  if constexpr (kind == Activation::leaky_relu) return x < zero ? x * alpha : x;
  if constexpr (kind == Activation::elu) return x < zero ? alpha * expm1_(x) : x;
  if constexpr (kind == Activation::selu) {
    return x < zero ? constant<V>(kSeluScale * kSeluAlpha) * expm1_(x) : constant<V>(kSeluScale) * x;
  }
  if constexpr (kind == Activation::gelu) return not_below_far(x) * normal_cdf_(x);
  if constexpr (kind == Activation::gelu_tanh) {
    // 0.5 (1 + tanh(u)) is sigmoid(2 u), which loses nothing where tanh(u) is near -1.
    x = not_below_far(x);
    const V slope = constant<V>(2 * kGeluSlope) + constant<V>(2 * kGeluSlope * kGeluCubic) * (x * x);
    return logistic_(x * slope, x);
  }
  if constexpr (kind == Activation::silu) return logistic_(x, not_below_far(x));
  if constexpr (kind == Activation::sigmoid) return logistic_(x, constant<V>(1));
  if constexpr (kind == Activation::tanh) return tanh_(x);
  if constexpr (kind == Activation::softplus) {
    const V rest = log1p_(exp_(-abs_(x)));
    return x < zero ? rest : x + rest;
  }
  if constexpr (kind == Activation::hard_sigmoid) return hard_step(x);
  if constexpr (kind == Activation::hard_swish) return not_below_far(x) * hard_step(x);
}

/// dy * act'; s is act(x) where saves_output(kind), else x. At a kink the derivative is the left one.
template <Activation kind, class V>
HL_FORMULA V activate_grad(V s, V dy, V alpha) {
  const V zero = constant<V>(0), one = constant<V>(1), half = constant<V>(0.5);
  if constexpr (kind == Activation::none) return dy;
  if constexpr (kind == Activation::relu) return s <= zero ? zero : dy;
  if constexpr (kind == Activation::leaky_relu) return s <= zero ? dy * alpha : dy;
  if constexpr (kind == Activation::elu) return s <= zero ? dy * (s + alpha) : dy;
  if constexpr (kind == Activation::selu) {
    return dy * (s <= zero ? s + constant<V>(kSeluScale * kSeluAlpha) : constant<V>(kSeluScale));
  }
  if constexpr (kind == Activation::gelu) {
    s = within_far(s);
    const V pdf = constant<V>(0.39894228040143267794) * exp_(-half * s * s);
    return dy * (normal_cdf_(s) + s * pdf);
  }
  if constexpr (kind == Activation::gelu_tanh) {
    s = within_far(s);
    const V square = s * s;
    const V slope = constant<V>(2 * kGeluSlope) + constant<V>(2 * kGeluSlope * kGeluCubic) * square;
    const V inner_grad = constant<V>(2 * kGeluSlope) + constant<V>(6 * kGeluSlope * kGeluCubic) * square;
    const V y = logistic_(s * slope, one);
    return dy * (y + s * (inner_grad * (y * (one - y))));
  }
  if constexpr (kind == Activation::silu) {
    s = within_far(s);
    const V y = logistic_(s, one);
    return dy * (y + s * (y * (one - y)));
  }
  if constexpr (kind == Activation::sigmoid) return dy * (s * (one - s));
  if constexpr (kind == Activation::tanh) return dy * (one - s * s);
  if constexpr (kind == Activation::softplus) return dy * -expm1_(-s);
  if constexpr (kind == Activation::hard_sigmoid) {
    return s <= zero ? zero : (s >= one ? zero : dy * constant<V>(1.0 / 6.0));
  }
  if constexpr (kind == Activation::hard_swish) {
    const V three = constant<V>(3);
    return s <= -three ? zero : (s >= three ? dy : dy * (s * constant<V>(1.0 / 3.0) + half));
  }
}

// ---- windows ------------------------------------------------------------------------------------------------------

#include "formulas_window.h"

/// True (a mask) where `best`, the maximum of a window so far, stays ahead of the next value: ties stay with the
/// first, and so does a NaN.
template <class V>
HL_FORMULA auto stays(V best, V next) {
  return (next <= best) | (best != best);
}

// ---- elementwise -------------------------------------------------------------------------------------------------

/// Calls f(kind constant) with the op as a compile-time constant.
template <class F>
HL_FORMULA void with_unary(UnaryOp kind, F&& f) {
  switch (kind) {
#define HL_CASE(name)                                    \
  case UnaryOp::name:                                    \
    f(std::integral_constant<UnaryOp, UnaryOp::name>{}); \
    break;
    HL_UNARY_OPS(HL_CASE)
#undef HL_CASE
  }
}
template <class F>
HL_FORMULA void with_binary(BinaryOp kind, F&& f) {
  switch (kind) {
#define HL_CASE(name)                                      \
  case BinaryOp::name:                                     \
    f(std::integral_constant<BinaryOp, BinaryOp::name>{}); \
    break;
    HL_BINARY_OPS(HL_CASE)
#undef HL_CASE
  }
}
template <class F>
HL_FORMULA void with_compare(CompareOp kind, F&& f) {
  switch (kind) {
#define HL_CASE(name)                                        \
  case CompareOp::name:                                      \
    f(std::integral_constant<CompareOp, CompareOp::name>{}); \
    break;
    HL_COMPARE_OPS(HL_CASE)
#undef HL_CASE
  }
}

/// op(x)
template <UnaryOp op, class V>
HL_FORMULA V unary_op(V x) {
  const V zero = constant<V>(0), one = constant<V>(1);
  if constexpr (op == UnaryOp::negative) return -x;
  if constexpr (op == UnaryOp::exp) return exp_(x);
  if constexpr (op == UnaryOp::log) return log_(x);
  if constexpr (op == UnaryOp::sqrt) return sqrt_(x);
  if constexpr (op == UnaryOp::abs) return abs_(x);
  if constexpr (op == UnaryOp::square) return x * x;
  if constexpr (op == UnaryOp::sign) return x > zero ? one : (x < zero ? -one : x);
  if constexpr (op == UnaryOp::reciprocal) return one / x;
  if constexpr (op == UnaryOp::sin) return sin_(x);
  if constexpr (op == UnaryOp::cos) return cos_(x);
}

/// a op b; maximum and minimum give NaN where an operand is NaN.
template <BinaryOp op, class V>
HL_FORMULA V binary_op(V a, V b) {
  if constexpr (op == BinaryOp::add) return a + b;
  if constexpr (op == BinaryOp::subtract) return a - b;
  if constexpr (op == BinaryOp::multiply) return a * b;
  if constexpr (op == BinaryOp::divide) return a / b;
  if constexpr (op == BinaryOp::power) return pow_(a, b);
  if constexpr (op == BinaryOp::maximum) return ((a > b) | (a != a)) ? a : b;
  if constexpr (op == BinaryOp::minimum) return ((a < b) | (a != a)) ? a : b;
}

/// x multiplied with itself, exponent >= 0 times in all.
template <class V>
HL_FORMULA V multiplied(V x, int exponent) {
  V product = constant<V>(1);
  for (int bits = exponent; bits > 0; bits /= 2, x *= x) {
    if (bits % 2 == 1) product *= x;
  }
  return product;
}
/// x ** exponent for whole exponents >= 0; floats beyond the third power in double, since each squaring doubles the
/// error so far.
template <class V>
HL_FORMULA V whole_power(V x, int exponent) {
  if constexpr (is_float<V>) {
    if (exponent > 3) return in_double([exponent](auto v) { return multiplied(v, exponent); }, x);
  }
  return multiplied(x, exponent);
}
/// x ** 0.5, where pow gives 0 for -0 and infinity for -infinity.
template <class V>
HL_FORMULA V root_power(V x) {
  const V infinity = constant<V>(__builtin_inf());
  return x == -infinity ? infinity : sqrt_(x + constant<V>(0));
}
/// The whole exponents up to which whole_power is the way.
inline constexpr int kWholePowers = 8;

/// a op b for scalars
template <CompareOp op, class T>
HL_FORMULA bool compare_op(T a, T b) {
  if constexpr (op == CompareOp::equal) return a == b;
  if constexpr (op == CompareOp::not_equal) return a != b;
  if constexpr (op == CompareOp::less) return a < b;
  if constexpr (op == CompareOp::less_equal) return a <= b;
  if constexpr (op == CompareOp::greater) return a > b;
  if constexpr (op == CompareOp::greater_equal) return a >= b;
}
