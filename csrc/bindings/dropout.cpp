#include "bindings/step_state.h"

namespace hotloop::bindings {
namespace {

py::object dropout(py::handle x_in, double rate, uint64_t seed, uint64_t counter, StepCell* state, py::handle out) {
  constexpr const char* op = "dropout";
  if (!(rate >= 0 && rate <= 1)) value_error(op, text("rate must lie in [0, 1]: got ", rate));
  const Argument x_arg{"x", x_in};
  const ArrayType type = common_type(op, {x_arg});
  const Array x = as_array(op, x_arg, type);
  const Output y(op, type, x.shape(), out, {x_arg});
  const DropoutSpec spec{x.size(), rate, seed, counter};
  with_backend(type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run(op, backend.dropout, spec, state != nullptr ? state->in(type.where) : nullptr, x.data<T>(),
        y.template data<T>());
  });
  return y.finish();
}

const Family dropout_family([](py::module_& m) {
  m.def("dropout", &dropout, py::arg("x"), py::arg("rate"), py::arg("seed"), py::arg("counter"),
        py::arg("state") = py::none(), py::arg("out") = py::none());
});

}  // namespace
}  // namespace hotloop::bindings
