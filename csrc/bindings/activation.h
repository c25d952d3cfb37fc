// The activation argument of the ops that have an epilogue.
#pragma once

#include "bindings/array.h"

namespace hotloop::bindings {

/// The spec of activation number `kind` (of _core.activations).
ActivationSpec activation_spec(const char* op, int kind, double alpha);

}  // namespace hotloop::bindings
