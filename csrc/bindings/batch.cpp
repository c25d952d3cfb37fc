// Batches: rows gathered by index from arrays of any element type, bytes turned into numbers.
#include <algorithm>

#include "bindings/cuda_array.h"

namespace hotloop::bindings {
namespace {

constexpr const char* kGather = "take";

Array as_rows(const char* op, py::handle value) {
  const Where where = where_is(value);
  auto array = where == Where::cuda ? contiguous_there(op, as_cuda_array(value)->addresses)
                                    : to_ndarray(op, {"x", value}, py::array::c_style);
  if (array.dtype().kind() == 'O') type_error(op, "x has dtype object; rows of numbers are wanted");
  if (array.ndim() == 0) value_error(op, "x is a scalar and has no rows");
  if (array.ndim() > kMaxRank) value_error(op, text("x has more than ", kMaxRank, " dimensions"));
  return Array(array, where);
}

// Indices on the host, whatever holds x, are checked; those on a device would have to be waited for and are trusted:
// ops/batch.py reads them back where they come from a user.
Array as_indices(const char* op, py::handle value, int64_t rows, Where where) {
  const Argument argument{"indices", value};
  if (where_is(value) == Where::cuda) return as_int64(op, argument, where);
  const Array indices = as_int64(op, argument, Where::cpu);
  const int64_t* index = indices.data<int64_t>();
  for (int64_t i = 0; i < indices.size(); ++i) {
    // One comparison finds those below 0 too.
    if (static_cast<uint64_t>(index[i]) < static_cast<uint64_t>(rows)) continue;
    throw py::index_error(
        text("[", op, "] index out of range: position ", i, " is ", index[i], ", x has ", rows, " rows"));
  }
  if (where == Where::cpu) return indices;
  return Array(copy_to_device(op, indices.ndarray()).addresses, where);
}

py::object gather_rows(py::handle x_in, py::handle indices_in, py::handle out) {
  const Array x = as_rows(kGather, x_in);
  const py::dtype dtype = x.ndarray().dtype();
  const Array indices = as_indices(kGather, indices_in, x[0], x.where());
  Shape shape = indices.shape();
  int64_t row_bytes = dtype.itemsize();
  for (int axis = 1; axis < x.rank(); ++axis) {
    shape.push_back(x[axis]);
    row_bytes *= x[axis];
  }
  Array y;
  if (out.is_none()) {
    y = make_array_of(kGather, x.where(), dtype, shape);
  } else {
    const CudaArray* there = as_cuda_array(out);
    if ((there != nullptr) != (x.where() == Where::cuda) || (there == nullptr && !py::isinstance<py::array>(out))) {
      type_error(kGather, text("out must be ", x.where() == Where::cuda ? "a CudaArray" : "an ndarray"));
    }
    const auto given = there != nullptr ? there->addresses : py::reinterpret_borrow<py::array>(out);
    const bool direct = given.writeable() && (given.flags() & py::array::c_style) != 0 && given.dtype().equal(dtype);
    const Shape found(given.shape(), given.shape() + given.ndim());
    if (!direct || found != shape) {
      value_error(kGather,
                  text("out must be a writable C-contiguous array of shape ", shape, " and dtype ",
                       std::string(py::str(dtype)), ", got ", found, " and ", std::string(py::str(given.dtype()))));
    }
    y = Array(given, x.where());
  }
  with_backend({Dtype::float32, x.where()}, [&](const auto& backend) {
    run(kGather, backend.gather_rows, indices.size(), row_bytes, indices.data<int64_t>(), x.data<uint8_t>(),
        y.data<uint8_t>());
  });
  return y.object();
}

py::object gather_rows_grad(py::handle dy_in, py::handle indices_in, int64_t rows) {
  constexpr const char* op = "gather_rows_grad";
  const Argument dy_arg{"dy", dy_in};
  const ArrayType type = common_type(op, {dy_arg});
  const Array dy = as_array(op, dy_arg, type), indices = as_indices(op, indices_in, rows, type.where);
  const auto rank = static_cast<std::ptrdiff_t>(indices.rank());
  const Shape& shape = dy.shape();
  if (dy.rank() < indices.rank() || !std::equal(shape.begin(), shape.begin() + rank, indices.shape().begin())) {
    value_error(op, text("dy ", shape, " does not begin with the axes of indices ", indices.shape()));
  }
  Shape result = {rows};
  result.insert(result.end(), shape.begin() + rank, shape.end());
  int64_t row = 1;
  for (const int64_t* extent = shape.begin() + rank; extent != shape.end(); ++extent) row *= *extent;
  const Array dx = make_array(op, type, result);
  with_backend(type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run(op, backend.gather_rows_grad, rows, indices.size(), row, indices.data<int64_t>(), dy.data<T>(), dx.data<T>());
  });
  return dx.object();
}

py::object rescale_bytes(py::handle x_in, double factor, double offset, bool float64) {
  constexpr const char* op = "rescale_bytes";
  const ArrayType type{float64 ? Dtype::float64 : Dtype::float32, where_is(x_in)};
  const Array x = as_exact<uint8_t>(op, {"x", x_in}, type.where);
  const Array y = make_array(op, type, x.shape());
  with_backend(type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run(op, backend.rescale_bytes, x.size(), x.data<uint8_t>(), factor, offset, y.data<T>());
  });
  return y.object();
}

const Family batch_family([](py::module_& m) {
  m.def("gather_rows", &gather_rows, py::arg("x"), py::arg("indices"), py::arg("out") = py::none());
  m.def("gather_rows_grad", &gather_rows_grad, py::arg("dy"), py::arg("indices"), py::arg("rows"));
  m.def("rescale_bytes", &rescale_bytes, py::arg("x"), py::arg("factor"), py::arg("offset") = 0.0,
        py::arg("float64") = false);
});

}  // namespace
}  // namespace hotloop::bindings
