// The extension module hotloop._core: runs every family's binder.
//
// Its functions are to be called with positional arguments: pybind11 looks a keyword up by a string that it makes anew,
// and crashes where there is no memory for it. Numbers are returned as Python's: those that it makes itself end in a
// TypeError there. Objects are made by functions and returned by value: a constructor ends the process, and a pointer
// that is handed over is freed twice, where it has no memory to note the object.
#include "bindings/array.h"

namespace {

// pybind11 writes to a new object without looking whether there was memory for it.
PyObject* allocate_or_throw(PyTypeObject* type, Py_ssize_t items) {
  PyObject* const object = PyType_GenericAlloc(type, items);
  if (object == nullptr) throw pybind11::error_already_set();
  return object;
}

}  // namespace

PYBIND11_MODULE(_core, m, pybind11::mod_gil_not_used()) {
  m.doc() = "Kernels of hotloop; the public functions are in hotloop.ops.";
  // What pybind11 can't allocate it reports as a std::runtime_error, over the MemoryError that Python has raised.
  pybind11::register_local_exception_translator([](std::exception_ptr error) {
    if (PyErr_Occurred() == nullptr || PyErr_ExceptionMatches(PyExc_MemoryError) == 0) std::rethrow_exception(error);
  });
  for (const auto bind : hotloop::bindings::Family::all()) bind(m);
  for (const auto& [name, member] : pybind11::dict(m.attr("__dict__"))) {
    if (PyType_Check(member.ptr()) == 0) continue;
    auto* const type = reinterpret_cast<PyTypeObject*>(member.ptr());
    if (pybind11::detail::get_type_info(type) != nullptr) type->tp_alloc = allocate_or_throw;
  }
}
