// Reductions over any axes.
#include "bindings/array.h"
#include "bindings/enums.h"

namespace hotloop::bindings {
namespace {

constexpr const char* kReduce[] = {HL_REDUCE_OPS(HL_NAME)};

int64_t index_of(const char* op, py::handle axis) {
  if (!PyIndex_Check(axis.ptr())) {
    type_error(op, text("axis wants None, an int or a tuple of ints, got ", std::string(py::str(axis))));
  }
  const auto number = py::reinterpret_steal<py::object>(PyNumber_Index(axis.ptr()));
  if (!number) throw py::error_already_set();
  return number.cast<int64_t>();
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
  const Dtype dtype = common_dtype(op, {x_arg});
  const Array x = as_operand(op, x_arg, dtype);
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
  const Array y = make_array(op, dtype, shape);
  with_backend(dtype, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run_elements(op, x.size(), backend.reduce, which, s, x.data<T>(), y.data<T>());
  });
  return y.object();
}

py::object argmax(py::handle x_in) {
  constexpr const char* op = "argmax";
  const Argument x_arg{"x", x_in};
  const Dtype dtype = common_dtype(op, {x_arg});
  const Array x = as_operand(op, x_arg, dtype);
  check_rank(op, "x", x, 2, "(rows, cols)");
  if (x[0] > 0 && x[1] == 0) value_error(op, text("shape ", x.shape(), " has no element to choose from"));
  const Array y = make_array_of<int64_t>(op, {x[0]});
  with_backend(dtype, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run_elements(op, x.size(), backend.argmax, x[0], x[1], x.data<T>(), y.data<int64_t>());
  });
  return y.object();
}

const Family family([](py::module_& m) {
  export_names(m, "reduce_ops", {HL_REDUCE_OPS(HL_NAME)});
  m.def("reduce", &reduce, py::arg("x"), py::arg("axes"), py::arg("kind"), py::arg("keepdims") = false);
  m.def("argmax", &argmax, py::arg("x"));
});

}  // namespace
}  // namespace hotloop::bindings
