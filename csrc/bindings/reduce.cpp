// Reductions over any axes.
#include <limits>

#include "bindings/array.h"
#include "bindings/enums.h"

namespace hotloop::bindings {
namespace {

constexpr const char* kReduce[] = {HL_REDUCE_OPS(HL_NAME)};

int64_t index_of(const char* op, py::handle axis) {
  if (PyIndex_Check(axis.ptr()) && !PyBool_Check(axis.ptr())) {
    const auto number = py::reinterpret_steal<py::object>(PyNumber_Index(axis.ptr()));
    int overflow = 0;
    if (number) {
      const int64_t index = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
      using Limits = std::numeric_limits<int64_t>;
      return overflow > 0 ? Limits::max() : overflow < 0 ? Limits::min() : index;
    }
    PyErr_Clear();
  }
  type_error(op, text("axis wants None, an int or a tuple of ints, got ", std::string(py::repr(axis))));
}

void mark_axis(const char* op, py::handle axis, const Array& x, uint32_t& marked) {
  const int64_t given = index_of(op, axis), at = given < 0 ? given + x.rank() : given;
  if (at < 0 || at >= x.rank()) value_error(op, text("axis ", given, " is not an axis of shape ", x.shape()));
  if ((marked >> at & 1) != 0) value_error(op, text("axis ", given, " is named twice"));
  marked |= 1u << at;
}

/// Bit i for every axis i named by None (all), an int or a sequence of ints; negative ones count from the end.
uint32_t marked_axes(const char* op, py::handle axes, const Array& x) {
  uint32_t marked = 0;
  if (axes.is_none()) return (1u << x.rank()) - 1;
  if (py::isinstance<py::tuple>(axes) || py::isinstance<py::list>(axes)) {
    for (const py::handle axis : axes) mark_axis(op, axis, x, marked);
  } else {
    mark_axis(op, axes, x, marked);
  }
  return marked;
}

py::object reduce(py::handle x_in, py::handle axes, int kind, bool keepdims) {
  if (kind < 0 || kind > static_cast<int>(ReduceOp::min)) value_error("reduce", text("number ", kind, " is unknown"));
  const auto which = static_cast<ReduceOp>(kind);
  const char* op = kReduce[kind];
  const Argument x_arg{"x", x_in};
  const ArrayType type = common_type(op, {x_arg});
  const Array x = as_operand(op, x_arg, type);
  ReduceShape s{};
  s.rank = x.rank();
  s.reduced = marked_axes(op, axes, x);
  Shape shape;
  int64_t kept = 1;
  for (int axis = 0; axis < s.rank; ++axis) {
    s.size[axis] = x[axis];
    if ((s.reduced >> axis & 1) == 0) {
      kept *= x[axis];
      shape.push_back(x[axis]);
    } else if (keepdims) {
      shape.push_back(1);
    }
  }
  if (x.size() == 0 && kept > 0 && (which == ReduceOp::max || which == ReduceOp::min)) {
    value_error(op, text("shape ", x.shape(), " has no element to take the ", op, " of"));
  }
  const Array y = make_array(op, type, shape);
  with_backend(type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run_elements(op, x.size(), backend.reduce, which, s, x.data<T>(), y.data<T>());
  });
  return y.object();
}

py::object argmax(py::handle x_in) {
  constexpr const char* op = "argmax";
  const Argument x_arg{"x", x_in};
  const ArrayType type = common_type(op, {x_arg});
  const Array x = as_operand(op, x_arg, type);
  check_rank(op, "x", x, 2, "(rows, cols)");
  if (x[0] > 0 && x[1] == 0) value_error(op, text("shape ", x.shape(), " has no element to choose from"));
  const Array y = make_array_of<int64_t>(op, type.where, {x[0]});
  with_backend(type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run_elements(op, x.size(), backend.argmax, x[0], x[1], x.data<T>(), y.data<int64_t>());
  });
  return y.object();
}

py::object argmax_grad(py::handle index_in, py::handle dy_in, int64_t cols) {
  constexpr const char* op = "argmax_grad";
  const Argument dy_arg{"dy", dy_in};
  const ArrayType type = common_type(op, {dy_arg});
  const Array dy = as_operand(op, dy_arg, type), index = as_exact<int64_t>(op, {"index", index_in}, type.where);
  if (dy.size() != index.size()) value_error(op, text("sizes differ: dy ", dy.shape(), ", index ", index.shape()));
  const Array dx = make_array(op, type, {dy.size(), cols});
  with_backend(type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run_elements(op, dx.size(), backend.argmax_grad, dy.size(), cols, index.data<int64_t>(), dy.data<T>(),
                 dx.data<T>());
  });
  return dx.object();
}

// How many of a equal b, an array of shape ().
py::object count_equal(py::handle a_in, py::handle b_in) {
  constexpr const char* op = "count_equal";
  const ArrayType type{Dtype::float32, where_is(a_in)};
  const Array a = as_exact<int64_t>(op, {"a", a_in}, type.where), b = as_exact<int64_t>(op, {"b", b_in}, type.where);
  if (a.size() != b.size()) value_error(op, text("sizes differ: a ", a.shape(), ", b ", b.shape()));
  const Array count = make_array(op, type, {});
  with_backend(type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run_elements(op, a.size(), backend.count_equal, a.size(), a.data<int64_t>(), b.data<int64_t>(), count.data<T>());
  });
  return count.object();
}

const Family reduce_family([](py::module_& m) {
  export_names(m, "reduce_ops", {HL_REDUCE_OPS(HL_NAME)});
  m.def("reduce", &reduce, py::arg("x"), py::arg("axes"), py::arg("kind"), py::arg("keepdims") = false);
  m.def("argmax", &argmax, py::arg("x"));
  m.def("argmax_grad", &argmax_grad, py::arg("index"), py::arg("dy"), py::arg("cols"));
  m.def("count_equal", &count_equal, py::arg("a"), py::arg("b"));
});

}  // namespace
}  // namespace hotloop::bindings
