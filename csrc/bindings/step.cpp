// An optimizer's step as one: its kernels, and the account of it, with no turn for Python's own code in between.
// Signals are handled there, so that Ctrl-C finds a step made or not begun.
#include "bindings/tape.h"

namespace hotloop::bindings {
namespace {

/// Calls each (kernel, *arguments), counts a change of each Tensor, and sets the attributes of `owner`.
void make_step(py::handle owner, const py::sequence& calls, const py::list& tensors, const py::dict& attributes) {
  for (const py::handle tensor : tensors) {
    if (!is_tensor(tensor.ptr())) type_error("step", "wants Tensors");
  }
  for (const py::handle call : calls) {
    const auto parts = py::cast<py::tuple>(call);
    const auto arguments =
        py::reinterpret_steal<py::object>(PyTuple_GetSlice(parts.ptr(), 1, PyTuple_GET_SIZE(parts.ptr())));
    if (!arguments) throw py::error_already_set();
    if (!py::reinterpret_steal<py::object>(PyObject_CallObject(py::object(parts[0]).ptr(), arguments.ptr()))) {
      throw py::error_already_set();
    }
  }
  for (const py::handle tensor : tensors) ++as_tensor(tensor.ptr())->version->count;
  for (const auto& [name, value] : attributes) py::setattr(owner, name, value);
}

const Family family([](py::module_& m) {
  m.def("make_step", &make_step, py::arg("owner"), py::arg("calls"), py::arg("tensors"), py::arg("attributes"));
});

}  // namespace
}  // namespace hotloop::bindings
