// The named sizes and options that travel to kernels, so that no kernel takes ten ints.
//
// Every size is in elements unless its name says bytes. All arrays a kernel receives are C-contiguous
// unless a struct here carries strides for them.
#pragma once

#include <cstdint>

namespace hotloop {

inline constexpr int kMaxRank = 8;

/// What a kernel returns: nullptr when it ran, else the text of what went wrong (static storage).
using Status = const char*;
inline constexpr Status kOk = nullptr;

// The lists below give the enums and, in the bindings, the names Python uses for them.

/// The activations; leaky_relu's slope and elu's alpha travel beside the kind.
#define HL_ACTIVATIONS(X) \
  X(none)                 \
  X(relu)                 \
  X(leaky_relu) X(elu) X(selu) X(gelu) X(gelu_tanh) X(silu) X(sigmoid) X(tanh) X(softplus) X(hard_sigmoid) X(hard_swish)
/// y = op(x), elementwise.
#define HL_UNARY_OPS(X) X(negative) X(exp) X(log) X(sqrt) X(abs) X(square) X(sign) X(reciprocal) X(sin) X(cos)
/// y = a op b, elementwise after broadcasting.
#define HL_BINARY_OPS(X) X(add) X(subtract) X(multiply) X(divide) X(power) X(maximum) X(minimum)
/// y = a op b as booleans; any comparison with NaN is false but not_equal.
#define HL_COMPARE_OPS(X) X(equal) X(not_equal) X(less) X(less_equal) X(greater) X(greater_equal)
/// Reductions; max and min give NaN where an element is NaN.
#define HL_REDUCE_OPS(X) X(sum) X(mean) X(max) X(min)
/// Losses that look at one element at a time.
#define HL_POINTWISE_LOSSES(X) X(mse) X(mae) X(huber) X(binary_cross_entropy)
/// How a loss is reduced.
#define HL_REDUCTIONS(X) X(none) X(sum) X(mean)

#define HL_ENUMERATOR(name) name,
enum class Activation : int { HL_ACTIVATIONS(HL_ENUMERATOR) };
enum class UnaryOp : int { HL_UNARY_OPS(HL_ENUMERATOR) };
enum class BinaryOp : int { HL_BINARY_OPS(HL_ENUMERATOR) };
enum class CompareOp : int { HL_COMPARE_OPS(HL_ENUMERATOR) };
enum class ReduceOp : int { HL_REDUCE_OPS(HL_ENUMERATOR) };
enum class PointwiseLoss : int { HL_POINTWISE_LOSSES(HL_ENUMERATOR) };
enum class Reduction : int { HL_REDUCTIONS(HL_ENUMERATOR) };
#undef HL_ENUMERATOR

/// An activation with its one parameter (slope of leaky_relu, alpha of elu; unused by the others).
struct ActivationSpec {
  Activation kind = Activation::none;
  double alpha = 0.0;
};

/// True where the derivative is computed from the output y; false where it needs the input x.
constexpr bool saves_output(Activation kind) {
  return kind != Activation::gelu && kind != Activation::gelu_tanh && kind != Activation::silu &&
         kind != Activation::hard_swish;
}

/// c = a @ b over a batch: a is (m, k), b is (k, n), c is (m, n) and contiguous.
/// Strides are in elements; a transposed operand is one whose row stride is 1, a broadcast one has batch stride 0.
struct MatmulShape {
  int64_t m, n, k;
  int64_t a_row, a_col;
  int64_t b_row, b_col;
  int batch_rank = 0;
  int64_t batch[kMaxRank] = {};
  int64_t a_batch[kMaxRank] = {};
  int64_t b_batch[kMaxRank] = {};
  ActivationSpec activation = {};
  bool in_bfloat16 = false;  // on the CPU: by its unit for such products, which is there
};

/// x is (n, h, w, c), weight is (kh, kw, c / groups, f), y is (n, oh, ow, f).
/// Output pixel (i, j) sees input rows i * stride_h - pad_top + r * dilation_h, r < kh; columns alike.
struct Conv2dShape {
  int64_t n, h, w, c;
  int64_t kh, kw, f;
  int64_t oh, ow;
  int64_t stride_h = 1, stride_w = 1;
  int64_t pad_top = 0, pad_left = 0;
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t groups = 1;
  ActivationSpec activation = {};
  bool in_bfloat16 = false;  // as in MatmulShape
};

/// x is (n, h, w, c), y is (n, oh, ow, c). Window positions outside the input are ignored by max pooling.
struct Pool2dShape {
  int64_t n, h, w, c;
  int64_t kh, kw;
  int64_t oh, ow;
  int64_t stride_h, stride_w;
  int64_t pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
  int64_t dilation_h = 1, dilation_w = 1;
  bool count_include_pad = false;  // average pooling: divide by the window clipped to the padded input
};

/// conv2d, activation and an unpadded max_pool2d whose windows do not overlap (stride = window), as one op.
/// The activation must be non-decreasing: none, relu, leaky_relu, elu, selu, sigmoid, tanh, softplus, hard_sigmoid.
/// The convolution's own (oh, ow) need not be multiples of the window: the rest is not computed.
struct ConvPoolShape {
  Conv2dShape conv;
  int64_t pool_h, pool_w;  // at most 255 positions in a window
  int64_t oh, ow;          // pooled size: conv.oh / pool_h, conv.ow / pool_w
};

/// An array as (outer, length, inner), worked on along its middle axis.
struct AxisShape {
  int64_t outer, length, inner;
};

/// Two operands broadcast to a contiguous result: sizes and the operands' strides, 0 where broadcast.
struct BroadcastShape {
  int rank;
  int64_t size[kMaxRank];
  int64_t a_stride[kMaxRank];
  int64_t b_stride[kMaxRank];
};

/// One operand read with strides into a contiguous result: transposes, slices, broadcasts.
struct StridedShape {
  int rank;
  int64_t size[kMaxRank];
  int64_t stride[kMaxRank];
};

/// n choices; an operand that is not `whole` is one element for all.
struct SelectShape {
  int64_t n;
  bool a_whole, b_whole;
};

/// A contiguous x of the given sizes; axes marked in `reduced` (bit i for axis i) vanish from y.
struct ReduceShape {
  int rank;
  int64_t size[kMaxRank];
  uint32_t reduced;
};

/// logits is (rows, classes). Labels are ids (rows) or probabilities (rows, classes).
/// Meaning of weights, ignore_index, smoothing and "mean" is PyTorch's.
struct CrossEntropySpec {
  int64_t rows, classes;
  Reduction reduction = Reduction::mean;
  double label_smoothing = 0.0;
  bool has_ignore_index = false;
  int64_t ignore_index = 0;
};

/// predictions and targets are (n); weight, where given, is (n).
struct PointwiseLossSpec {
  PointwiseLoss kind;
  int64_t n;
  Reduction reduction = Reduction::mean;
  double delta = 1.0;  // huber: where the square turns into a line
};

/// Element i is kept where its 32 random bits (dropout_words in philox.h), as a fraction of 2^32, are not below rate,
/// and is then scaled by 1 / (1 - rate). The bits follow from seed, counter and i alone. rate 0 copies, rate 1 zeroes.
struct DropoutSpec {
  int64_t n;
  double rate;  // 0 .. 1
  uint64_t seed;
  uint64_t counter;  // number of the call, so that one seed gives many masks
};

/// What changes from step to step, kept in backend memory so that a captured step can be replayed.
struct StepState {
  double lr = 0.0;
  int64_t step = 0;         // 1 at the first update
  double mu_product = 1.0;  // nadam: the product of its momenta mu_1 .. mu_step, this step's included
};

struct SgdSpec {
  double momentum = 0.0, dampening = 0.0, weight_decay = 0.0;
  bool nesterov = false;
};
/// Adam, or AdamW where decoupled.
struct AdamSpec {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.0;
  bool decoupled = false, amsgrad = false;
};
struct NadamSpec {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.0, momentum_decay = 4e-3;
};
struct RmspropSpec {
  double alpha = 0.99, eps = 1e-8, weight_decay = 0.0, momentum = 0.0;
  bool centered = false;
};
struct AdagradSpec {
  double lr_decay = 0.0, weight_decay = 0.0, eps = 1e-10;
};
struct LionSpec {
  double beta1 = 0.9, beta2 = 0.99, weight_decay = 0.0;
};

}  // namespace hotloop
