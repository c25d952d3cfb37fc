// The extension module hotloop._core: runs every family's binder.
#include "bindings/array.h"

PYBIND11_MODULE(_core, m, pybind11::mod_gil_not_used()) {
  m.doc() = "Kernels of hotloop; the public functions are in hotloop.ops.";
  for (const auto bind : hotloop::bindings::Family::all()) bind(m);
}
