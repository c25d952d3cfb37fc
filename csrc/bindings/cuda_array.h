// CudaArray: an array in the device's memory.
//
// It is held as an ndarray over the same addresses, which nobody may read or write through: shapes, strides, views and
// who keeps which memory alive are then NumPy's own rules, and a binding takes it apart as it does any ndarray.
#pragma once

#include "bindings/array.h"

namespace hotloop::bindings {

struct CudaArray {
  py::array addresses;
};

/// The CudaArray that a Python object is, or nullptr.
const CudaArray* as_cuda_array(py::handle value);

/// The array of addresses itself where it is contiguous, else that of a copy.
/// Raises ValueError where the elements are too small to be copied with strides.
py::array contiguous_there(const char* op, const py::array& addresses);

/// A host copy, an ndarray. Waits for all work queued; raises what a kernel found wrong with labels meanwhile.
py::array copy_to_host(const char* op, const py::array& addresses);
/// A copy on the device of a contiguous ndarray.
CudaArray copy_to_device(const char* op, const py::array& array);

/// Adds DLPack and the CUDA array interface to the class, and what takes other libraries' arrays to the module.
void bind_exchange(py::module_& m, py::class_<CudaArray>& type);

/// Waits for all work queued; raises ValueError where a kernel met a bad label.
void synchronize(const char* op);

}  // namespace hotloop::bindings
