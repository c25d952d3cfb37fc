// Elementwise operations, their broadcasting, and the sum that the tape accumulates gradients with.
#include "bindings/elementwise.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "bindings/cuda_array.h"
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

Shape shape_of(const py::array& array) { return {array.shape(), array.shape() + array.ndim()}; }

/// Widens `result` to the shape that it and `shape` broadcast to.
void widen(const char* op, const Shape& shape, Shape& result) {
  while (result.size() < shape.size()) result.insert(result.begin(), 1);
  for (std::size_t i = 0; i < shape.size(); ++i) {
    int64_t& extent = result[result.size() - 1 - i];
    const int64_t other = shape[shape.size() - 1 - i];
    if (extent != other && extent != 1 && other != 1) {
      value_error(op, text("shapes do not broadcast: ", shape, " and ", result));
    }
    if (extent == 1) extent = other;
  }
}

/// The operand repeated to the shape, as a view.
py::object broadcast_view(py::handle operand, const Shape& shape) {
  constexpr const char* op = "broadcast_to";
  const py::array from = to_ndarray(op, {"x", operand});
  const Shape found = shape_of(from);
  if (found == shape) return py::reinterpret_borrow<py::object>(operand);
  std::vector<py::ssize_t> strides(shape.size());
  const std::size_t more = shape.size() - std::min(shape.size(), found.size());
  bool fits = found.size() <= shape.size();
  for (std::size_t axis = more; fits && axis < shape.size(); ++axis) {
    const int64_t extent = found[axis - more];
    fits = extent == shape[axis] || extent == 1;
    if (extent == shape[axis]) strides[axis] = from.strides(static_cast<py::ssize_t>(axis - more));
  }
  if (!fits) value_error(op, text("shape ", found, " does not broadcast to ", shape));
  py::array view(from.dtype(), std::vector<py::ssize_t>(shape.begin(), shape.end()), strides, from.data(), from);
  // Elements share memory: nobody may write to them.
  py::detail::array_proxy(view.ptr())->flags &= ~py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  if (as_cuda_array(operand) != nullptr) return py::cast(CudaArray{view});
  return view;
}

py::object unary(py::handle x_in, int kind, py::handle out) {
  const auto which = op_of<UnaryOp>(kUnary, "unary", kind);
  const char* op = kUnary[kind];
  const Argument x_arg{"x", x_in};
  const ArrayType type = common_type(op, {x_arg});
  const Array x = as_operand(op, x_arg, type);
  const Output y(op, type, x.shape(), out, {x_arg});
  with_backend(type, [&](const auto& backend) {
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
  const ArrayType type = common_type(op, {a_arg, b_arg});
  const StridedArray a = as_strided_operand(op, a_arg, type), b = as_strided_operand(op, b_arg, type);
  Shape shape;
  const BroadcastShape s = broadcast(op, a, b, shape);
  const Output y(op, type, shape, out, {a_arg, b_arg});
  with_backend(type, [&](const auto& backend) {
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
  const ArrayType type = common_type(op, {a_arg, b_arg});
  const StridedArray a = as_strided_operand(op, a_arg, type), b = as_strided_operand(op, b_arg, type);
  Shape shape;
  const BroadcastShape s = broadcast(op, a, b, shape);
  const Array y = make_array_of<bool>(op, type.where, shape);
  with_backend(type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run_elements(op, y.size(), backend.compare, which, s, a.array.data<T>(), b.array.data<T>(), y.data<uint8_t>());
  });
  return y.object();
}

/// The arrays in the type they meet in.
py::list as_floats(const std::string& op, const py::sequence& arrays) {
  ArrayType type;
  bool first = true;
  for (const py::handle array : arrays) {
    if (array.is_none()) type_error(op, "array must be an array, got None");
    const ArrayType found = common_type(op.c_str(), {{"array", array}});
    if (first && !PyFloat_Check(array.ptr()) && !PyLong_Check(array.ptr())) {
      type.where = found.where;
      first = false;
    }
    if (found.dtype == Dtype::float64) type.dtype = Dtype::float64;
  }
  py::list result;
  for (const py::handle array : arrays) {
    if (array.is_none()) type_error(op, "array must be an array, got None");
    result.append(as_array(op.c_str(), {"array", array}, type).object());
  }
  return result;
}

// An operand of select: one number, or all elements, broadcast by a copy where it must be.
Array as_choice(const char* op, const Argument& argument, ArrayType type, const Shape& shape) {
  const StridedArray x = as_strided_operand(op, argument, type);
  if (x.array.shape() == shape) return as_operand(op, argument, type);
  if (x.array.size() == 1) return x.array;
  return as_operand(op, {argument.name, broadcast_view(argument.value, shape)}, type);
}

// The condition in the shape that it broadcasts to. A device repeats no bytes: there it is done in numbers.
Array as_condition(const char* op, py::handle condition, Where where, const Shape& shape) {
  if (where == Where::cpu) return as_exact<bool>(op, {"condition", broadcast_view(condition, shape)}, where);
  const Array given = as_exact<bool>(op, {"condition", condition}, where);
  if (given.shape() == shape) return given;
  const py::object numbers = as_array(op, {"condition", condition}, {Dtype::float32, where}).object();
  const py::object differs =
      compare(broadcast_view(numbers, shape), py::int_(0), static_cast<int>(CompareOp::not_equal));
  return as_exact<bool>(op, {"condition", differs}, where);
}

// condition is a boolean array; a and b broadcast with it.
py::object select(py::handle condition_in, py::handle a_in, py::handle b_in) {
  constexpr const char* op = "where";
  const Argument condition_arg{"condition", condition_in}, a_arg{"a", a_in}, b_arg{"b", b_in};
  ArrayType type = common_type(op, {a_arg, b_arg});
  type.where = common_type(op, {condition_arg, a_arg, b_arg}).where;
  Shape shape;
  for (const Argument& argument : {condition_arg, a_arg, b_arg}) widen(op, shape_of(to_ndarray(op, argument)), shape);
  const Array condition = as_condition(op, condition_in, type.where, shape);
  const Array a = as_choice(op, a_arg, type, shape), b = as_choice(op, b_arg, type, shape);
  const Array y = make_array(op, type, shape);
  const SelectShape s{y.size(), a.shape() == shape, b.shape() == shape};
  with_backend(type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run_elements(op, y.size(), backend.select, s, condition.data<uint8_t>(), a.data<T>(), b.data<T>(), y.data<T>());
  });
  return y.object();
}

// A new array of the dtype and on the device of another.
py::object empty_like(py::handle like_in, const Shape& shape) {
  constexpr const char* op = "empty";
  return make_array(op, common_type(op, {{"like", like_in}}), shape).object();
}

// An array of one value, of the dtype and on the device of another.
py::object full_like(py::handle like_in, const Shape& shape, double value) {
  constexpr const char* op = "full";
  const ArrayType type = common_type(op, {{"like", like_in}});
  const Array y = make_array(op, type, shape);
  with_backend(type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run_elements(op, y.size(), backend.full, y.size(), value, y.data<T>());
  });
  return y.object();
}

}  // namespace

void accumulate(py::handle x_in, py::handle y_in) {
  constexpr const char* op = "accumulate";
  const Argument x_arg{"x", x_in}, y_arg{"y", y_in};
  const ArrayType type = common_type(op, {y_arg});
  if (y_in.is_none()) type_error(op, "y must be an array, got None");
  const Array y = as_writable(op, y_arg, type), x = as_operand(op, x_arg, type);
  if (x.shape() != y.shape()) value_error(op, text("shapes differ: x ", x.shape(), ", y ", y.shape()));
  with_backend(type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run_update(op, x.size(), backend.accumulate, x.size(), x.data<T>(), y.data<T>());
  });
}

void copy_into(py::handle x_in, py::handle y_in) {
  constexpr const char* op = "copy";
  const Argument x_arg{"x", x_in}, y_arg{"y", y_in};
  const ArrayType type = common_type(op, {y_arg}), given = common_type(op, {x_arg});
  if (given.dtype != type.dtype || given.where != type.where) return assign(y_in, x_in);
  const Array y = as_writable(op, y_arg, type), x = as_operand(op, x_arg, type);
  if (x.shape() != y.shape()) return assign(y_in, x_in);
  StridedShape s{};
  s.rank = 1;
  s.size[0] = x.size();
  s.stride[0] = 1;
  with_backend(type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run_update(op, x.size(), backend.copy_strided, s, x.data<T>(), y.data<T>());
  });
}

namespace {

// The array itself where it is contiguous, else a copy that all threads make.
py::object contiguous(py::handle x_in, const std::string& op) {
  const Argument x_arg{"x", x_in};
  return as_operand(op.c_str(), x_arg, common_type(op.c_str(), {x_arg})).object();
}

// Where an array's first element lies. NumPy's own attribute for it crashes where there is no memory.
py::int_ address(py::handle x) {
  return py::int_(reinterpret_cast<std::uintptr_t>(to_ndarray("address", {"x", x}).data()));
}

const Family elementwise_family([](py::module_& m) {
  export_names(m, "unary_ops", {HL_UNARY_OPS(HL_NAME)});
  export_names(m, "binary_ops", {HL_BINARY_OPS(HL_NAME)});
  export_names(m, "compare_ops", {HL_COMPARE_OPS(HL_NAME)});
  m.def("broadcast_to", &broadcast_view, py::arg("x"), py::arg("shape"));
  m.def("address", &address, py::arg("x"));
  m.def("contiguous", &contiguous, py::arg("x"), py::arg("op") = "contiguous");
  m.def("unary", &unary, py::arg("x"), py::arg("kind"), py::arg("out") = py::none());
  m.def("binary", &binary, py::arg("a"), py::arg("b"), py::arg("kind"), py::arg("out") = py::none());
  m.def("compare", &compare, py::arg("a"), py::arg("b"), py::arg("kind"));
  m.def("as_floats", &as_floats, py::arg("op"), py::arg("arrays"));
  m.def("select", &select, py::arg("condition"), py::arg("a"), py::arg("b"));
  m.def("empty_like", &empty_like, py::arg("like"), py::arg("shape"));
  m.def("full_like", &full_like, py::arg("like"), py::arg("shape"), py::arg("value"));
  m.def("accumulate", &accumulate, py::arg("x"), py::arg("y"));
});

}  // namespace
}  // namespace hotloop::bindings
