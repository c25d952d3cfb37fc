// The closure of an op that computed its gradient together with its result, as losses do: backward() of the loss itself
// has nothing left to do, and should not have to enter Python for it.
#include "bindings/guard.h"
#include "bindings/tape.h"

// Behind pybind11, which includes Python.h first of all.
#include <structmember.h>

namespace hotloop::bindings {
namespace {

// Outside the garbage collector: it holds an array and a function of a module.
struct ReadyGradient {
  PyObject_HEAD;
  vectorcallfunc vectorcall;
  PyObject* gradient;
  PyObject* times;
};

/// (dy, need) -> the gradient of the first input, which is all that is wanted, times dy; None for the others.
PyObject* call_ready(PyObject* self, PyObject* const* arguments, std::size_t flags, PyObject* keywords) {
  return guarded([&] {
    const auto* ready = reinterpret_cast<ReadyGradient*>(self);
    if (PyVectorcall_NARGS(flags) != 2 || keywords != nullptr || !PyTuple_Check(arguments[1])) {
      type_error("ready_gradient", "takes dy and need");
    }
    py::tuple gradients(PyTuple_GET_SIZE(arguments[1]));
    for (std::size_t i = 1; i < gradients.size(); ++i) gradients[i] = py::none();
    const py::handle gradient = ready->gradient, dy = arguments[0];
    gradients[0] =
        is_one(dy.ptr()) ? py::reinterpret_borrow<py::object>(gradient) : py::handle(ready->times)(gradient, dy);
    return gradients.release().ptr();
  });
}

void destroy_ready(PyObject* self) {
  auto* ready = reinterpret_cast<ReadyGradient*>(self);
  PyTypeObject* type = Py_TYPE(self);
  Py_CLEAR(ready->gradient);
  Py_CLEAR(ready->times);
  type->tp_free(self);
  Py_DECREF(type);
}

PyTypeObject* make_ready_type() {
  static PyMemberDef members[] = {
      {"__vectorcalloffset__", T_PYSSIZET, offsetof(ReadyGradient, vectorcall), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr},
  };
  static PyType_Slot slots[] = {
      {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
      {Py_tp_dealloc, reinterpret_cast<void*>(destroy_ready)},
      {Py_tp_members, members},
      {0, nullptr},
  };
  static PyType_Spec spec = {"hotloop._core.ReadyGradient", sizeof(ReadyGradient), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                             slots};
  auto* type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (type == nullptr) throw py::error_already_set();
  return type;
}

py::object ready_gradient(py::object gradient, py::object times) {
  static PyTypeObject* const type = make_ready_type();
  auto result = py::reinterpret_steal<py::object>(type->tp_alloc(type, 0));
  if (!result) throw py::error_already_set();
  auto* ready = reinterpret_cast<ReadyGradient*>(result.ptr());
  ready->vectorcall = call_ready;
  ready->gradient = gradient.release().ptr();
  ready->times = times.release().ptr();
  return result;
}

const Family ready_gradient_family([](py::module_& m) {
  m.def("ready_gradient", &ready_gradient, py::arg("gradient"), py::arg("times"));
});

}  // namespace
}  // namespace hotloop::bindings
