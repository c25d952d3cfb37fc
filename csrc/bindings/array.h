// What every binding does, said once: take the arguments of an op as contiguous arrays of one dtype on one device, make
// its outputs there, release the GIL and call the device's backend. Checks live here and in the bindings, never in
// kernels. Bindings don't know which device they work on.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "backend.h"
#include "bindings/cuda_turn.h"
#include "bindings/errors.h"
#include "bindings/recording.h"
#include "bindings/shape.h"
#include "runtime/threads.h"

namespace hotloop::bindings {

namespace py = pybind11;

enum class Dtype { float32, float64 };
enum class Where { cpu, cuda };

/// What the arguments of an op have in common: their dtype, and where they lie.
struct ArrayType {
  Dtype dtype = Dtype::float32;
  Where where = Where::cpu;
};

/// A checked argument: C-contiguous, aligned, native byte order, of the op's dtype. Keeps its memory alive.
class Array {
 public:
  Array() = default;
  explicit Array(const py::array& array, Where where = Where::cpu);
  /// A Python number, kept in here as an array of shape ().
  Array(double number, Dtype dtype);

  explicit operator bool() const { return is_number_ || static_cast<bool>(array_); }
  Where where() const { return where_; }
  const Shape& shape() const { return shape_; }
  int rank() const { return static_cast<int>(shape_.size()); }
  int64_t size() const { return size_; }
  int64_t operator[](int axis) const { return shape_[static_cast<std::size_t>(axis)]; }
  /// The ndarray that has its shape and addresses.
  py::array ndarray() const { return py::reinterpret_borrow<py::array>(array_); }
  /// As Python has it: an ndarray or a CudaArray.
  py::object object() const;

  /// Its data, or nullptr for an argument that was None.
  template <class T>
  T* data() const {
    return static_cast<T*>(is_number_ ? static_cast<void*>(const_cast<std::byte*>(number_)) : data_);
  }

 private:
  py::object array_;
  Shape shape_;
  int64_t size_ = 0;
  void* data_ = nullptr;
  Where where_ = Where::cpu;
  bool is_number_ = false;
  alignas(double) std::byte number_[sizeof(double)] = {};
};

/// An argument as it came, with the name errors call it by.
struct Argument {
  const char* name;
  py::handle value;  // None is allowed where the binding says so
};

/// The type the arguments meet in: float64 where any array is, else float32; Python numbers are weak; None is skipped.
/// Raises TypeError for dtypes that are not real numbers, ValueError where some lie on the CPU and others do not.
ArrayType common_type(const char* op, std::initializer_list<Argument> arguments);
/// Any array-like as an ndarray of its own dtype, with flags such as py::array::c_style; of a CudaArray, the one that
/// has its addresses. Raises TypeError for anything else.
py::array to_ndarray(const char* op, const Argument& argument, int flags = 0);
/// Where an argument lies.
Where where_is(py::handle value);

/// The argument as an Array of the type; None gives an empty Array. Copies only where it must.
Array as_array(const char* op, const Argument& argument, ArrayType type);
/// The same where None is not allowed: it raises TypeError. A Python number has no object().
Array as_operand(const char* op, const Argument& argument, ArrayType type);
/// As as_operand, for kernels that read with strides: broadcast and sliced arrays stay as they lie where that costs no
/// more than a copy, which is where their last axis longer than 1 is walked by steps of 0 or 1.
struct StridedArray {
  Array array;
  int64_t stride[kMaxRank];  // in elements
};
StridedArray as_strided_operand(const char* op, const Argument& argument, ArrayType type);
/// An operand of a product, as as_operand gives it: rounded where products run in bfloat16 and no unit does that.
Array as_factor(const char* op, const Argument& argument, ArrayType type);
/// The same of an operand.
Array rounded_factor(const char* op, const Array& x, ArrayType type);
void set_bfloat16(bool on);
/// Whether as_factor rounds.
bool rounds_factors(ArrayType type);
/// Whether it need not for a matrix product, since the CPU has a unit that does.
bool unit_rounds(ArrayType type);
/// Integer argument (labels, indices) as int64 there; refuses floating dtypes.
Array as_int64(const char* op, const Argument& argument, Where where);
/// An argument that has this element type already, such as an op's own argmax.
template <class T>
Array as_exact(const char* op, const Argument& argument, Where where);
/// An argument that a kernel writes in place: refused unless contiguous, writable and of the type.
Array as_writable(const char* op, const Argument& argument, ArrayType type);

/// Raises ValueError unless the array has the rank.
/// Raises ValueError where an argument has not the shape that the others ask for.
void check_shape(const char* op, const char* name, const Shape& found, const Shape& wanted);
void check_rank(const char* op, const char* name, const Array& array, int rank, const char* wanted);

/// Number of elements of a shape; raises ValueError where it overflows.
int64_t checked_size(const char* op, const Shape& shape);

/// A new array in the device's memory pool, uninitialised.
Array make_array(const char* op, ArrayType type, const Shape& shape);
template <class T>
Array make_array_of(const char* op, Where where, const Shape& shape);
Array make_array_of(const char* op, Where where, const py::dtype& dtype, const Shape& shape);

/// The array an op writes: a new one, or the caller's `out` where it has the right shape and type and shares no memory
/// with an input; where it does share, the result is made aside and copied over at the end.
class Output {
 public:
  Output(const char* op, ArrayType type, const Shape& shape, py::handle out, std::initializer_list<Argument> inputs);
  int64_t size() const { return array_.size(); }
  template <class T>
  T* data() const {
    return array_.data<T>();
  }
  /// What the op returns: the caller's `out`, or the new array.
  py::object finish() const;

 private:
  Array array_;
  py::object out_;
  bool copy_back_ = false;
};

/// Calls f(Backend<float>) or f(Backend<double>), the table of the device.
template <class F>
void with_backend(ArrayType type, F&& f) {
  if (type.where == Where::cuda) {
    const CudaTurn turn;
    f(turn->kernels);
  } else if (type.dtype == Dtype::float32) {
    f(cpu_backend<float>());
  } else {
    f(cpu_backend<double>());
  }
}

/// The element type of a backend.
template <class B>
struct ElementOf;
template <class T>
struct ElementOf<Backend<T>> {
  using type = T;
};
template <class B>
using Element = typename ElementOf<std::remove_cvref_t<B>>::type;

/// to[...] = from, as NumPy does it.
void assign(py::handle to, py::handle from);

/// Lets Python handle signals, where the calling thread is the one that does; raises what a handler raises.
void handle_signals();

/// Notes a call that was made where this thread records its step.
template <class... P, class... A>
void note_call(const char* op, bool in_place, Status (*kernel)(P...), const A&... arguments) {
  if (Recording* recording = Recording::current()) [[unlikely]]
    recording->add(op, in_place, kernel, arguments...);
}

/// Runs a kernel without the GIL. A signal's handler that raises ends it, as Ctrl-C does; its outputs then hold
/// anything.
template <class... P, class... A>
void run(const char* op, Status (*kernel)(P...), const A&... arguments) {
  check_status(op, or_out_of_memory(op, [&] {
                 const py::gil_scoped_release release;
                 const Pauses pauses(handle_signals);
                 return kernel(arguments...);
               }));
  note_call(op, false, kernel, arguments...);
}

// From here on a kernel takes longer than handing over the GIL.
constexpr int64_t kWorthReleasing = 16 * 1024;

/// The same for work that goes with a number of elements.
template <class... P, class... A>
void run_elements(const char* op, int64_t elements, Status (*kernel)(P...), const A&... arguments) {
  if (elements >= kWorthReleasing) return run(op, kernel, arguments...);
  check_status(op, or_out_of_memory(op, [&] { return kernel(arguments...); }));
  note_call(op, false, kernel, arguments...);
}

/// The same for updates in place, which no signal ends half-way.
template <class... P, class... A>
void run_update(const char* op, int64_t elements, Status (*kernel)(P...), const A&... arguments) {
  check_status(op, or_out_of_memory(op, [&] {
                 std::optional<py::gil_scoped_release> release;
                 if (elements >= kWorthReleasing) release.emplace();
                 return kernel(arguments...);
               }));
  note_call(op, true, kernel, arguments...);
}

/// Every bindings/<family>.cpp makes one of these; module.cpp runs them all.
class Family {
 public:
  using Bind = void (*)(py::module_&);
  explicit Family(Bind bind) { all().push_back(bind); }
  static std::vector<Bind>& all();
};

}  // namespace hotloop::bindings
