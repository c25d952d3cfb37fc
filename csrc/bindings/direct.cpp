// Ops called by the million on small arrays: a callable that runs the kernel at once where its arguments are plain
// float32 arrays, contiguous and of one shape, and hands every other call to the Python function it stands for.
//
// pybind11's dispatcher, keyword arguments and the Python function's frame cost more than a thousand elements do, so
// that this speaks Python's vectorcall protocol itself.
#include <algorithm>

#include "bindings/array.h"
#include "bindings/guard.h"

// Behind pybind11, which includes Python.h first of all.
#include <structmember.h>

namespace hotloop::bindings {
namespace {

struct Direct {
  PyObject_HEAD vectorcallfunc vectorcall;
  PyObject* attributes;  // __name__, __doc__, ... of the function
  PyObject* function;
  int arguments;  // arrays it takes
  Status (*run)(int kind, int64_t n, const float* a, const float* b, float* y);
  int kind;
  const char* name;
};

Status run_unary(int kind, int64_t n, const float* x, const float*, float* y) {
  return cpu_backend<float>().unary(static_cast<UnaryOp>(kind), n, x, y);
}

Status run_activation(int kind, int64_t n, const float* x, const float*, float* y) {
  return cpu_backend<float>().activation({static_cast<Activation>(kind), 0.0}, n, x, y);
}

Status run_binary(int kind, int64_t n, const float* a, const float* b, float* y) {
  BroadcastShape s{};
  s.rank = 1;
  s.size[0] = n;
  s.a_stride[0] = s.b_stride[0] = 1;
  return cpu_backend<float>().binary(static_cast<BinaryOp>(kind), s, a, b, y);
}

// An ndarray (and no subclass) of native, aligned, contiguous float32.
bool is_plain(PyObject* object) {
  static const auto& numpy = py::detail::npy_api::get();
  static PyObject* const float32 = py::dtype::of<float>().release().ptr();
  if (Py_TYPE(object) != numpy.PyArray_Type_) return false;
  const auto* array = py::detail::array_proxy(object);
  constexpr int flags = py::array::c_style | 0x0100;  // NPY_ARRAY_ALIGNED
  return array->descr == float32 && (array->flags & flags) == flags && array->nd <= kMaxRank;
}

bool same_shape(PyObject* a, PyObject* b) {
  const auto *left = py::detail::array_proxy(a), *right = py::detail::array_proxy(b);
  return left->nd == right->nd && std::equal(left->dimensions, left->dimensions + left->nd, right->dimensions);
}

PyObject* run_plain(const Direct& op, PyObject* const* arguments) {
  const auto* first = py::detail::array_proxy(arguments[0]);
  const Array y =
      make_array(op.name, {Dtype::float32, Where::cpu}, Shape(first->dimensions, first->dimensions + first->nd));
  const float* x[2] = {};
  for (int i = 0; i < op.arguments; ++i) {
    x[i] = reinterpret_cast<const float*>(py::detail::array_proxy(arguments[i])->data);
  }
  run_elements(op.name, y.size(), op.run, op.kind, y.size(), x[0], x[1], y.data<float>());
  return y.object().inc_ref().ptr();
}

PyObject* call_direct(PyObject* self, PyObject* const* arguments, std::size_t flags, PyObject* keywords) {
  const auto& op = *reinterpret_cast<Direct*>(self);
  const bool plain = PyVectorcall_NARGS(flags) == op.arguments && keywords == nullptr && is_plain(arguments[0]) &&
                     (op.arguments == 1 || (is_plain(arguments[1]) && same_shape(arguments[0], arguments[1])));
  if (!plain) return PyObject_Vectorcall(op.function, arguments, flags, keywords);
  return guarded([&] { return run_plain(op, arguments); });
}

// As a function, it becomes a method of the class that it is an attribute of.
PyObject* bind_to(PyObject* self, PyObject* instance, PyObject*) {
  return instance == nullptr ? Py_NewRef(self) : PyMethod_New(self, instance);
}

void destroy_direct(PyObject* self) {
  auto* op = reinterpret_cast<Direct*>(self);
  PyTypeObject* type = Py_TYPE(self);
  Py_CLEAR(op->attributes);
  Py_CLEAR(op->function);
  type->tp_free(self);
  Py_DECREF(type);
}

PyTypeObject* make_direct_type() {
  static PyMemberDef members[] = {
      {"__vectorcalloffset__", T_PYSSIZET, offsetof(Direct, vectorcall), READONLY, nullptr},
      {"__dictoffset__", T_PYSSIZET, offsetof(Direct, attributes), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr},
  };
  static PyGetSetDef properties[] = {
      {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
      {nullptr, nullptr, nullptr, nullptr, nullptr},
  };
  static PyType_Slot slots[] = {
      {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
      {Py_tp_descr_get, reinterpret_cast<void*>(bind_to)},
      {Py_tp_dealloc, reinterpret_cast<void*>(destroy_direct)},
      {Py_tp_members, members},
      {Py_tp_getset, properties},
      {0, nullptr},
  };
  static PyType_Spec spec = {"hotloop._core.Direct", sizeof(Direct), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR, slots};
  auto* type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (type == nullptr) throw py::error_already_set();
  return type;
}

py::object direct(py::function function, const std::string& family, int kind) {
  static PyTypeObject* const type = make_direct_type();
  auto result = py::reinterpret_steal<py::object>(type->tp_alloc(type, 0));
  if (!result) throw py::error_already_set();
  auto* op = reinterpret_cast<Direct*>(result.ptr());
  op->vectorcall = call_direct;
  op->kind = kind;
  op->arguments = 1;
  if (family == "unary") {
    op->run = run_unary;
  } else if (family == "activation") {
    op->run = run_activation;
  } else if (family == "binary") {
    op->run = run_binary;
    op->arguments = 2;
  } else {
    value_error("direct", text("unknown family ", family));
  }
  // Names live as long as the functions they belong to: as long as the module.
  op->name = PyUnicode_AsUTF8(py::object(function.attr("__name__")).release().ptr());
  op->function = function.release().ptr();
  return result;
}

const Family direct_family([](py::module_& m) {
  m.def("direct", &direct, py::arg("function"), py::arg("family"), py::arg("kind"));
});

}  // namespace
}  // namespace hotloop::bindings
