#include "bindings/array.h"

namespace hotloop::bindings {
namespace {

const char* op_name(bool logarithm) { return logarithm ? "log_softmax" : "softmax"; }

AxisShape axis_shape(const char* op, const Array& x, int64_t axis) {
  const int64_t rank = x.rank();
  if (axis < -rank || axis >= rank) value_error(op, text("axis ", axis, " is out of range for shape ", x.shape()));
  if (axis < 0) axis += rank;
  AxisShape s{1, x[static_cast<int>(axis)], 1};
  for (int i = 0; i < x.rank(); ++i) {
    if (i < axis) s.outer *= x[i];
    if (i > axis) s.inner *= x[i];
  }
  return s;
}

py::object softmax(py::handle x_in, int64_t axis, bool logarithm, py::handle out) {
  const char* op = op_name(logarithm);
  const Argument x_arg{"x", x_in};
  const ArrayType type = common_type(op, {x_arg});
  const Array x = as_operand(op, x_arg, type);
  const AxisShape shape = axis_shape(op, x, axis);
  const Output y(op, type, x.shape(), out, {x_arg});
  with_backend(type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run(op, backend.softmax, shape, logarithm, x.data<T>(), y.template data<T>());
  });
  return y.finish();
}

py::object softmax_grad(py::handle y_in, py::handle dy_in, int64_t axis, bool logarithm) {
  const char* op = op_name(logarithm);
  const Argument y_arg{"y", y_in}, dy_arg{"dy", dy_in};
  const ArrayType type = common_type(op, {y_arg, dy_arg});
  const Array y = as_operand(op, y_arg, type), dy = as_operand(op, dy_arg, type);
  if (y.shape() != dy.shape()) value_error(op, text("shapes differ: y ", y.shape(), ", dy ", dy.shape()));
  const AxisShape shape = axis_shape(op, y, axis);
  const Array dx = make_array(op, type, dy.shape());
  with_backend(type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run(op, backend.softmax_grad, shape, logarithm, y.data<T>(), dy.data<T>(), dx.data<T>());
  });
  return dx.object();
}

const Family softmax_family([](py::module_& m) {
  m.def("softmax", &softmax, py::arg("x"), py::arg("axis"), py::arg("logarithm"), py::arg("out") = py::none());
  m.def("softmax_grad", &softmax_grad, py::arg("y"), py::arg("dy"), py::arg("axis"), py::arg("logarithm"));
});

}  // namespace
}  // namespace hotloop::bindings
