#include "parity.h"

namespace parity {
namespace {

// A convolution; oh and ow follow from the padding behind.
Conv2dShape shape(int64_t n, int64_t h, int64_t w, int64_t c, int64_t kh, int64_t kw, int64_t f) {
  Conv2dShape s{};
  s.n = n, s.h = h, s.w = w, s.c = c, s.kh = kh, s.kw = kw, s.f = f;
  return s;
}

Conv2dShape resolved(Conv2dShape s, int64_t pad_bottom, int64_t pad_right) {
  s.oh = (s.h + s.pad_top + pad_bottom - (s.kh - 1) * s.dilation_h - 1) / s.stride_h + 1;
  s.ow = (s.w + s.pad_left + pad_right - (s.kw - 1) * s.dilation_w - 1) / s.stride_w + 1;
  return s;
}

std::vector<Conv2dShape> shapes() {
  std::vector<Conv2dShape> all;
  const auto add = [&](Conv2dShape s, int64_t pad_bottom = 0, int64_t pad_right = 0) {
    all.push_back(resolved(s, pad_bottom, pad_right));
  };
  for (const int64_t channels : {1, 3, 5, 8}) {
    for (const int64_t filters : {1, 6, 8}) add(shape(2, 7, 6, channels, 3, 2, filters));
  }
  add(shape(3, 9, 9, 8, 1, 1, 12));
  Conv2dShape s = shape(2, 11, 10, 8, 3, 3, 12);
  s.pad_top = 1, s.pad_left = 2;
  add(s, 2, 0);
  s.stride_h = 2, s.stride_w = 3;
  add(s, 1, 1);
  s.dilation_h = 2, s.dilation_w = 3;
  add(s, 3, 3);
  s.stride_h = 4, s.stride_w = 2, s.dilation_w = 2;  // some pixels meet no tap
  s.kw = 2;
  add(s, 1, 2);
  s = shape(2, 8, 9, 16, 3, 3, 24);
  s.groups = 2;
  s.pad_top = s.pad_left = 1;
  add(s, 1, 1);
  s = shape(2, 8, 9, 6, 3, 3, 6);  // depthwise
  s.groups = 6;
  s.stride_h = s.stride_w = 2;
  add(s, 1, 0);
  s = shape(1, 6, 6, 15, 2, 3, 9);  // odd groups
  s.groups = 3;
  add(s);
  add(shape(2, 5, 5, 0, 3, 3, 4));
  add(shape(0, 5, 5, 4, 3, 3, 4));
  add(shape(2, 5, 5, 4, 3, 3, 0));
  add(shape(16, 12, 12, 32, 3, 3, 64));  // several tiles
  return all;
}

std::string name(const Conv2dShape& s) {
  return "x " + std::to_string(s.n) + " " + std::to_string(s.h) + " " + std::to_string(s.w) + " " +
         std::to_string(s.c) + ", w " + std::to_string(s.kh) + " " + std::to_string(s.kw) + " " + std::to_string(s.f) +
         ", groups " + std::to_string(s.groups) + ", stride " + std::to_string(s.stride_h) + " " +
         std::to_string(s.stride_w);
}

double tolerance(Precision precision, int64_t depth) {
  const double one = precision == Precision::tf32 ? 1e-3 : precision == Precision::bfloat16 ? 8e-3 : 3e-7;
  return one * std::sqrt(static_cast<double>(depth) + 1) * 4;
}

int64_t x_size(const Conv2dShape& s) { return s.n * s.h * s.w * s.c; }
int64_t w_size(const Conv2dShape& s) { return s.kh * s.kw * (s.c / s.groups) * s.f; }
int64_t y_size(const Conv2dShape& s) { return s.n * s.oh * s.ow * s.f; }

void forward(Conv2dShape s, Precision precision, int64_t offset) {
  if (!has(precision)) return;
  Floats x(x_size(s), offset), w(w_size(s)), bias(s.f), y(y_size(s));
  x.fill();
  w.fill();
  bias.fill();
  for (const Activation kind : {Activation::none, Activation::relu, Activation::tanh}) {
    s.activation.kind = kind;
    const bool with_bias = kind != Activation::none;
    require(cpu().conv2d(s, here(x), here(w), with_bias ? here(bias) : nullptr, here(y)));
    require(device().set_precision(precision));
    require(cuda().conv2d(s, there(x), there(w), with_bias ? there(bias) : nullptr, there(y)));
    require(device().set_precision(Precision::float32));
    compare("conv2d " + name(s), y, 1e-6, tolerance(precision, s.kh * s.kw * s.c / s.groups));
  }
}

void input_grad(const Conv2dShape& s, Precision precision) {
  if (!has(precision)) return;
  Floats dy(y_size(s)), w(w_size(s)), dx(x_size(s));
  dy.fill();
  w.fill();
  require(cpu().conv2d_input_grad(s, here(dy), here(w), here(dx)));
  require(device().set_precision(precision));
  require(cuda().conv2d_input_grad(s, there(dy), there(w), there(dx)));
  require(device().set_precision(Precision::float32));
  compare("conv2d_input_grad " + name(s), dx, 1e-6, tolerance(precision, s.kh * s.kw * s.f / s.groups));
}

void weight_grad(const Conv2dShape& s, Precision precision) {
  if (!has(precision)) return;
  Floats x(x_size(s)), dy(y_size(s)), dw(w_size(s));
  x.fill();
  dy.fill();
  require(cpu().conv2d_weight_grad(s, here(x), here(dy), here(dw)));
  require(device().set_precision(precision));
  require(cuda().conv2d_weight_grad(s, there(x), there(dy), there(dw)));
  require(device().set_precision(Precision::float32));
  compare("conv2d_weight_grad " + name(s), dw, 3e-6, tolerance(precision, s.n * s.oh * s.ow));
}

constexpr Precision kTensor[] = {Precision::tf32, Precision::tf32x3, Precision::bfloat16};

const Row forwards("conv2d", [] {
  for (const Conv2dShape& s : shapes()) forward(s, Precision::float32, 0);
  forward(shapes()[15], Precision::float32, 1);
});
const Row forwards_tensor("conv2d, tensor cores", [] {
  for (const Precision precision : kTensor) {
    for (const Conv2dShape& s : shapes()) forward(s, precision, 0);
  }
});
const Row input_grads("conv2d_input_grad", [] {
  for (const Conv2dShape& s : shapes()) input_grad(s, Precision::float32);
});
const Row input_grads_tensor("conv2d_input_grad, tensor cores", [] {
  for (const Precision precision : kTensor) {
    for (const Conv2dShape& s : shapes()) input_grad(s, precision);
  }
});
const Row weight_grads("conv2d_weight_grad", [] {
  for (const Conv2dShape& s : shapes()) weight_grad(s, Precision::float32);
});
const Row weight_grads_tensor("conv2d_weight_grad, tensor cores", [] {
  for (const Precision precision : kTensor) {
    for (const Conv2dShape& s : shapes()) weight_grad(s, precision);
  }
});

}  // namespace
}  // namespace parity
