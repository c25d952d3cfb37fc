// conv2d and conv2d_max_pool2d with their gradients. Padding arrives resolved to (top, left, bottom, right).
#include <pybind11/stl.h>

#include "bindings/activation.h"
#include "bindings/array.h"
#include "cpu/bfloat16.h"

namespace hotloop::bindings {
namespace {

using Sides = std::tuple<int64_t, int64_t, int64_t, int64_t>;  // top, left, bottom, right

struct ConvOptions {
  Pair stride;
  Sides padding;
  Pair dilation;
  int64_t groups;
};

int64_t output_size(const char* op, const char* axis, int64_t size, int64_t before, int64_t after, int64_t taps,
                    int64_t dilation, int64_t stride) {
  const int64_t reach = (taps - 1) * dilation + 1, padded = size + before + after;
  if (taps < 1 || dilation < 1 || stride < 1 || before < 0 || after < 0) {
    value_error(op, text(axis, ": window ", taps, ", stride ", stride, " and dilation ", dilation,
                         " must be at least 1, padding ", before, ", ", after, " at least 0"));
  }
  if (padded == 0) return 0;  // "same" over nothing
  if (reach > padded) {
    value_error(op, text(axis, ": window ", taps, " with dilation ", dilation, " spans ", reach,
                         ", the padded input has ", padded));
  }
  return (padded - reach) / stride + 1;
}

Conv2dShape conv_shape(const char* op, const Shape& x, const Shape& w, const ConvOptions& options) {
  if (x.size() != 4) value_error(op, text("x ", x, " has ", x.size(), " dimensions, wants 4: (n, h, w, c)"));
  if (w.size() != 4) {
    value_error(op, text("weight ", w, " has ", w.size(), " dimensions, wants 4: (kh, kw, c / groups, f)"));
  }
  const auto [top, left, bottom, right] = options.padding;
  Conv2dShape s{};
  s.n = x[0], s.h = x[1], s.w = x[2], s.c = x[3];
  s.kh = w[0], s.kw = w[1], s.f = w[3];
  s.groups = options.groups;
  if (s.groups < 1 || s.c % s.groups != 0 || s.f % s.groups != 0) {
    value_error(op, text("groups ", s.groups, " must divide ", s.c, " input channels and ", s.f, " filters"));
  }
  if (s.c / s.groups != w[2]) {
    value_error(op, text("channels differ: input ", x, " has ", s.c, ", weight ", w, " wants ", w[2] * s.groups));
  }
  s.stride_h = options.stride[0], s.stride_w = options.stride[1];
  s.dilation_h = options.dilation[0], s.dilation_w = options.dilation[1];
  s.pad_top = top, s.pad_left = left;
  s.oh = output_size(op, "height", s.h, top, bottom, s.kh, s.dilation_h, s.stride_h);
  s.ow = output_size(op, "width", s.w, left, right, s.kw, s.dilation_w, s.stride_w);
  return s;
}

// The two factors of a convolution's product: as they are where the CPU's unit rounds them, else rounded where products
// run in bfloat16.
struct Factors {
  Array a, b;

  Factors(const char* op, const Argument& a_arg, const Argument& b_arg, ArrayType type)
      : a(as_operand(op, a_arg, type)), b(as_operand(op, b_arg, type)) {}

  void round(const char* op, ArrayType type, Conv2dShape& s) {
    s.in_bfloat16 = unit_rounds(type) && cpu::unit_convolves(s);
    if (s.in_bfloat16) return;
    a = rounded_factor(op, a, type);
    b = rounded_factor(op, b, type);
  }
};

py::object conv2d(py::handle x_in, py::handle w_in, py::handle b_in, Pair stride, Sides padding, Pair dilation,
                  int64_t groups, int activation, double alpha, py::handle out) {
  constexpr const char* op = "conv2d";
  const Argument x_arg{"x", x_in}, w_arg{"weight", w_in}, b_arg{"bias", b_in};
  const ArrayType type = common_type(op, {x_arg, w_arg, b_arg});
  Factors factors(op, x_arg, w_arg, type);
  const Array &x = factors.a, &w = factors.b, bias = as_array(op, b_arg, type);
  Conv2dShape s = conv_shape(op, x.shape(), w.shape(), {stride, padding, dilation, groups});
  factors.round(op, type, s);
  s.activation = activation_spec(op, activation, alpha);
  if (bias) check_shape(op, "bias", bias.shape(), {s.f});
  const Output y(op, type, {s.n, s.oh, s.ow, s.f}, out, {x_arg, w_arg, b_arg});
  with_backend(type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run(op, backend.conv2d, s, x.data<T>(), w.data<T>(), bias.data<T>(), y.template data<T>());
  });
  return y.finish();
}

py::object conv2d_input_grad(py::handle dy_in, py::handle w_in, const Shape& x_shape, Pair stride, Sides padding,
                             Pair dilation, int64_t groups) {
  constexpr const char* op = "conv2d_input_grad";
  const Argument dy_arg{"dy", dy_in}, w_arg{"weight", w_in};
  const ArrayType type = common_type(op, {dy_arg, w_arg});
  Factors factors(op, dy_arg, w_arg, type);
  const Array &dy = factors.a, &w = factors.b;
  Conv2dShape s = conv_shape(op, x_shape, w.shape(), {stride, padding, dilation, groups});
  factors.round(op, type, s);
  check_shape(op, "dy", dy.shape(), {s.n, s.oh, s.ow, s.f});
  const Array dx = make_array(op, type, x_shape);
  with_backend(type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run(op, backend.conv2d_input_grad, s, dy.data<T>(), w.data<T>(), dx.data<T>());
  });
  return dx.object();
}

py::object conv2d_weight_grad(py::handle x_in, py::handle dy_in, const Shape& w_shape, Pair stride, Sides padding,
                              Pair dilation, int64_t groups) {
  constexpr const char* op = "conv2d_weight_grad";
  const Argument x_arg{"x", x_in}, dy_arg{"dy", dy_in};
  const ArrayType type = common_type(op, {x_arg, dy_arg});
  Factors factors(op, x_arg, dy_arg, type);
  const Array &x = factors.a, &dy = factors.b;
  Conv2dShape s = conv_shape(op, x.shape(), w_shape, {stride, padding, dilation, groups});
  factors.round(op, type, s);
  check_shape(op, "dy", dy.shape(), {s.n, s.oh, s.ow, s.f});
  const Array dw = make_array(op, type, w_shape);
  with_backend(type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run(op, backend.conv2d_weight_grad, s, x.data<T>(), dy.data<T>(), dw.data<T>());
  });
  return dw.object();
}

ConvPoolShape conv_pool_shape(const char* op, const Shape& x, const Shape& w, const ConvOptions& options, Pair pool) {
  ConvPoolShape s{conv_shape(op, x, w, options), pool[0], pool[1], 0, 0};
  if (s.pool_h < 1 || s.pool_w < 1 || s.pool_h > 255 || s.pool_w > 255 || s.pool_h * s.pool_w > 255) {
    value_error(op, text("pool window (", s.pool_h, ", ", s.pool_w, ") must have 1 to 255 positions"));
  }
  s.oh = s.conv.oh / s.pool_h;
  s.ow = s.conv.ow / s.pool_w;
  if (s.oh == 0 || s.ow == 0) {
    value_error(op, text("pool window (", s.pool_h, ", ", s.pool_w, ") is larger than the convolution's output (",
                         s.conv.oh, ", ", s.conv.ow, ")"));
  }
  return s;
}

py::object conv2d_max_pool2d(py::handle x_in, py::handle w_in, py::handle b_in, Pair pool, Pair stride, Sides padding,
                             Pair dilation, int64_t groups, int activation, double alpha, bool keep_argmax) {
  constexpr const char* op = "conv2d_max_pool2d";
  const Argument x_arg{"x", x_in}, w_arg{"weight", w_in}, b_arg{"bias", b_in};
  const ArrayType type = common_type(op, {x_arg, w_arg, b_arg});
  const Array x = as_factor(op, x_arg, type), w = as_factor(op, w_arg, type), bias = as_array(op, b_arg, type);
  ConvPoolShape s = conv_pool_shape(op, x.shape(), w.shape(), {stride, padding, dilation, groups}, pool);
  s.conv.activation = activation_spec(op, activation, alpha);
  if (!saves_output(s.conv.activation.kind)) {
    value_error(op, "the activation must not fall anywhere: gelu, silu and hard_swish do not commute with the maximum");
  }
  if (bias) check_shape(op, "bias", bias.shape(), {s.conv.f});
  const Shape shape = {s.conv.n, s.oh, s.ow, s.conv.f};
  const Array y = make_array(op, type, shape);
  const Array argmax = keep_argmax ? make_array_of<uint8_t>(op, type.where, shape) : Array();
  with_backend(type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run(op, backend.conv2d_max_pool2d, s, x.data<T>(), w.data<T>(), bias.data<T>(), y.data<T>(),
        argmax.data<uint8_t>());
  });
  return py::make_tuple(y.object(), keep_argmax ? argmax.object() : py::none());
}

// (dx, dw, db), None where not wanted.
py::tuple conv2d_max_pool2d_grad(py::handle x_in, py::handle w_in, py::handle y_in, py::handle argmax_in,
                                 py::handle dy_in, Pair pool, Pair stride, Sides padding, Pair dilation, int64_t groups,
                                 int activation, double alpha, bool wants_dx, bool wants_dw, bool wants_db) {
  constexpr const char* op = "conv2d_max_pool2d_grad";
  const Argument x_arg{"x", x_in}, w_arg{"weight", w_in}, y_arg{"y", y_in}, dy_arg{"dy", dy_in};
  const ArrayType type = common_type(op, {x_arg, w_arg, y_arg, dy_arg});
  const Array x = as_factor(op, x_arg, type), w = as_factor(op, w_arg, type), y = as_array(op, y_arg, type),
              argmax = as_exact<uint8_t>(op, {"argmax", argmax_in}, type.where);
  const Array dy = as_array(op, dy_arg, type);
  ConvPoolShape s = conv_pool_shape(op, x.shape(), w.shape(), {stride, padding, dilation, groups}, pool);
  s.conv.activation = activation_spec(op, activation, alpha);
  check_shape(op, "dy", dy.shape(), {s.conv.n, s.oh, s.ow, s.conv.f});
  check_shape(op, "y", y.shape(), dy.shape());
  check_shape(op, "argmax", argmax.shape(), dy.shape());
  const Array dx = wants_dx ? make_array(op, type, x.shape()) : Array();
  const Array dw = wants_dw ? make_array(op, type, w.shape()) : Array();
  const Array db = wants_db ? make_array(op, type, {s.conv.f}) : Array();
  with_backend(type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    const auto gradients = [&](const Array& of, T* to_x, T* to_w, T* to_b) {
      run(op, backend.conv2d_max_pool2d_grad, s, x.data<T>(), w.data<T>(), y.data<T>(), argmax.data<uint8_t>(),
          of.data<T>(), to_x, to_w, to_b);
    };
    if (!rounds_factors(type)) return gradients(dy, dx.data<T>(), dw.data<T>(), db.data<T>());
    // The gradient before the activation is a factor of dx and dw, and no other of db.
    const Array slope = make_array(op, type, dy.shape());
    run(op, backend.activation_grad, s.conv.activation, dy.size(), y.data<T>(), dy.data<T>(), slope.data<T>());
    s.conv.activation = {};
    if (wants_db) gradients(slope, nullptr, nullptr, db.data<T>());
    gradients(as_factor(op, {"dy", slope.object()}, type), dx.data<T>(), dw.data<T>(), nullptr);
  });
  const auto given = [](const Array& array) { return array ? array.object() : py::none(); };
  return py::make_tuple(given(dx), given(dw), given(db));
}

const Family conv_family([](py::module_& m) {
  m.def("conv2d", &conv2d);
  m.def("conv2d_input_grad", &conv2d_input_grad);
  m.def("conv2d_weight_grad", &conv2d_weight_grad);
  m.def("conv2d_max_pool2d", &conv2d_max_pool2d);
  m.def("conv2d_max_pool2d_grad", &conv2d_max_pool2d_grad);
});

}  // namespace
}  // namespace hotloop::bindings
