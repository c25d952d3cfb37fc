#include "bindings/activation.h"

#include "bindings/enums.h"

namespace hotloop::bindings {

ActivationSpec activation_spec(const char* op, int kind, double alpha) {
  constexpr int count = static_cast<int>(Activation::hard_swish) + 1;
  if (kind < 0 || kind >= count) value_error(op, text("activation number ", kind, " is not in 0 .. ", count - 1));
  return {static_cast<Activation>(kind), alpha};
}

namespace {

// What errors call an activation: the name of the public function.
const char* public_name(Activation kind) {
  if (kind == Activation::gelu_tanh) return "gelu";
  constexpr const char* names[] = {HL_ACTIVATIONS(HL_NAME)};
  return names[static_cast<int>(kind)];
}

py::object activation(py::handle x_in, int kind, double alpha, py::handle out) {
  const ActivationSpec spec = activation_spec("activation", kind, alpha);
  const char* op = public_name(spec.kind);
  const Argument x_arg{"x", x_in};
  const ArrayType type = common_type(op, {x_arg});
  const Array x = as_operand(op, x_arg, type);
  const Output y(op, type, x.shape(), out, {x_arg});
  with_backend(type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run_elements(op, x.size(), backend.activation, spec, x.size(), x.data<T>(), y.template data<T>());
  });
  return y.finish();
}

py::object activation_grad(py::handle saved_in, py::handle dy_in, int kind, double alpha) {
  constexpr const char* op = "activation_grad";
  const Argument saved_arg{"saved", saved_in}, dy_arg{"dy", dy_in};
  const ArrayType type = common_type(op, {saved_arg, dy_arg});
  const Array saved = as_operand(op, saved_arg, type), dy = as_operand(op, dy_arg, type);
  if (saved.shape() != dy.shape()) {
    value_error(op, text("shapes differ: saved ", saved.shape(), ", dy ", dy.shape()));
  }
  const ActivationSpec spec = activation_spec(op, kind, alpha);
  const Array dx = make_array(op, type, dy.shape());
  with_backend(type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run_elements(op, dy.size(), backend.activation_grad, spec, dy.size(), saved.data<T>(), dy.data<T>(), dx.data<T>());
  });
  return dx.object();
}

const Family activation_family([](py::module_& m) {
  export_names(m, "activations", {HL_ACTIVATIONS(HL_NAME)});
  m.def("activation", &activation, py::arg("x"), py::arg("kind"), py::arg("alpha") = 0.0, py::arg("out") = py::none());
  m.def("activation_grad", &activation_grad, py::arg("saved"), py::arg("dy"), py::arg("kind"), py::arg("alpha") = 0.0);
});

}  // namespace
}  // namespace hotloop::bindings
