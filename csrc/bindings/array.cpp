#include "bindings/array.h"

#include <unistd.h>

#include <atomic>
#include <cstring>
#include <limits>

#include "bindings/cuda_array.h"
#include "cpu/bfloat16.h"
#include "runtime/memory.h"

namespace hotloop::bindings {
namespace {

std::atomic<bool> bfloat16_products = false;

constexpr int kAligned = 0x0100;  // NPY_ARRAY_ALIGNED
template <class T>
using Contiguous = py::array_t<T, py::array::c_style | py::array::forcecast | kAligned>;

bool is_python_number(py::handle value) { return PyFloat_Check(value.ptr()) || PyLong_Check(value.ptr()); }

[[noreturn]] void other_device(const char* op, const char* there, const char* here) {
  value_error(op, text("devices differ: ", there, " lies on CUDA, ", here,
                       " on the CPU; hotloop.array(x, device=\"cuda\") moves an array, .numpy() moves it back"));
}

void check_device(const char* op, const Argument& argument, Where wanted) {
  if (is_python_number(argument.value) || where_is(argument.value) == wanted) return;
  const bool there = wanted == Where::cpu;
  other_device(op, there ? argument.name : "the rest", there ? "the rest" : argument.name);
}

[[noreturn]] void bad_dtype(const char* op, const Argument& argument, const py::array& array, const char* wanted) {
  type_error(op, text(argument.name, " has dtype ", std::string(py::str(array.dtype())), ", wants ", wanted));
}

bool is_real(const py::array& array) {
  const char kind = array.dtype().kind();
  return (kind == 'f' && array.itemsize() <= 8) || kind == 'i' || kind == 'u' || kind == 'b';
}

void release_block(PyObject* capsule) { pool_release(PyCapsule_GetPointer(capsule, nullptr)); }

void release_device_block(PyObject* capsule) { cuda_library()->device.release(PyCapsule_GetPointer(capsule, nullptr)); }

// Memory of a recorded step, in a capsule that knows whose it is.
py::object allocate_recorded(const char* op, Recording& recording, int64_t bytes) {
  using Owner = std::shared_ptr<Arena>;
  return or_out_of_memory(op, [&] {
    auto owner = std::make_unique<Owner>(recording.arena());
    void* block = (*owner)->allocate(static_cast<std::size_t>(bytes));
    PyObject* capsule = PyCapsule_New(block, nullptr, [](PyObject* self) {
      const std::unique_ptr<Owner> arena(static_cast<Owner*>(PyCapsule_GetContext(self)));
      if (arena != nullptr) (*arena)->release(PyCapsule_GetPointer(self, nullptr));
    });
    if (capsule == nullptr) throw py::error_already_set();
    PyCapsule_SetContext(capsule, owner.release());
    return py::reinterpret_steal<py::object>(capsule);
  });
}

// Memory for an array, in a capsule that gives it back.
py::object allocate_block(const char* op, Where where, int64_t bytes) {
  if (Recording* recording = Recording::current(); recording != nullptr && where == Where::cpu) [[unlikely]] {
    return allocate_recorded(op, *recording, bytes);
  }
  void* block = nullptr;
  if (where == Where::cuda) {
    check_status(op, CudaTurn()->device.allocate(bytes, &block));
  } else {
    block = or_out_of_memory(op, [&] { return pool_allocate(static_cast<std::size_t>(bytes)); });
  }
  const bool there = where == Where::cuda;
  PyObject* owner = PyCapsule_New(block, nullptr, there ? release_device_block : release_block);
  if (owner != nullptr) return py::reinterpret_steal<py::object>(owner);
  there ? cuda_library()->device.release(block) : pool_release(block);
  throw py::error_already_set();
}

// Small arrays are made by the million: this goes to NumPy's C API without the copies of py::array's constructor.
py::array allocate(const char* op, Where where, py::dtype dtype, const Shape& shape) {
  py::object owner = allocate_block(op, where, checked_size(op, shape) * dtype.itemsize());
  void* block = PyCapsule_GetPointer(owner.ptr(), nullptr);
  const auto& numpy = py::detail::npy_api::get();
  constexpr int flags = py::array::c_style | kAligned | py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  auto array = py::reinterpret_steal<py::array>(
      numpy.PyArray_NewFromDescr_(numpy.PyArray_Type_, dtype.release().ptr(), static_cast<int>(shape.size()),
                                  reinterpret_cast<const Py_intptr_t*>(shape.data()), nullptr, block, flags, nullptr));
  if (!array || numpy.PyArray_SetBaseObject_(array.ptr(), owner.release().ptr()) < 0) throw py::error_already_set();
  return array;
}

// True where a kernel can read the elements as they are: of type T, native, aligned.
template <class T>
bool readable(const py::array& array) {
  const py::dtype dtype = array.dtype();
  return dtype.num() == py::dtype::num_of<T>() && dtype.byteorder() == '=' && (array.flags() & kAligned) != 0 &&
         array.ndim() <= kMaxRank;
}

bool whole_strides(const py::array& array) {
  for (py::ssize_t axis = 0; axis < array.ndim(); ++axis) {
    if (array.strides(axis) % array.itemsize() != 0) return false;
  }
  return true;
}

template <class T>
Array contiguous_copy(const char* op, const py::array& array) {
  StridedShape s{};
  s.rank = static_cast<int>(array.ndim());
  for (int axis = 0; axis < s.rank; ++axis) {
    s.size[axis] = array.shape(axis);
    s.stride[axis] = array.strides(axis) / array.itemsize();
  }
  const Shape shape(array.shape(), array.shape() + array.ndim());
  const Array copy(allocate(op, Where::cpu, py::dtype::of<T>(), shape));
  run(op, cpu_backend<T>().copy_strided, s, static_cast<const T*>(array.data()), copy.template data<T>());
  return copy;
}

[[noreturn]] void no_copy(const char* op, const Argument& argument) {
  PyErr_Clear();
  PyErr_Format(PyExc_MemoryError, "[%s] out of memory: no copy of %s", op, argument.name);
  throw py::error_already_set();
}

// As NumPy converts and copies it.
template <class T>
Contiguous<T> contiguous_by_numpy(const char* op, const Argument& argument, const py::array& array) {
  try {
    return Contiguous<T>(array);
  } catch (py::error_already_set& error) {
    // The latter of a size that can't be addressed.
    if (!error.matches(PyExc_MemoryError) && !error.matches(PyExc_ValueError)) throw;
  }
  no_copy(op, argument);
}

template <class T>
Array convert(const char* op, const Argument& argument, const py::array& array) {
  if constexpr (std::is_floating_point_v<T>) {
    if (readable<T>(array)) {
      if ((array.flags() & py::array::c_style) != 0) return Array(array);
      if (whole_strides(array)) return contiguous_copy<T>(op, array);
    }
  }
  const Contiguous<T> converted = contiguous_by_numpy<T>(op, argument, array);
  if (converted.ndim() > kMaxRank) {
    value_error(op,
                text(argument.name, " has ", converted.ndim(), " dimensions, at most ", kMaxRank, " are supported"));
  }
  return Array(converted);
}

// A device's array as float32, contiguous; bytes and booleans become numbers there.
Array convert_there(const char* op, const Argument& argument, const py::array& array) {
  const bool bytes = array.itemsize() == 1;
  if (!bytes && array.dtype().num() != py::dtype::num_of<float>()) {
    bad_dtype(op, argument, array, "float32 on CUDA (bytes and booleans become that)");
  }
  const Array there(contiguous_there(op, array), Where::cuda);
  if (!bytes) return there;
  const Array numbers = make_array(op, {Dtype::float32, Where::cuda}, there.shape());
  run(op, CudaTurn()->kernels.rescale_bytes, there.size(), there.data<uint8_t>(), 1.0, 0.0, numbers.data<float>());
  return numbers;
}

py::dtype numpy_dtype(Dtype dtype) {
  return dtype == Dtype::float32 ? py::dtype::of<float>() : py::dtype::of<double>();
}

// The bytes from an array's first to behind its last.
struct Extent {
  const char *begin, *end;

  explicit Extent(const py::array& array)
      : begin(static_cast<const char*>(array.data())), end(begin + (array.size() > 0 ? array.itemsize() : 0)) {
    if (array.size() == 0) return;
    for (py::ssize_t axis = 0; axis < array.ndim(); ++axis) {
      const py::ssize_t reach = (array.shape(axis) - 1) * array.strides(axis);
      (reach < 0 ? begin : end) += reach;
    }
  }
};

bool may_overlap(const py::array& a, const py::array& b) {
  const Extent left(a), right(b);
  return left.begin < right.end && right.begin < left.end;
}

}  // namespace

py::array to_ndarray(const char* op, const Argument& argument, int flags) {
  if (flags == 0 && py::isinstance<py::array>(argument.value)) {
    return py::reinterpret_borrow<py::array>(argument.value);
  }
  if (const CudaArray* there = as_cuda_array(argument.value)) return there->addresses;
  const auto& numpy = py::detail::npy_api::get();
  flags |= py::detail::npy_api::NPY_ARRAY_ENSUREARRAY_;
  auto array =
      py::reinterpret_steal<py::array>(numpy.PyArray_FromAny_(argument.value.ptr(), nullptr, 0, 0, flags, nullptr));
  if (array) return array;
  // What says that the value is no array becomes our own error; a lack of memory, or Ctrl-C, stays what it is.
  const bool memory = PyErr_ExceptionMatches(PyExc_MemoryError) != 0;
  if (memory && py::isinstance<py::array>(argument.value)) no_copy(op, argument);
  if (memory || PyErr_ExceptionMatches(PyExc_Exception) == 0) throw py::error_already_set();
  PyErr_Clear();
  type_error(op, text(argument.name, " must be an array, got ", Py_TYPE(argument.value.ptr())->tp_name));
}

Array::Array(const py::array& array, Where where)
    : array_(array),
      shape_(array.shape(), array.shape() + array.ndim()),
      size_(array.size()),
      data_(const_cast<void*>(array.data())),
      where_(where) {}

py::object Array::object() const {
  if (where_ == Where::cpu || !array_) return array_;
  return py::cast(CudaArray{py::reinterpret_borrow<py::array>(array_)});
}

Array::Array(double number, Dtype dtype) : size_(1), is_number_(true) {
  if (dtype == Dtype::float32) {
    const auto single = static_cast<float>(number);
    std::memcpy(number_, &single, sizeof(single));
  } else {
    std::memcpy(number_, &number, sizeof(number));
  }
}

Where where_is(py::handle value) { return as_cuda_array(value) != nullptr ? Where::cuda : Where::cpu; }

ArrayType common_type(const char* op, std::initializer_list<Argument> arguments) {
  bool wide = false, wide_number = false, arrays = false;
  const char *here = nullptr, *there = nullptr;  // names of arguments
  for (const Argument& argument : arguments) {
    if (argument.value.is_none()) continue;
    if (is_python_number(argument.value)) {
      // numpy.float64 is a Python float: weak beside arrays, itself where it is alone.
      wide_number = wide_number || (PyFloat_Check(argument.value.ptr()) && !PyFloat_CheckExact(argument.value.ptr()));
      continue;
    }
    const py::array array = to_ndarray(op, argument);
    if (!is_real(array)) bad_dtype(op, argument, array, "real numbers (float32, float64 or integers)");
    (where_is(argument.value) == Where::cpu ? here : there) = argument.name;
    wide = wide || (array.dtype().kind() == 'f' && array.itemsize() == 8);
    arrays = true;
  }
  if (there != nullptr && here != nullptr) other_device(op, there, here);
  if (there != nullptr) return {Dtype::float32, Where::cuda};
  return {wide || (wide_number && !arrays) ? Dtype::float64 : Dtype::float32, Where::cpu};
}

Array as_array(const char* op, const Argument& argument, ArrayType type) {
  if (argument.value.is_none()) return {};
  if (type.where == Where::cuda && is_python_number(argument.value)) return as_operand(op, argument, type);
  const py::array array = to_ndarray(op, argument);
  if (!is_real(array)) bad_dtype(op, argument, array, "real numbers (float32, float64 or integers)");
  check_device(op, argument, type.where);
  if (type.where == Where::cuda) return convert_there(op, argument, array);
  return type.dtype == Dtype::float32 ? convert<float>(op, argument, array) : convert<double>(op, argument, array);
}

Array as_operand(const char* op, const Argument& argument, ArrayType type) {
  if (argument.value.is_none()) type_error(op, text(argument.name, " must be an array, got None"));
  if (is_python_number(argument.value)) {
    const double number = PyFloat_AsDouble(argument.value.ptr());
    if (number == -1.0 && PyErr_Occurred() != nullptr) throw py::error_already_set();
    if (type.where == Where::cpu && Recording::current() == nullptr) return Array(number, type.dtype);
    const Array one = make_array(op, type, {});
    with_backend(type, [&](const auto& backend) {
      using T = Element<decltype(backend)>;
      run_elements(op, 1, backend.full, int64_t{1}, number, one.data<T>());
    });
    return one;
  }
  return as_array(op, argument, type);
}

bool rounds_factors(ArrayType type) {
  return bfloat16_products && type.dtype == Dtype::float32 && type.where == Where::cpu;
}

bool unit_rounds(ArrayType type) { return rounds_factors(type) && cpu::bfloat16_unit_name() != nullptr; }

Array as_factor(const char* op, const Argument& argument, ArrayType type) {
  return rounded_factor(op, as_operand(op, argument, type), type);
}

Array rounded_factor(const char* op, const Array& x, ArrayType type) {
  if (!rounds_factors(type)) return x;
  const Array rounded = make_array(op, type, x.shape());
  {
    const py::gil_scoped_release release;  // ended before `rounded` is copied, which counts a reference
    cpu::round_to_bfloat16(x.size(), x.data<float>(), rounded.data<float>());
  }
  return rounded;
}

StridedArray as_strided_operand(const char* op, const Argument& argument, ArrayType type) {
  StridedArray result{};
  if (py::isinstance<py::array>(argument.value) || where_is(argument.value) == Where::cuda) {
    check_device(op, argument, type.where);
    const py::array array = to_ndarray(op, argument);
    const bool as_it_lies = type.dtype == Dtype::float32 ? readable<float>(array) : readable<double>(array);
    if (as_it_lies && whole_strides(array)) {
      const int rank = static_cast<int>(array.ndim());
      for (int axis = 0; axis < rank; ++axis) result.stride[axis] = array.strides(axis) / array.itemsize();
      int last = rank - 1;
      while (last > 0 && array.shape(last) == 1) --last;
      if (rank == 0 || result.stride[last] == 0 || result.stride[last] == 1) {
        result.array = Array(array, type.where);
        return result;
      }
    }
  }
  result.array = as_operand(op, argument, type);
  int64_t stride = 1;
  for (int axis = result.array.rank() - 1; axis >= 0; --axis) {
    result.stride[axis] = stride;
    stride *= result.array[axis];
  }
  return result;
}

Array as_int64(const char* op, const Argument& argument, Where where) {
  if (argument.value.is_none()) return {};
  if (where == Where::cuda) return as_exact<int64_t>(op, argument, where);
  const py::array array = to_ndarray(op, argument);
  check_device(op, argument, where);
  const char kind = array.dtype().kind();
  if (kind != 'i' && kind != 'u' && kind != 'b') bad_dtype(op, argument, array, "integers");
  return convert<int64_t>(op, argument, array);
}

template <class T>
Array as_exact(const char* op, const Argument& argument, Where where) {
  check_device(op, argument, where);
  const py::array array = to_ndarray(op, argument);
  if (array.dtype().num() != py::dtype::num_of<T>()) {
    bad_dtype(op, argument, array, std::string(py::str(py::dtype::of<T>())).c_str());
  }
  if (where == Where::cuda) return Array(contiguous_there(op, array), where);
  return Array(contiguous_by_numpy<T>(op, argument, array));
}
template Array as_exact<int64_t>(const char*, const Argument&, Where);
template Array as_exact<int32_t>(const char*, const Argument&, Where);
template Array as_exact<uint8_t>(const char*, const Argument&, Where);
template Array as_exact<bool>(const char*, const Argument&, Where);

Array as_writable(const char* op, const Argument& argument, ArrayType type) {
  if (argument.value.is_none()) return {};
  check_device(op, argument, type.where);
  if (type.where == Where::cuda) {
    const py::array array = to_ndarray(op, argument);
    if (array.dtype().num() != py::dtype::num_of<float>() || (array.flags() & py::array::c_style) == 0) {
      type_error(op, text(argument.name, " is written in place and must be a contiguous array of dtype float32"));
    }
    return Array(array, type.where);
  }
  const Dtype dtype = type.dtype;
  const bool right = dtype == Dtype::float32 ? py::isinstance<Contiguous<float>>(argument.value)
                                             : py::isinstance<Contiguous<double>>(argument.value);
  if (!right) {
    type_error(op, text(argument.name, " is written in place and must be a C-contiguous array of dtype ",
                        std::string(py::str(numpy_dtype(dtype)))));
  }
  auto array = py::reinterpret_borrow<py::array>(argument.value);
  if (!array.writeable()) value_error(op, text(argument.name, " is written in place, but is read-only"));
  return Array(array);
}

void check_rank(const char* op, const char* name, const Array& array, int rank, const char* wanted) {
  if (array.rank() != rank) {
    value_error(op, text(name, " ", array.shape(), " has ", array.rank(), " dimensions, wants ", rank, ": ", wanted));
  }
}

void check_shape(const char* op, const char* name, const Shape& found, const Shape& wanted) {
  if (found != wanted) value_error(op, text(name, " ", found, " wants shape ", wanted));
}

int64_t checked_size(const char* op, const Shape& shape) {
  int64_t size = 1;
  bool overflow = false;
  for (const int64_t extent : shape) {
    if (extent == 0) return 0;
    overflow = overflow || __builtin_mul_overflow(size, extent, &size);
  }
  if (overflow || size > std::numeric_limits<int64_t>::max() / 16) {
    value_error(op, text("result ", shape, " has more elements than memory can address"));
  }
  return size;
}

Array make_array(const char* op, ArrayType type, const Shape& shape) {
  return make_array_of(op, type.where, numpy_dtype(type.dtype), shape);
}

Array make_array_of(const char* op, Where where, const py::dtype& dtype, const Shape& shape) {
  return Array(allocate(op, where, dtype, shape), where);
}

template <class T>
Array make_array_of(const char* op, Where where, const Shape& shape) {
  return make_array_of(op, where, py::dtype::of<T>(), shape);
}
template Array make_array_of<int32_t>(const char*, Where, const Shape&);
template Array make_array_of<int64_t>(const char*, Where, const Shape&);
template Array make_array_of<uint8_t>(const char*, Where, const Shape&);
template Array make_array_of<bool>(const char*, Where, const Shape&);

Output::Output(const char* op, ArrayType type, const Shape& shape, py::handle out,
               std::initializer_list<Argument> inputs) {
  if (out.is_none()) {
    array_ = make_array(op, type, shape);
    return;
  }
  const Dtype dtype = type.dtype;
  const bool there = type.where == Where::cuda;
  if (there ? where_is(out) != Where::cuda : !py::isinstance<py::array>(out)) {
    type_error(op, there ? "out must be a CudaArray, as the operands are" : "out must be an ndarray");
  }
  const py::array target = to_ndarray(op, {"out", out});
  const Shape found(target.shape(), target.shape() + target.ndim());
  if (found != shape) value_error(op, text("out has shape ", found, ", the result has ", shape));
  if (!target.dtype().equal(numpy_dtype(dtype))) {
    type_error(op, text("out has dtype ", std::string(py::str(target.dtype())), ", the result has ",
                        std::string(py::str(numpy_dtype(dtype)))));
  }
  if (!target.writeable()) value_error(op, "out is read-only");
  out_ = py::reinterpret_borrow<py::object>(out);
  const bool direct =
      dtype == Dtype::float32 ? py::isinstance<Contiguous<float>>(target) : py::isinstance<Contiguous<double>>(target);
  copy_back_ = !direct;
  for (const Argument& input : inputs) {
    if (py::isinstance<py::array>(input.value) || where_is(input.value) == Where::cuda) {
      copy_back_ = copy_back_ || may_overlap(target, to_ndarray(op, input));
    }
  }
  array_ = copy_back_ ? make_array(op, type, shape) : Array(target, type.where);
}

py::object Output::finish() const {
  if (!out_) return array_.object();
  if (copy_back_) assign(out_, array_.object());
  return out_;
}

void assign(py::handle to, py::handle from) {
  if (Recording* recording = Recording::current()) recording->give_up("assign");
  to[py::ellipsis()] = from;
}

void handle_signals() {
  if (gettid() != getpid()) return;
  const py::gil_scoped_acquire gil;
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

void set_bfloat16(bool on) { bfloat16_products = on; }

std::vector<Family::Bind>& Family::all() {
  static std::vector<Bind> families;
  return families;
}

}  // namespace hotloop::bindings
