#include "bindings/array.h"

namespace hotloop::bindings {
namespace {

py::object dropout(py::handle x_in, double rate, uint64_t seed, uint64_t counter, py::handle out) {
  constexpr const char* op = "dropout";
  if (!(rate >= 0 && rate <= 1)) value_error(op, text("rate must lie in [0, 1]: got ", rate));
  const Argument x_arg{"x", x_in};
  const Dtype dtype = common_dtype(op, {x_arg});
  const Array x = as_array(op, x_arg, dtype);
  const Output y(op, dtype, x.shape(), out, {x_arg});
  const DropoutSpec spec{x.size(), rate, seed, counter};
  with_backend(dtype, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run(op, backend.dropout, spec, x.data<T>(), y.template data<T>());
  });
  return y.finish();
}

const Family family([](py::module_& m) {
  m.def("dropout", &dropout, py::arg("x"), py::arg("rate"), py::arg("seed"), py::arg("counter"),
        py::arg("out") = py::none());
});

}  // namespace
}  // namespace hotloop::bindings
