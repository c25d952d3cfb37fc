// matmul: numpy.matmul's rules, resolved to strides; the last two axes may be transposed views without a copy.
#include <algorithm>

#include "bindings/activation.h"
#include "bindings/array.h"
#include "bindings/cuda_array.h"

namespace hotloop::bindings {
namespace {

// An operand whose last two axes are read through strides, where one of them is contiguous.
struct Matrix {
  py::array keep;
  Shape shape;    // at least two axes
  Shape strides;  // in elements
  void* data;
};

bool readable_in_place(const py::array& array, ArrayType type) {
  const auto wanted = type.dtype == Dtype::float32 ? py::dtype::of<float>() : py::dtype::of<double>();
  if (array.ndim() < 2 || !array.dtype().equal(wanted) || (array.flags() & 0x0100) == 0) return false;
  const py::ssize_t item = array.itemsize(), rank = array.ndim();
  for (py::ssize_t axis = 0; axis < rank; ++axis) {
    if (array.strides(axis) % item != 0) return false;
  }
  return array.strides(rank - 1) == item || array.strides(rank - 2) == item;
}

// Where the rows of all matrices lie the same step apart they are the rows of one: sets the step. An axis of one has
// a stride that says nothing.
bool rows_follow(const Shape& shape, const Shape& strides, int64_t& step) {
  int64_t rows = 1;
  for (int axis = static_cast<int>(shape.size()) - 2; axis >= 0; --axis) {
    if (shape[axis] == 1) continue;
    if (rows == 1) step = strides[axis];
    if (strides[axis] != rows * step) return false;
    rows *= shape[axis];
  }
  return true;
}

// An operand as contiguous rows, rounded unless the kernel does that.
Array as_rows(const char* op, const Argument& argument, ArrayType type) {
  return unit_rounds(type) ? as_operand(op, argument, type) : as_factor(op, argument, type);
}

Matrix as_matrix(const char* op, const Argument& argument, ArrayType type, bool left) {
  Matrix matrix;
  py::array given;
  if (py::isinstance<py::array>(argument.value)) given = py::reinterpret_borrow<py::array>(argument.value);
  if (const CudaArray* there = as_cuda_array(argument.value)) given = there->addresses;
  const bool in_place = given.ptr() != nullptr && (!rounds_factors(type) || unit_rounds(type)) &&
                        where_is(argument.value) == type.where && readable_in_place(given, type);
  if (in_place) {
    matrix.keep = given;
  } else {
    const Array factor = as_rows(op, argument, type);
    if (factor.rank() == 0) value_error(op, text(argument.name, " is a scalar; matmul wants at least one dimension"));
    matrix.keep = factor.ndarray();
  }
  const py::array& array = matrix.keep;
  if (array.ndim() > kMaxRank) value_error(op, text(argument.name, " has more than ", kMaxRank, " dimensions"));
  for (py::ssize_t axis = 0; axis < array.ndim(); ++axis) {
    matrix.shape.push_back(array.shape(axis));
    matrix.strides.push_back(array.strides(axis) / array.itemsize());
  }
  if (array.ndim() == 1) {  // a row on the left, a column on the right
    const auto at = left ? 0 : 1;
    matrix.shape.insert(matrix.shape.begin() + at, 1);
    matrix.strides.insert(matrix.strides.begin() + at, 1);
  }
  matrix.data = const_cast<void*>(array.data());
  return matrix;
}

// The batch axes, broadcast; stride 0 where an operand has one matrix for all.
void broadcast_batch(const char* op, const Matrix& a, const Matrix& b, MatmulShape& s, Shape& result) {
  const int a_rank = static_cast<int>(a.shape.size()) - 2, b_rank = static_cast<int>(b.shape.size()) - 2;
  s.batch_rank = std::max(a_rank, b_rank);
  for (int axis = 0; axis < s.batch_rank; ++axis) {
    const int a_axis = axis - (s.batch_rank - a_rank), b_axis = axis - (s.batch_rank - b_rank);
    const int64_t a_size = a_axis >= 0 ? a.shape[a_axis] : 1, b_size = b_axis >= 0 ? b.shape[b_axis] : 1;
    if (a_size != b_size && a_size != 1 && b_size != 1) {
      value_error(op, text("batch axes do not broadcast: a is ", a.shape, ", b is ", b.shape));
    }
    s.batch[axis] = a_size == 1 ? b_size : a_size;
    s.a_batch[axis] = a_size == 1 ? 0 : a.strides[a_axis];
    s.b_batch[axis] = b_size == 1 ? 0 : b.strides[b_axis];
    result.push_back(s.batch[axis]);
  }
}

// Where b is one for all, the batch is just more rows: by the shapes alone, since one row is summed up in another way
// than many, and the same bits should come from any strides. Where they can't be read as rows, a is copied.
void join_rows(const char* op, const Argument& a_arg, ArrayType type, const Matrix& b, Matrix& a, MatmulShape& s) {
  if (!std::all_of(b.shape.begin(), b.shape.end() - 2, [](int64_t size) { return size == 1; })) return;
  if (!rows_follow(a.shape, a.strides, s.a_row)) {
    a.keep = as_rows(op, a_arg, type).ndarray();
    a.data = const_cast<void*>(a.keep.data());
    s.a_row = s.k;
    s.a_col = 1;
  }
  for (int axis = 0; axis < s.batch_rank; ++axis) s.m *= s.batch[axis];
  s.batch_rank = 0;
}

Shape shape_of(const py::array& array) { return {array.shape(), array.shape() + array.ndim()}; }

py::object product(const char* op, const Argument& a_arg, const Argument& b_arg, py::handle bias_in, int activation,
                   double alpha, py::handle out) {
  const Argument bias_arg{"bias", bias_in};
  const ArrayType type = common_type(op, {a_arg, b_arg, bias_arg});
  Matrix a = as_matrix(op, a_arg, type, true);
  const Matrix b = as_matrix(op, b_arg, type, false);
  const Array bias = as_array(op, bias_arg, type);
  const std::size_t a_last = a.shape.size() - 1, b_last = b.shape.size() - 1;
  MatmulShape s{};
  s.m = a.shape[a_last - 1];
  s.k = a.shape[a_last];
  s.n = b.shape[b_last];
  if (b.shape[b_last - 1] != s.k) {
    value_error(op, text("inner sizes differ: ", a_arg.name, " ", shape_of(a.keep), " has ", s.k, ", ", b_arg.name, " ",
                         shape_of(b.keep), " has ", b.shape[b_last - 1]));
  }
  if (bias) check_shape(op, "bias", bias.shape(), {s.n});
  s.a_row = a.strides[a_last - 1];
  s.a_col = a.strides[a_last];
  s.b_row = b.strides[b_last - 1];
  s.b_col = b.strides[b_last];
  s.activation = activation_spec(op, activation, alpha);
  s.in_bfloat16 = unit_rounds(type);
  Shape shape;
  broadcast_batch(op, a, b, s, shape);
  join_rows(op, a_arg, type, b, a, s);
  if (a.keep.ndim() > 1) shape.push_back(a.shape[a_last - 1]);
  if (b.keep.ndim() > 1) shape.push_back(s.n);
  const Output c(op, type, shape, out, {a_arg, b_arg, bias_arg});
  with_backend(type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run(op, backend.matmul, s, static_cast<const T*>(a.data), static_cast<const T*>(b.data), bias.data<T>(),
        c.template data<T>());
  });
  return c.finish();
}

py::object matmul(py::handle a, py::handle b, py::handle out) {
  return product("matmul", {"a", a}, {"b", b}, py::none(), 0, 0.0, out);
}

py::object linear(py::handle x, py::handle w, py::handle b, int activation, double alpha) {
  // A stack of weights would be a batch to matmul; nothing else of it would fit.
  if (!w.is_none()) {
    const py::array weight = to_ndarray("linear", {"w", w});
    if (weight.ndim() != 0 && weight.ndim() != 2) {  // a scalar is refused as everywhere
      value_error("linear", text("w ", Shape(weight.shape(), weight.shape() + weight.ndim()), " has ", weight.ndim(),
                                 " dimensions, wants 2: (inputs, outputs)"));
    }
  }
  return product("linear", {"x", x}, {"w", w}, b, activation, alpha, py::none());
}

const Family matmul_family([](py::module_& m) {
  m.def("matmul", &matmul, py::arg("a"), py::arg("b"), py::arg("out") = py::none());
  m.def("linear", &linear, py::arg("x"), py::arg("w"), py::arg("b") = py::none(), py::arg("activation") = 0,
        py::arg("alpha") = 0.0);
});

}  // namespace
}  // namespace hotloop::bindings
