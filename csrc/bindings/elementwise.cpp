// Elementwise operations, their broadcasting, and the sum that the tape accumulates gradients with.
#include "bindings/elementwise.h"

#include <algorithm>

#include "bindings/array.h"
#include "bindings/enums.h"

namespace hotloop::bindings {
namespace {

template <class Op, std::size_t count>
Op op_of(const char* const (&)[count], const char* family, int kind) {
  if (kind < 0 || kind >= static_cast<int>(count)) {
    value_error(family, text("number ", kind, " is not in 0 .. ", static_cast<int>(count) - 1));
  }
  return static_cast<Op>(kind);
}

constexpr const char* kUnary[] = {HL_UNARY_OPS(HL_NAME)};
constexpr const char* kBinary[] = {HL_BINARY_OPS(HL_NAME)};
constexpr const char* kCompare[] = {HL_COMPARE_OPS(HL_NAME)};

/// NumPy's broadcasting; `result` gets the shape.
BroadcastShape broadcast(const char* op, const StridedArray& a, const StridedArray& b, Shape& result) {
  const int a_rank = a.array.rank(), b_rank = b.array.rank();
  BroadcastShape s{};
  s.rank = std::max(a_rank, b_rank);
  result.resize(static_cast<std::size_t>(s.rank));
  for (int axis = 0; axis < s.rank; ++axis) {
    const int a_axis = axis - (s.rank - a_rank), b_axis = axis - (s.rank - b_rank);
    const int64_t a_size = a_axis >= 0 ? a.array[a_axis] : 1, b_size = b_axis >= 0 ? b.array[b_axis] : 1;
    if (a_size != b_size && a_size != 1 && b_size != 1) {
      value_error(op, text("shapes do not broadcast: a is ", a.array.shape(), ", b is ", b.array.shape()));
    }
    result[axis] = s.size[axis] = a_size == 1 ? b_size : a_size;
    s.a_stride[axis] = a_size == 1 ? 0 : a.stride[a_axis];
    s.b_stride[axis] = b_size == 1 ? 0 : b.stride[b_axis];
  }
  return s;
}

py::object unary(py::handle x_in, int kind, py::handle out) {
  const auto which = op_of<UnaryOp>(kUnary, "unary", kind);
  const char* op = kUnary[kind];
  const Argument x_arg{"x", x_in};
  const Dtype dtype = common_dtype(op, {x_arg});
  const Array x = as_operand(op, x_arg, dtype);
  const Output y(op, dtype, x.shape(), out, {x_arg});
  with_backend(dtype, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run_elements(op, x.size(), backend.unary, which, x.size(), x.data<T>(), y.template data<T>());
  });
  return y.finish();
}

}  // namespace

py::object binary(py::handle a_in, py::handle b_in, int kind, py::handle out) {
  const auto which = op_of<BinaryOp>(kBinary, "binary", kind);
  const char* op = kBinary[kind];
  const Argument a_arg{"a", a_in}, b_arg{"b", b_in};
  const Dtype dtype = common_dtype(op, {a_arg, b_arg});
  const StridedArray a = as_strided_operand(op, a_arg, dtype), b = as_strided_operand(op, b_arg, dtype);
  Shape shape;
  const BroadcastShape s = broadcast(op, a, b, shape);
  const Output y(op, dtype, shape, out, {a_arg, b_arg});
  with_backend(dtype, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run_elements(op, y.size(), backend.binary, which, s, a.array.data<T>(), b.array.data<T>(), y.template data<T>());
  });
  return y.finish();
}

namespace {

py::object compare(py::handle a_in, py::handle b_in, int kind) {
  const auto which = op_of<CompareOp>(kCompare, "compare", kind);
  const char* op = kCompare[kind];
  const Argument a_arg{"a", a_in}, b_arg{"b", b_in};
  const Dtype dtype = common_dtype(op, {a_arg, b_arg});
  const StridedArray a = as_strided_operand(op, a_arg, dtype), b = as_strided_operand(op, b_arg, dtype);
  Shape shape;
  const BroadcastShape s = broadcast(op, a, b, shape);
  const Array y = make_array_of<bool>(op, shape);
  with_backend(dtype, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run_elements(op, y.size(), backend.compare, which, s, a.array.data<T>(), b.array.data<T>(), y.data<uint8_t>());
  });
  return y.object();
}

/// The arrays in the dtype they meet in.
py::list as_floats(const std::string& op, const py::sequence& arrays) {
  Dtype dtype = Dtype::float32;
  for (const py::handle array : arrays) {
    if (common_dtype(op.c_str(), {{"array", array}}) == Dtype::float64) dtype = Dtype::float64;
  }
  py::list result;
  for (const py::handle array : arrays) {
    if (array.is_none()) type_error(op, "array must be an array, got None");
    result.append(as_array(op.c_str(), {"array", array}, dtype).object());
  }
  return result;
}

}  // namespace

void accumulate(py::handle x_in, py::handle y_in) {
  constexpr const char* op = "accumulate";
  const Argument x_arg{"x", x_in}, y_arg{"y", y_in};
  const Dtype dtype = common_dtype(op, {y_arg});
  if (y_in.is_none()) type_error(op, "y must be an array, got None");
  const Array y = as_writable(op, y_arg, dtype), x = as_operand(op, x_arg, dtype);
  if (x.shape() != y.shape()) value_error(op, text("shapes differ: x ", x.shape(), ", y ", y.shape()));
  with_backend(dtype, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run_elements(op, x.size(), backend.accumulate, x.size(), x.data<T>(), y.data<T>());
  });
}

namespace {

// The array itself where it is contiguous, else a copy that all threads make.
py::object contiguous(py::handle x_in) {
  constexpr const char* op = "contiguous";
  const Argument x_arg{"x", x_in};
  return as_operand(op, x_arg, common_dtype(op, {x_arg})).object();
}

const Family family([](py::module_& m) {
  export_names(m, "unary_ops", {HL_UNARY_OPS(HL_NAME)});
  export_names(m, "binary_ops", {HL_BINARY_OPS(HL_NAME)});
  export_names(m, "compare_ops", {HL_COMPARE_OPS(HL_NAME)});
  m.def("contiguous", &contiguous, py::arg("x"));
  m.def("unary", &unary, py::arg("x"), py::arg("kind"), py::arg("out") = py::none());
  m.def("binary", &binary, py::arg("a"), py::arg("b"), py::arg("kind"), py::arg("out") = py::none());
  m.def("compare", &compare, py::arg("a"), py::arg("b"), py::arg("kind"));
  m.def("as_floats", &as_floats, py::arg("op"), py::arg("arrays"));
  m.def("accumulate", &accumulate, py::arg("x"), py::arg("y"));
});

}  // namespace
}  // namespace hotloop::bindings
