#include "parity.h"

namespace parity {
namespace {

struct Case {
  int64_t n, h, w, c, kh, kw, f, pool_h, pool_w, groups, stride, pad;
};

constexpr Case kCases[] = {
    {3, 9, 8, 1, 3, 3, 8, 2, 2, 1, 1, 0},       // few channels
    {2, 9, 11, 3, 2, 3, 7, 2, 2, 1, 1, 1},      // odd filters
    {2, 9, 9, 4, 3, 3, 4, 2, 2, 4, 1, 1},       // depthwise
    {3, 11, 10, 8, 3, 3, 12, 2, 2, 1, 1, 0},    // a product
    {3, 11, 10, 8, 3, 3, 12, 2, 2, 2, 2, 1},    // groups
    {3, 11, 10, 5, 3, 3, 6, 2, 2, 1, 1, 1},     // not aligned
    {2, 10, 11, 8, 3, 3, 12, 3, 2, 1, 1, 1},    // another window
    {2, 10, 11, 2, 3, 3, 5, 1, 3, 1, 1, 0},     // another window, few channels
    {16, 13, 13, 32, 3, 3, 64, 2, 2, 1, 1, 0},  // several tiles, rows dropped
    {2, 6, 6, 0, 3, 3, 4, 2, 2, 1, 1, 0},      {0, 6, 6, 8, 3, 3, 4, 2, 2, 1, 1, 0},
};

ConvPoolShape shape(const Case& c) {
  ConvPoolShape s{};
  s.conv.n = c.n, s.conv.h = c.h, s.conv.w = c.w, s.conv.c = c.c;
  s.conv.kh = c.kh, s.conv.kw = c.kw, s.conv.f = c.f, s.conv.groups = c.groups;
  s.conv.stride_h = s.conv.stride_w = c.stride;
  s.conv.pad_top = c.pad;
  s.conv.oh = (c.h + 2 * c.pad - c.kh) / c.stride + 1;
  s.conv.ow = (c.w - c.kw) / c.stride + 1;
  s.pool_h = c.pool_h, s.pool_w = c.pool_w;
  s.oh = s.conv.oh / s.pool_h, s.ow = s.conv.ow / s.pool_w;
  return s;
}

int64_t x_size(const ConvPoolShape& s) { return s.conv.n * s.conv.h * s.conv.w * s.conv.c; }
int64_t w_size(const ConvPoolShape& s) { return s.conv.kh * s.conv.kw * (s.conv.c / s.conv.groups) * s.conv.f; }
int64_t y_size(const ConvPoolShape& s) { return s.conv.n * s.oh * s.ow * s.conv.f; }

double tolerance(Precision precision, int64_t depth) {
  const double one = precision == Precision::tf32 ? 1e-3 : precision == Precision::bfloat16 ? 8e-3 : 3e-7;
  return one * std::sqrt(static_cast<double>(depth) + 1) * 4;
}

std::string name(const Case& c) {
  return "x " + std::to_string(c.h) + " " + std::to_string(c.w) + " " + std::to_string(c.c) + ", filters " +
         std::to_string(c.f) + ", window " + std::to_string(c.pool_h) + " " + std::to_string(c.pool_w);
}

void forward(Precision precision) {
  if (!has(precision)) return;
  for (const Case& c : kCases) {
    ConvPoolShape s = shape(c);
    Floats x(x_size(s)), w(w_size(s)), bias(c.f), y(y_size(s));
    Twin<uint8_t> argmax(y_size(s));
    x.fill();
    w.fill();
    bias.fill();
    if (!x.host.empty()) {
      x.host[x.host.size() / 2] = NAN;
      x.upload();
    }
    for (const Activation kind : {Activation::none, Activation::relu, Activation::tanh}) {
      s.conv.activation.kind = kind;
      const bool with_bias = kind != Activation::none, keep = kind != Activation::tanh;
      require(cpu().conv2d_max_pool2d(s, here(x), here(w), with_bias ? here(bias) : nullptr, here(y),
                                      keep ? here(argmax) : nullptr));
      require(device().set_precision(precision));
      require(cuda().conv2d_max_pool2d(s, there(x), there(w), with_bias ? there(bias) : nullptr, there(y),
                                       keep ? there(argmax) : nullptr));
      require(device().set_precision(Precision::float32));
      compare("conv2d_max_pool2d " + name(c), y, 1e-6, tolerance(precision, c.kh * c.kw * c.c / c.groups));
      // Rounded operands may change which of two near values is the larger.
      if (keep && precision == Precision::float32) compare_exactly("argmax " + name(c), argmax);
    }
  }
}

void gradients(Precision precision) {
  if (!has(precision)) return;
  for (const Case& c : kCases) {
    ConvPoolShape s = shape(c);
    Floats x(x_size(s)), w(w_size(s)), y(y_size(s)), dy(y_size(s)), dx(x_size(s)), dw(w_size(s)), db(c.f);
    Twin<uint8_t> argmax(y_size(s));
    x.fill();
    w.fill();
    y.fill();
    dy.fill();
    for (uint8_t& at : argmax.host) at = static_cast<uint8_t>(below(c.pool_h * c.pool_w));
    argmax.upload();
    for (const Activation kind : {Activation::none, Activation::relu, Activation::tanh}) {
      s.conv.activation.kind = kind;
      const bool wants_dx = kind != Activation::tanh, wants_dw = kind != Activation::relu;
      require(cpu().conv2d_max_pool2d_grad(s, here(x), here(w), here(y), here(argmax), here(dy),
                                           wants_dx ? here(dx) : nullptr, wants_dw ? here(dw) : nullptr, here(db)));
      require(device().set_precision(precision));
      require(cuda().conv2d_max_pool2d_grad(s, there(x), there(w), there(y), there(argmax), there(dy),
                                            wants_dx ? there(dx) : nullptr, wants_dw ? there(dw) : nullptr, there(db)));
      require(device().set_precision(Precision::float32));
      const double pixels = static_cast<double>(c.n * s.oh * s.ow);
      compare("conv2d_max_pool2d dx " + name(c), dx, 1e-6, tolerance(precision, c.kh * c.kw * c.f / c.groups));
      compare("conv2d_max_pool2d dw " + name(c), dw, 1e-6, tolerance(precision, c.n * s.oh * s.ow));
      compare("conv2d_max_pool2d db " + name(c), db, 1e-6, 1.2e-6 * std::sqrt(pixels + 1));
    }
  }
}

const Row forwards("conv2d_max_pool2d", [] { forward(Precision::float32); });
const Row forwards_tensor("conv2d_max_pool2d, tensor cores", [] {
  for (const Precision precision : {Precision::tf32, Precision::tf32x3, Precision::bfloat16}) forward(precision);
});
const Row grads("conv2d_max_pool2d gradients", [] { gradients(Precision::float32); });
const Row grads_tensor("conv2d_max_pool2d gradients, tensor cores", [] { gradients(Precision::tf32); });

}  // namespace
}  // namespace parity
