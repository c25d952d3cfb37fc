// backward(): collects the ops that lead to a Tensor, checks that all can still run, runs them from the last to the
// first while their gradients add up, and leaves the sums with the leaves at the very end.
#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

#include "bindings/elementwise.h"
#include "bindings/tape.h"

namespace hotloop::bindings {
namespace {

constexpr int kNoTarget = -1;

[[noreturn]] void runtime_error(const std::string& message) { throw std::runtime_error("[backward] " + message); }

std::string name_of(const Node* node) { return py::str(node->name); }

[[noreturn]] void tape_was_freed(const Node* node) {
  runtime_error(text("the tape was freed at ", name_of(node),
                     " by an earlier backward(): run the forward pass again, or pass retain_graph=True to the first "
                     "call"));
}

/// Raises RuntimeError where the op can't be differentiated any more.
void check_node(Node* node) {
  if (!held_in(node, node->backward)) tape_was_freed(node);
  const Lock lock(node);
  for (int i = -1; i < node->inputs_count(); ++i) {
    const Edge& edge = node->inputs()[i];
    if (edge.version == nullptr || edge.version->count == edge.count) continue;
    const std::string what = i >= 0 ? text("input ", i, " of ") : "the result of ";
    runtime_error(text(what, name_of(node), " was changed in place after the op ran (version ", edge.count, " then, ",
                       edge.version->count.load(), " now): run the forward pass again"));
  }
}

bool is_ndarray(PyObject* object) {
  static const auto& numpy = py::detail::npy_api::get();
  return numpy.PyArray_Check_(object);
}

/// True where an array uses memory that another one owns; of objects that don't say whose memory it is, too.
bool is_view(PyObject* array) {
  if (is_ndarray(array)) {
    PyObject* base = py::detail::array_proxy(array)->base;
    return base != nullptr && is_ndarray(base);
  }
  const auto base = py::reinterpret_steal<py::object>(PyObject_GetAttrString(array, "base"));
  if (!base) PyErr_Clear();
  return !base || !base.is_none();
}

/// True where `array` is contiguous and of the other's dtype, so that it can hold sums of what the other holds.
bool is_like(PyObject* array, PyObject* other) {
  if (is_ndarray(array) && is_ndarray(other)) {
    const auto *left = py::detail::array_proxy(array), *right = py::detail::array_proxy(other);
    return left->descr == right->descr && (left->flags & py::array::c_style) != 0;
  }
  return Py_TYPE(array) == Py_TYPE(other) && py::handle(array).attr("dtype").is(py::handle(other).attr("dtype")) &&
         py::handle(array).attr("flags").attr("c_contiguous").cast<bool>();
}

/// The gradient as an array that can become the leaf's grad; `owned` says that nobody else holds it.
py::object adoptable(Tensor* leaf, const py::object& gradient, bool owned) {
  const py::object array = held_in(leaf, leaf->data);
  if (owned && is_like(gradient.ptr(), array.ptr())) return gradient;
  return py::handle(tape_hooks.copied)(gradient, array);
}

/// Whether a leaf will take a gradient itself for its grad, not what is in it.
bool adopts(Tensor* leaf) {
  return leaf->requires_grad && !held_in(leaf, leaf->grad) && !held_in(leaf, leaf->grad_slot);
}

/// Adds to a leaf's grad.
void add_to_grad(Tensor* leaf, const py::object& gradient, bool owned) {
  if (!leaf->requires_grad) return;
  if (const py::object grad = held_in(leaf, leaf->grad)) return accumulate(gradient, grad);
  if (const py::object slot = held_in(leaf, leaf->grad_slot)) {
    copy_into(gradient, slot);
    put_in(leaf, leaf->grad, slot);
  } else {
    put_in(leaf, leaf->grad, adoptable(leaf, gradient, owned));
  }
}

/// One run over the tape. It keeps its own account of sums, so that others may go over the same ops meanwhile.
class Walk {
 public:
  explicit Walk(PyObject* root);
  void run(const py::object& gradient, bool retain_graph);

 private:
  /// A Node or a leaf, and the sum of the gradients that reached it.
  struct Place {
    py::object target;
    int first_edge;  // in edges_, for a Node
    py::object sum;
    bool owned = false;  // nobody else holds the sum, so that it can be added into

    Node* node() const { return reinterpret_cast<Node*>(target.ptr()); }
  };

  int place_of(py::object target);
  void run_node(const Place& place, const py::object& dy, bool retain_graph);
  void add(Place& place, const py::object& gradient, bool owned);

  static constexpr std::size_t kFew = 16;  // places that are searched faster than a table
  std::vector<Place> places_;
  std::vector<int> edges_;  // the place of each input's gradient, node after node
  std::vector<int> order_;  // the places of Nodes, each before everything that it was made from
  std::unordered_map<PyObject*, int> table_;
};

Walk::Walk(PyObject* root) {
  places_.reserve(kFew);
  place_of(py::reinterpret_borrow<py::object>(root));
  for (std::size_t at = 0; at < places_.size(); ++at) {
    if (!is_node(places_[at].target.ptr())) continue;
    Node* node = places_[at].node();
    order_.push_back(static_cast<int>(at));
    places_[at].first_edge = static_cast<int>(edges_.size());
    for (int i = 0; i < node->inputs_count(); ++i) {
      py::object target = held_in(node, node->inputs()[i].target);
      edges_.push_back(target ? place_of(std::move(target)) : kNoTarget);
    }
  }
  std::sort(order_.begin(), order_.end(),
            [&](int a, int b) { return places_[a].node()->number > places_[b].node()->number; });
}

int Walk::place_of(py::object target) {
  const std::size_t few = std::min(places_.size(), kFew);
  for (std::size_t i = 0; i < few; ++i) {
    if (places_[i].target.is(target)) return static_cast<int>(i);
  }
  const int next = static_cast<int>(places_.size());
  if (places_.size() >= kFew) {
    const auto [found, is_new] = table_.emplace(target.ptr(), next);
    if (!is_new) return found->second;
  }
  places_.push_back({std::move(target), 0, {}});
  return next;
}

void Walk::add(Place& place, const py::object& gradient, bool owned) {
  if (!place.sum) {
    place.sum = gradient;
    place.owned = owned;
  } else if (place.owned && is_like(place.sum.ptr(), gradient.ptr())) {
    accumulate(gradient, place.sum);
  } else {
    place.sum = binary(place.sum, gradient, static_cast<int>(BinaryOp::add), py::none());
    place.owned = true;
  }
}

void Walk::run_node(const Place& place, const py::object& dy, bool retain_graph) {
  Node* node = place.node();
  const py::object backward = held_in(node, node->backward);
  if (!backward) tape_was_freed(node);  // by a closure that ran backward() itself
  const int count = node->inputs_count();
  const int* edges = edges_.data() + place.first_edge;
  py::tuple need(count);
  for (int i = 0; i < count; ++i) need[i] = py::bool_(edges[i] != kNoTarget);
  PyObject* const arguments[] = {dy.ptr(), need.ptr()};
  const auto returned = py::reinterpret_steal<py::object>(PyObject_Vectorcall(backward.ptr(), arguments, 2, nullptr));
  if (!returned) throw py::error_already_set();
  const auto gradients = py::reinterpret_steal<py::object>(
      PySequence_Fast(returned.ptr(), "[backward] an op must return a tuple of gradients"));
  if (!gradients) throw py::error_already_set();
  PyObject** const items = PySequence_Fast_ITEMS(gradients.ptr());
  const auto given = static_cast<int>(PySequence_Fast_GET_SIZE(gradients.ptr()));
  if (given != count) {
    throw py::value_error(
        text("[backward] the gradients of ", name_of(node), " do not zip with its inputs: ", given, " for ", count));
  }
  for (int i = 0; i < count; ++i) {
    PyObject* dx = items[i];
    if (edges[i] == kNoTarget || dx == Py_None) continue;
    const bool fresh = node->gives_away ? !retain_graph : !is_view(dx);
    const bool owned = fresh && dx != dy.ptr() && std::count(items, items + count, dx) == 1;
    add(places_[edges[i]], py::reinterpret_borrow<py::object>(dx), owned);
  }
}

void Walk::run(const py::object& gradient, bool retain_graph) {
  for (const int at : order_) check_node(places_[at].node());
  add(places_[0], gradient, false);
  for (const int at : order_) {
    Place& place = places_[at];
    if (const py::object dy = std::move(place.sum)) run_node(place, dy, retain_graph);
    if (!retain_graph) free_node(place.node());
  }
  // At the end, so that an op that fails leaves the gradients as they were. Ctrl-C does so too: Python handles it in
  // code of its own, which is called only before the first sum is added.
  const auto leaf = [](const Place& place) { return reinterpret_cast<Tensor*>(place.target.ptr()); };
  for (Place& place : places_) {
    if (!place.sum || !adopts(leaf(place))) continue;
    place.sum = adoptable(leaf(place), place.sum, place.owned);
    place.owned = true;
  }
  for (const Place& place : places_) {
    if (place.sum) add_to_grad(leaf(place), place.sum, place.owned);
  }
}

/// The number 1 as an array, which nobody writes to: gradients that are not owned are only read.
template <class T>
PyObject* one() {
  static PyObject* const array = [] {
    py::array_t<T> made(py::array::ShapeContainer{});
    *made.mutable_data() = 1;
    Recording::know_constant(made);
    return made.release().ptr();
  }();
  return array;
}

/// The gradient that backward() starts from: as it was given where it fits, 1 for a number; else what Python makes.
py::object first_gradient(Tensor* tensor, PyObject* given) {
  const py::object array = held_in(tensor, tensor->data);
  if (array && is_ndarray(array.ptr())) {
    const auto* like = py::detail::array_proxy(array.ptr());
    if (given == Py_None && like->nd == 0) {
      for (PyObject* number : {one<float>(), one<double>()}) {
        if (py::detail::array_proxy(number)->descr == like->descr) return py::reinterpret_borrow<py::object>(number);
      }
    } else if (is_ndarray(given)) {
      const auto* found = py::detail::array_proxy(given);
      if (found->descr == like->descr && found->nd == like->nd &&
          std::equal(found->dimensions, found->dimensions + found->nd, like->dimensions)) {
        return py::reinterpret_borrow<py::object>(given);
      }
    }
  }
  return py::handle(tape_hooks.first_gradient)(py::handle(reinterpret_cast<PyObject*>(tensor)), py::handle(given));
}

}  // namespace

bool is_one(PyObject* gradient) { return gradient == one<float>() || gradient == one<double>(); }

void run_backward(Tensor* tensor, PyObject* given, bool retain_graph) {
  if (!tensor->requires_grad) runtime_error("this Tensor does not require a gradient: no input of its ops did");
  const py::object gradient = first_gradient(tensor, given), node = held_in(tensor, tensor->node);
  if (!node) return add_to_grad(tensor, gradient, false);
  Walk(node.ptr()).run(gradient, retain_graph);
}

}  // namespace hotloop::bindings
