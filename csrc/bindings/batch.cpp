// Batches: rows gathered by index from arrays of any element type, bytes turned into numbers.
#include <algorithm>

#include "bindings/array.h"

namespace hotloop::bindings {
namespace {

constexpr const char* kGather = "take";

py::array as_rows(const char* op, py::handle value) {
  auto array = py::array::ensure(value, py::array::c_style);
  if (!array) {
    PyErr_Clear();
    type_error(op, "x must be an array");
  }
  if (array.dtype().kind() == 'O') type_error(op, "x has dtype object; rows of numbers are wanted");
  if (array.ndim() == 0) value_error(op, "x is a scalar and has no rows");
  if (array.ndim() > kMaxRank) value_error(op, text("x has more than ", kMaxRank, " dimensions"));
  return array;
}

void check_indices(const char* op, const Array& indices, int64_t rows) {
  const int64_t* index = indices.data<int64_t>();
  for (int64_t i = 0; i < indices.size(); ++i) {
    // One comparison finds those below 0 too.
    if (static_cast<uint64_t>(index[i]) < static_cast<uint64_t>(rows)) continue;
    throw py::index_error(
        text("[", op, "] index out of range: position ", i, " is ", index[i], ", x has ", rows, " rows"));
  }
}

py::object gather_rows(py::handle x_in, py::handle indices_in, py::handle out) {
  const py::array x = as_rows(kGather, x_in);
  const Array indices = as_int64(kGather, {"indices", indices_in});
  check_indices(kGather, indices, x.shape(0));
  Shape shape = indices.shape();
  int64_t row_bytes = x.itemsize();
  for (py::ssize_t axis = 1; axis < x.ndim(); ++axis) {
    shape.push_back(x.shape(axis));
    row_bytes *= x.shape(axis);
  }
  Array y;
  if (out.is_none()) {
    y = make_array_of(kGather, x.dtype(), shape);
  } else {
    if (!py::isinstance<py::array>(out)) type_error(kGather, "out must be an ndarray");
    const auto given = py::reinterpret_borrow<py::array>(out);
    const bool direct =
        given.writeable() && (given.flags() & py::array::c_style) != 0 && given.dtype().equal(x.dtype());
    const Shape found(given.shape(), given.shape() + given.ndim());
    if (!direct || found != shape) {
      value_error(kGather,
                  text("out must be a writable C-contiguous array of shape ", shape, " and dtype ",
                       std::string(py::str(x.dtype())), ", got ", found, " and ", std::string(py::str(given.dtype()))));
    }
    y = Array(given);
  }
  run(kGather, cpu_backend<float>().gather_rows, indices.size(), row_bytes, indices.data<int64_t>(),
      static_cast<const uint8_t*>(x.data()), y.data<uint8_t>());
  return y.object();
}

py::object gather_rows_grad(py::handle dy_in, py::handle indices_in, int64_t rows) {
  constexpr const char* op = "gather_rows_grad";
  const Argument dy_arg{"dy", dy_in};
  const Dtype dtype = common_dtype(op, {dy_arg});
  const Array dy = as_array(op, dy_arg, dtype), indices = as_int64(op, {"indices", indices_in});
  check_indices(op, indices, rows);
  const auto rank = static_cast<std::ptrdiff_t>(indices.rank());
  const Shape& shape = dy.shape();
  if (dy.rank() < indices.rank() || !std::equal(shape.begin(), shape.begin() + rank, indices.shape().begin())) {
    value_error(op, text("dy ", shape, " does not begin with the axes of indices ", indices.shape()));
  }
  Shape result = {rows};
  result.insert(result.end(), shape.begin() + rank, shape.end());
  int64_t row = 1;
  for (const int64_t* extent = shape.begin() + rank; extent != shape.end(); ++extent) row *= *extent;
  const Array dx = make_array(op, dtype, result);
  with_backend(dtype, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run(op, backend.gather_rows_grad, rows, indices.size(), row, indices.data<int64_t>(), dy.data<T>(), dx.data<T>());
  });
  return dx.object();
}

py::object rescale_bytes(py::handle x_in, double factor, double offset, bool float64) {
  constexpr const char* op = "rescale_bytes";
  if (!py::isinstance<py::array>(x_in) ||
      !py::reinterpret_borrow<py::array>(x_in).dtype().equal(py::dtype::of<uint8_t>())) {
    type_error(op, "x must be an array of dtype uint8");
  }
  const Array x(py::array::ensure(x_in, py::array::c_style));
  const Dtype dtype = float64 ? Dtype::float64 : Dtype::float32;
  const Array y = make_array(op, dtype, x.shape());
  with_backend(dtype, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run(op, backend.rescale_bytes, x.size(), x.data<uint8_t>(), factor, offset, y.data<T>());
  });
  return y.object();
}

const Family family([](py::module_& m) {
  m.def("gather_rows", &gather_rows, py::arg("x"), py::arg("indices"), py::arg("out") = py::none());
  m.def("gather_rows_grad", &gather_rows_grad, py::arg("dy"), py::arg("indices"), py::arg("rows"));
  m.def("rescale_bytes", &rescale_bytes, py::arg("x"), py::arg("factor"), py::arg("offset") = 0.0,
        py::arg("float64") = false);
});

}  // namespace
}  // namespace hotloop::bindings
