// The types of the tape: a Tensor's fields, recorded ops, and the versions that they share.
#include <utility>

#include "bindings/guard.h"
#include "bindings/tape.h"

// Behind pybind11, which includes Python.h first of all.
#include <structmember.h>

namespace hotloop::bindings {

TapeHooks tape_hooks{};

namespace {

PyTypeObject *version_type, *tensor_base, *node_type;
std::atomic<int64_t> next_number{0};

PyTypeObject* type_from(PyType_Spec& spec) {
  auto* type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (type == nullptr) throw py::error_already_set();
  return type;
}

py::object allocated(PyTypeObject* type, Py_ssize_t items = 0) {
  auto object = py::reinterpret_steal<py::object>(type->tp_alloc(type, items));
  if (!object) throw py::error_already_set();
  return object;
}

void free_object(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

// ---- Version --------------------------------------------------------------------------------------------------------

PyTypeObject* make_version_type() {
  static PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(free_object)}, {0, nullptr}};
  static PyType_Spec spec = {"hotloop._core.Version", sizeof(Version), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  return type_from(spec);
}

int64_t count_of(const Version* version) { return version->count.load(std::memory_order_relaxed); }

// ---- Tensor ---------------------------------------------------------------------------------------------------------

/// A Tensor without data, over memory that changes with `shared` or, where that is null, alone.
py::object empty_tensor(PyTypeObject* type, Version* shared) {
  py::object self = allocated(type);
  if (shared == nullptr) {
    shared = reinterpret_cast<Version*>(allocated(version_type).release().ptr());
  } else {
    Py_INCREF(shared);
  }
  as_tensor(self.ptr())->version = shared;
  return self;
}

PyObject* tensor_new(PyTypeObject* type, PyObject*, PyObject*) {
  return guarded([&] { return empty_tensor(type, nullptr).release().ptr(); });
}

int tensor_traverse(PyObject* self, visitproc visit, void* arg) {
  const Tensor* tensor = as_tensor(self);
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(tensor->data);
  Py_VISIT(tensor->grad);
  Py_VISIT(tensor->grad_slot);
  Py_VISIT(tensor->node);
  Py_VISIT(tensor->name);
  return 0;
}

int tensor_clear(PyObject* self) {
  Tensor* tensor = as_tensor(self);
  Py_CLEAR(tensor->data);
  Py_CLEAR(tensor->grad);
  Py_CLEAR(tensor->grad_slot);
  Py_CLEAR(tensor->node);
  Py_CLEAR(tensor->name);
  return 0;
}

// Long chains end here by way of the subclass, whose own destructor sees that the stack does not overflow.
void tensor_destroy(PyObject* self) {
  PyObject_GC_UnTrack(self);
  Tensor* tensor = as_tensor(self);
  if (tensor->weak_references != nullptr) PyObject_ClearWeakRefs(self);
  tensor_clear(self);
  Py_CLEAR(tensor->version);
  free_object(self);
}

PyObject* get_requires_grad(PyObject* self, void*) {
  return PyBool_FromLong(as_tensor(self)->requires_grad.load(std::memory_order_relaxed));
}

int set_requires_grad(PyObject* self, PyObject* value, void*) {
  const int wanted = value == nullptr ? 0 : PyObject_IsTrue(value);
  if (wanted < 0) return -1;
  as_tensor(self)->requires_grad.store(wanted != 0, std::memory_order_relaxed);
  return 0;
}

PyObject* get_version(PyObject* self, void*) { return PyLong_FromLongLong(count_of(as_tensor(self)->version)); }

int set_version(PyObject* self, PyObject* value, void*) {
  const int64_t count = value == nullptr ? 0 : PyLong_AsLongLong(value);
  if (count == -1 && PyErr_Occurred() != nullptr) return -1;
  as_tensor(self)->version->count.store(count, std::memory_order_relaxed);
  return 0;
}

PyTypeObject* make_tensor_base() {
  static PyMemberDef members[] = {
      {"_data", T_OBJECT_EX, offsetof(Tensor, data), 0, nullptr},
      {"_grad", T_OBJECT, offsetof(Tensor, grad), 0, nullptr},
      {"_grad_slot", T_OBJECT, offsetof(Tensor, grad_slot), 0, nullptr},
      {"_node", T_OBJECT, offsetof(Tensor, node), READONLY, nullptr},
      {"name", T_OBJECT, offsetof(Tensor, name), 0, nullptr},
      {"__weaklistoffset__", T_PYSSIZET, offsetof(Tensor, weak_references), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr},
  };
  static PyGetSetDef properties[] = {
      {"requires_grad", get_requires_grad, set_requires_grad, "Whether backward() leaves a gradient in grad.", nullptr},
      {"_version", get_version, set_version,
       "How often the data changed in place; a change that an op recorded before it makes backward() refuse.", nullptr},
      {nullptr, nullptr, nullptr, nullptr, nullptr},
  };
  static PyType_Slot slots[] = {
      {Py_tp_new, reinterpret_cast<void*>(tensor_new)},
      {Py_tp_dealloc, reinterpret_cast<void*>(tensor_destroy)},
      {Py_tp_traverse, reinterpret_cast<void*>(tensor_traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(tensor_clear)},
      {Py_tp_members, members},
      {Py_tp_getset, properties},
      {0, nullptr},
  };
  static PyType_Spec spec = {"hotloop._core.TensorBase", sizeof(Tensor), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, slots};
  return type_from(spec);
}

// ---- Node -----------------------------------------------------------------------------------------------------------

Node* as_node(PyObject* object) { return reinterpret_cast<Node*>(object); }

int node_traverse(PyObject* self, visitproc visit, void* arg) {
  Node* node = as_node(self);
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(node->name);
  Py_VISIT(node->backward);
  for (int i = 0; i < node->inputs_count(); ++i) Py_VISIT(node->inputs()[i].target);
  return 0;
}

int node_clear(PyObject* self) {
  free_node(as_node(self));
  return 0;
}

// Python's trashcan keeps chains of a million ops from overflowing the stack.
void node_destroy(PyObject* self) {
  PyObject_GC_UnTrack(self);
  Py_TRASHCAN_BEGIN(self, node_destroy);
  free_node(as_node(self));
  Py_CLEAR(as_node(self)->name);
  free_object(self);
  Py_TRASHCAN_END;
}

PyTypeObject* make_node_type() {
  static PyMemberDef members[] = {
      {"name", T_OBJECT, offsetof(Node, name), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr},
  };
  static PyType_Slot slots[] = {
      {Py_tp_dealloc, reinterpret_cast<void*>(node_destroy)},
      {Py_tp_traverse, reinterpret_cast<void*>(node_traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(node_clear)},
      {Py_tp_members, members},
      {0, nullptr},
  };
  static PyType_Spec spec = {"hotloop._core.Node", sizeof(Node), sizeof(Edge),
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  return type_from(spec);
}

void note_version(Edge& edge, Tensor* tensor) {
  edge.version = reinterpret_cast<Version*>(Py_NewRef(reinterpret_cast<PyObject*>(tensor->version)));
  edge.count = count_of(edge.version);
}

}  // namespace

py::object make_tape_types() {
  version_type = make_version_type();
  tensor_base = make_tensor_base();
  node_type = make_node_type();
  return py::reinterpret_borrow<py::object>(reinterpret_cast<PyObject*>(tensor_base));
}

py::object new_tensor(PyObject* array, Version* shared) {
  py::object self = empty_tensor(tape_hooks.tensor, shared);
  as_tensor(self.ptr())->data = Py_NewRef(array);
  return self;
}

py::object new_node(const RecordedOp& op, Tensor* result) {
  py::object object = allocated(node_type, op.count + 1);
  Node* node = as_node(object.ptr());
  node->name = Py_NewRef(op.name);
  node->backward = Py_NewRef(op.backward);
  node->gives_away = op.gives_away;
  node->number = next_number.fetch_add(1, std::memory_order_relaxed);
  note_version(node->edges()[0], result);
  for (Py_ssize_t i = 0; i < op.count; ++i) {
    PyObject* input = op.inputs[i];
    if (!is_tensor(input)) continue;
    Tensor* tensor = as_tensor(input);
    note_version(node->inputs()[i], tensor);
    if (!tensor->requires_grad) continue;
    py::object maker = held_in(tensor, tensor->node);
    node->inputs()[i].target = maker ? maker.release().ptr() : Py_NewRef(input);
  }
  return object;
}

bool is_tensor(PyObject* object) {
  return Py_TYPE(object) == tape_hooks.tensor || PyObject_TypeCheck(object, tensor_base);
}

bool is_node(PyObject* object) { return Py_TYPE(object) == node_type; }

py::object held_in(void* owner, PyObject* const& field) {
  const Lock lock(owner);
  return py::reinterpret_borrow<py::object>(field == Py_None ? nullptr : field);
}

void put_in(void* owner, PyObject*& field, py::object value) {
  PyObject* before;
  {
    const Lock lock(owner);
    before = std::exchange(field, value.release().ptr());
  }
  Py_XDECREF(before);
}

void free_node(Node* node) {
  put_in(node, node->backward, {});
  for (Edge *edge = node->edges(), *end = edge + Py_SIZE(node); edge != end; ++edge) {
    put_in(node, edge->target, {});
    Version* version;
    {
      const Lock lock(node);
      version = std::exchange(edge->version, nullptr);
    }
    Py_XDECREF(version);
  }
}

}  // namespace hotloop::bindings
