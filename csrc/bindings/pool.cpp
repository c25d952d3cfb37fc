// Pooling. Windows arrive as the numbers that ops/geometry.py makes of the arguments and explains where they are wrong.
#include <pybind11/stl.h>

#include <limits>

#include "bindings/array.h"

namespace hotloop::bindings {
namespace {

using Geometry = std::array<int64_t, 6>;  // output size and padding: oh, ow, top, bottom, left, right

// Refuses numbers that no checked arguments lead to, so that kernels can trust theirs.
void check_window(const char* op, const Pair& window, const Pair& stride, const Pair& dilation,
                  const Geometry& geometry) {
  constexpr int64_t limit = int64_t{1} << 31;
  for (const Pair* pair : {&window, &stride, &dilation}) {
    for (const int64_t value : *pair) {
      if (value < 1 || value >= limit) value_error(op, text("window, stride or dilation of ", value));
    }
  }
  for (const int64_t value : geometry) {
    if (value < 0 || value >= limit) value_error(op, text("output size or padding of ", value));
  }
}

// The sizes of pooling images (n, h, w, c).
Pool2dShape pool_shape(const char* op, const Shape& images, const Pair& window, const Pair& stride,
                       const Pair& dilation, const Geometry& geometry) {
  if (images.size() != 4) value_error(op, text("images ", images, " want 4 dimensions: (n, h, w, c)"));
  check_window(op, window, stride, dilation, geometry);
  Pool2dShape s{};
  s.n = images[0], s.h = images[1], s.w = images[2], s.c = images[3];
  s.kh = window[0], s.kw = window[1];
  s.stride_h = stride[0], s.stride_w = stride[1];
  s.dilation_h = dilation[0], s.dilation_w = dilation[1];
  s.oh = geometry[0], s.ow = geometry[1];
  s.pad_top = geometry[2], s.pad_bottom = geometry[3], s.pad_left = geometry[4], s.pad_right = geometry[5];
  return s;
}

Shape output_shape(const Pool2dShape& s) { return {s.n, s.oh, s.ow, s.c}; }

py::object max_pool2d(py::handle x_in, const Pair& window, const Pair& stride, const Pair& dilation,
                      const Geometry& geometry, bool with_indices, py::handle out) {
  constexpr const char* op = "max_pool2d";
  const Argument x_arg{"x", x_in};
  const ArrayType type = common_type(op, {x_arg});
  const Array x = as_operand(op, x_arg, type);
  const Pool2dShape s = pool_shape(op, x.shape(), window, stride, dilation, geometry);
  if (s.h > 0 && s.w > std::numeric_limits<int32_t>::max() / s.h) {
    value_error(op, text("input ", x.shape(), " has planes of more than 2147483647 elements"));
  }
  const Output y(op, type, output_shape(s), out, {x_arg});
  const Array indices = with_indices ? make_array_of<int32_t>(op, type.where, output_shape(s)) : Array();
  with_backend(type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run(op, backend.max_pool2d, s, x.data<T>(), y.template data<T>(), indices.data<int32_t>());
  });
  if (with_indices) return py::make_tuple(y.finish(), indices.object());
  return y.finish();
}

py::object max_pool2d_grad(py::handle dy_in, py::handle indices, const Shape& images, const Pair& window,
                           const Pair& stride, const Pair& dilation, const Geometry& geometry) {
  constexpr const char* op = "max_pool2d_grad";
  const Argument dy_arg{"dy", dy_in};
  const ArrayType type = common_type(op, {dy_arg});
  const Array dy = as_operand(op, dy_arg, type);
  const Pool2dShape s = pool_shape(op, images, window, stride, dilation, geometry);
  check_shape(op, "dy", dy.shape(), output_shape(s));
  const Array at = as_exact<int32_t>(op, {"indices", indices}, type.where);
  check_shape(op, "indices", at.shape(), output_shape(s));
  const Array dx = make_array(op, type, images);
  with_backend(type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run(op, backend.max_pool2d_grad, s, dy.data<T>(), at.data<int32_t>(), dx.data<T>());
  });
  return dx.object();
}

py::object avg_pool2d(py::handle x_in, const Pair& window, const Pair& stride, const Geometry& geometry,
                      bool count_include_pad, py::handle out) {
  constexpr const char* op = "avg_pool2d";
  const Argument x_arg{"x", x_in};
  const ArrayType type = common_type(op, {x_arg});
  const Array x = as_operand(op, x_arg, type);
  Pool2dShape s = pool_shape(op, x.shape(), window, stride, {1, 1}, geometry);
  s.count_include_pad = count_include_pad;
  const Output y(op, type, output_shape(s), out, {x_arg});
  with_backend(type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run(op, backend.avg_pool2d, s, x.data<T>(), y.template data<T>());
  });
  return y.finish();
}

py::object avg_pool2d_grad(py::handle dy_in, const Shape& images, const Pair& window, const Pair& stride,
                           const Geometry& geometry, bool count_include_pad) {
  constexpr const char* op = "avg_pool2d_grad";
  const Argument dy_arg{"dy", dy_in};
  const ArrayType type = common_type(op, {dy_arg});
  const Array dy = as_operand(op, dy_arg, type);
  Pool2dShape s = pool_shape(op, images, window, stride, {1, 1}, geometry);
  s.count_include_pad = count_include_pad;
  check_shape(op, "dy", dy.shape(), output_shape(s));
  const Array dx = make_array(op, type, images);
  with_backend(type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run(op, backend.avg_pool2d_grad, s, dy.data<T>(), dx.data<T>());
  });
  return dx.object();
}

const Family pool_family([](py::module_& m) {
  m.def("max_pool2d", &max_pool2d, py::arg("x"), py::arg("window"), py::arg("stride"), py::arg("dilation"),
        py::arg("geometry"), py::arg("with_indices") = false, py::arg("out") = py::none());
  m.def("max_pool2d_grad", &max_pool2d_grad, py::arg("dy"), py::arg("indices"), py::arg("images"), py::arg("window"),
        py::arg("stride"), py::arg("dilation"), py::arg("geometry"));
  m.def("avg_pool2d", &avg_pool2d, py::arg("x"), py::arg("window"), py::arg("stride"), py::arg("geometry"),
        py::arg("count_include_pad") = false, py::arg("out") = py::none());
  m.def("avg_pool2d_grad", &avg_pool2d_grad, py::arg("dy"), py::arg("images"), py::arg("window"), py::arg("stride"),
        py::arg("geometry"), py::arg("count_include_pad") = false);
});

}  // namespace
}  // namespace hotloop::bindings
