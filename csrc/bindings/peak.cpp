// The measured peaks, for python -m hotloop bench.
#include "cpu/peak.h"

#include "bindings/array.h"

namespace hotloop::bindings {
namespace {

double peak_operations(bool float64) {
  const py::gil_scoped_release release;
  return float64 ? cpu::peak_operations<double>() : cpu::peak_operations<float>();
}

double copy_bandwidth(int64_t n, bool float64) {
  if (n < 1) value_error("copy_bandwidth", text("wants at least one element, got ", n));
  const py::gil_scoped_release release;
  return float64 ? cpu::copy_bandwidth<double>(n) : cpu::copy_bandwidth<float>(n);
}

const Family peak_family([](py::module_& m) {
  m.def("peak_operations", &peak_operations, py::arg("float64") = false);
  m.def("copy_bandwidth", &copy_bandwidth, py::arg("n"), py::arg("float64") = false);
});

}  // namespace
}  // namespace hotloop::bindings
