// What the tape adds gradients with.
#pragma once

#include "bindings/array.h"

namespace hotloop::bindings {

/// a op b as a new array, or written to `out` unless that is None.
py::object binary(py::handle a, py::handle b, int kind, py::handle out);
/// y += x
void accumulate(py::handle x, py::handle y);
/// y[...] = x
void copy_into(py::handle x, py::handle y);

}  // namespace hotloop::bindings
