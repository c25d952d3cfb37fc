// Recording: what an op calls with its result, and whether this thread records. Python's C API without pybind11's
// dispatcher, which alone takes longer than recording an op.
#include "bindings/guard.h"
#include "bindings/tape.h"

namespace hotloop::bindings {
namespace {

thread_local int64_t pauses = 0;  // no_grad()s of this thread that are open

bool records() { return pauses == 0; }

py::object record_op(const RecordedOp& op, Version* shared = nullptr) {
  bool any_tensor = false, wanted = false;
  for (Py_ssize_t i = 0; i < op.count; ++i) {
    if (!is_tensor(op.inputs[i])) continue;
    any_tensor = true;
    wanted = wanted || as_tensor(op.inputs[i])->requires_grad;
  }
  if (!any_tensor) return py::reinterpret_borrow<py::object>(op.result);
  py::object y = new_tensor(op.result, shared);
  if (wanted && records()) {
    Tensor* tensor = as_tensor(y.ptr());
    tensor->requires_grad = true;
    tensor->node = new_node(op, tensor).release().ptr();
  }
  return y;
}

// ---- what Python calls ----------------------------------------------------------------------------------------------

void check_count(const char* name, Py_ssize_t given, Py_ssize_t least, Py_ssize_t most) {
  if (given < least || given > most) type_error(name, text("wants ", least, " to ", most, " arguments, got ", given));
}

Tensor* checked_tensor(const char* name, PyObject* object) {
  if (!is_tensor(object)) type_error(name, text("wants a Tensor, got a ", Py_TYPE(object)->tp_name));
  return as_tensor(object);
}

PyObject* record(PyObject*, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords) {
  return guarded([&] {
    Py_ssize_t given = positional;
    if (keywords != nullptr) {
      given += PyTuple_GET_SIZE(keywords);
      if (given != positional + 1 || positional != 4 ||
          PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(keywords, 0), "gives_away") != 0) {
        type_error("record", "takes name, result, inputs, backward and gives_away");
      }
    }
    check_count("record", given, 4, 5);
    const int gives_away = given == 5 ? PyObject_IsTrue(arguments[4]) : 0;
    const auto inputs =
        py::reinterpret_steal<py::object>(PySequence_Fast(arguments[2], "[record] inputs must be a sequence"));
    if (gives_away < 0 || !inputs) throw py::error_already_set();
    const RecordedOp op{
        arguments[0], arguments[1],   PySequence_Fast_ITEMS(inputs.ptr()), PySequence_Fast_GET_SIZE(inputs.ptr()),
        arguments[3], gives_away != 0};
    return record_op(op).release().ptr();
  });
}

PyObject* record_view(PyObject*, PyObject* const* arguments, Py_ssize_t given) {
  return guarded([&] {
    check_count("record_view", given, 4, 4);
    PyObject* const input = arguments[2];
    if (!is_tensor(input)) return Py_NewRef(arguments[1]);
    const RecordedOp op{arguments[0], arguments[1], &input, 1, arguments[3], false};
    return record_op(op, as_tensor(input)->version).release().ptr();
  });
}

PyObject* wrap(PyObject*, PyObject* array) {
  return guarded([&] { return new_tensor(array, nullptr).release().ptr(); });
}

PyObject* detach(PyObject*, PyObject* object) {
  return guarded([&] {
    Tensor* tensor = checked_tensor("detach", object);
    return new_tensor(held_in(tensor, tensor->data).ptr(), tensor->version).release().ptr();
  });
}

PyObject* data(PyObject*, PyObject* object) {
  return guarded([&] {
    if (!is_tensor(object)) return Py_NewRef(object);
    py::object array = held_in(object, as_tensor(object)->data);
    if (!array) throw py::attribute_error("_data");
    return array.release().ptr();
  });
}

PyObject* wants_gradient(PyObject*, PyObject* const* inputs, Py_ssize_t count) {
  bool wanted = false;
  for (Py_ssize_t i = 0; i < count && records(); ++i) {
    wanted = wanted || (is_tensor(inputs[i]) && as_tensor(inputs[i])->requires_grad);
  }
  return PyBool_FromLong(wanted);
}

PyObject* backward(PyObject*, PyObject* const* arguments, Py_ssize_t given) {
  return guarded([&] {
    check_count("backward", given, 3, 3);
    const int retain_graph = PyObject_IsTrue(arguments[2]);
    if (retain_graph < 0) throw py::error_already_set();
    run_backward(checked_tensor("backward", arguments[0]), arguments[1], retain_graph != 0);
    return Py_NewRef(Py_None);
  });
}

PyObject* is_grad_enabled(PyObject*, PyObject*) { return PyBool_FromLong(records()); }

PyObject* pause_recording(PyObject*, PyObject*) {
  ++pauses;
  Py_RETURN_NONE;
}

PyObject* resume_recording(PyObject*, PyObject* const*, Py_ssize_t) {
  return guarded([&] {
    if (pauses == 0) throw std::runtime_error("[no_grad] left in a thread that had not entered it");
    --pauses;
    return Py_NewRef(Py_None);
  });
}

void define_tape(const py::type& tensor, py::object first_gradient, py::object copied) {
  // They live as long as the module.
  tape_hooks.tensor = reinterpret_cast<PyTypeObject*>(py::type(tensor).release().ptr());
  tape_hooks.first_gradient = first_gradient.release().ptr();
  tape_hooks.copied = copied.release().ptr();
}

template <class F>
PyCFunction method(F* function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

const Family tape_family([](py::module_& m) {
  m.attr("TensorBase") = make_tape_types();
  static PyMethodDef methods[] = {
      {"record", method(record), METH_FASTCALL | METH_KEYWORDS, "Wraps an op's result for the tape."},
      {"record_view", method(record_view), METH_FASTCALL,
       "The same for an op whose result may be a view of its input."},
      {"wrap", wrap, METH_O, "A Tensor of an array, which is taken as it is."},
      {"detach", detach, METH_O, "A Tensor of the same array off the tape."},
      {"data", data, METH_O, "The array of a Tensor; anything else as it is."},
      {"wants_gradient", method(wants_gradient), METH_FASTCALL, "Whether an op of these inputs would be recorded."},
      {"backward", method(backward), METH_FASTCALL, "backward() of a Tensor."},
      {"is_grad_enabled", is_grad_enabled, METH_NOARGS, "True where ops record what backward() needs."},
      {"pause_recording", pause_recording, METH_NOARGS, "Enters no_grad()."},
      {"resume_recording", method(resume_recording), METH_FASTCALL, "Leaves no_grad(); takes what __exit__ does."},
      {nullptr, nullptr, 0, nullptr},
  };
  if (PyModule_AddFunctions(m.ptr(), methods) < 0) throw py::error_already_set();
  m.def("define_tape", &define_tape, py::arg("tensor"), py::arg("first_gradient"), py::arg("copied"));
});

}  // namespace
}  // namespace hotloop::bindings
