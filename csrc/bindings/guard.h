// For functions that speak Python's C API themselves: C++ exceptions leave them as Python's.
#pragma once

#include <pybind11/pybind11.h>

#include <exception>
#include <new>

namespace hotloop::bindings {

/// f() -> PyObject*, or nullptr with the exception set that it threw.
template <class F>
PyObject* guarded(F&& f) {
  try {
    return f();
  } catch (pybind11::error_already_set& error) {
    error.restore();
  } catch (const pybind11::builtin_exception& error) {
    error.set_error();
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& error) {
    // What pybind11 can't allocate it reports as a std::runtime_error, over the MemoryError that Python has raised.
    if (PyErr_Occurred() == nullptr) PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return nullptr;
}

}  // namespace hotloop::bindings
