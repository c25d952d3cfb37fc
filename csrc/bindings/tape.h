// The objects of the tape as C++ sees them; python/hotloop/autograd.py says what the tape is.
//
// Arrays are only held and handed on here: they may be ndarrays or anything else that closures understand.
#pragma once

#include <atomic>
#include <cstdint>

#include "bindings/array.h"

namespace hotloop::bindings {

/// Counts changes in place of the memory that some Tensors share.
struct Version {
  PyObject_HEAD;
  std::atomic<int64_t> count;
};

/// Base of hotloop.Tensor. Empty fields are null or None.
struct Tensor {
  PyObject_HEAD;
  PyObject *data, *grad;
  PyObject* grad_slot;  // where an optimizer wants the gradient
  PyObject* node;       // the Node that made it
  PyObject* name;
  PyObject* weak_references;
  Version* version;
  std::atomic<bool> requires_grad;
};

/// An input of a Node: where its gradient goes (a Node, a leaf Tensor or null), and, of a Tensor, its version.
struct Edge {
  PyObject* target;
  Version* version;
  int64_t count;
};

/// A recorded op, followed in memory by as many Edges as Py_SIZE says: that of the result, whose target is null, and
/// those of the inputs.
struct Node {
  PyObject_VAR_HEAD;
  PyObject* name;
  PyObject* backward;  // null once the tape was freed
  int64_t number;      // grows with every op, so that it is larger than those of the ops it depends on
  bool gives_away;

  Edge* edges() { return reinterpret_cast<Edge*>(this + 1); }
  Edge* inputs() { return edges() + 1; }
  int inputs_count() const { return static_cast<int>(ob_base.ob_size) - 1; }
};

/// While it lives, no other thread changes the references that the object holds: with a GIL none can anyway.
class Lock {
 public:
#ifdef Py_GIL_DISABLED
  explicit Lock(void* object) { PyCriticalSection_Begin(&section_, static_cast<PyObject*>(object)); }
  ~Lock() { PyCriticalSection_End(&section_); }

 private:
  PyCriticalSection section_;
#else
  explicit Lock(void*) {}
  ~Lock() {}
#endif
};

/// What Python defines for the tape, in this order the arguments of _core.define_tape.
struct TapeHooks {
  PyTypeObject* tensor;      // the class of Tensors
  PyObject* first_gradient;  // (Tensor, gradient or None) -> the array that backward() starts from
  PyObject* copied;          // (gradient, array) -> the gradient as a new array like that one
};
extern TapeHooks tape_hooks;

/// Makes the types; returns Tensor's base.
py::object make_tape_types();

bool is_tensor(PyObject* object);
bool is_node(PyObject* object);
inline Tensor* as_tensor(PyObject* object) { return reinterpret_cast<Tensor*>(object); }

/// A Tensor of the array, whose memory changes together with that of others where `shared` is not null.
py::object new_tensor(PyObject* array, Version* shared);

/// What an op gives to be recorded.
struct RecordedOp {
  PyObject* name;
  PyObject* result;
  PyObject* const* inputs;
  Py_ssize_t count;
  PyObject* backward;
  bool gives_away;
};

py::object new_node(const RecordedOp& op, Tensor* result);

/// What a field of a Tensor or Node holds: nothing, where that is null or None.
py::object held_in(void* owner, PyObject* const& field);
/// Puts a value into a field.
void put_in(void* owner, PyObject*& field, py::object value);

/// Lets go of what backward needed.
void free_node(Node* node);

/// True for the arrays that backward() of a number starts from.
bool is_one(PyObject* gradient);

/// backward() of a Tensor; gradient is an array or None.
void run_backward(Tensor* tensor, PyObject* gradient, bool retain_graph);

}  // namespace hotloop::bindings
