// Activations over a run of elements.
#pragma once

#include <cstdint>

#include "cpu/isa/micro.h"
#include "shapes.h"

namespace hotloop::isa {

template <class T>
struct ActivationMicro {
  /// y (n) = act(x (n)); y may be x.
  void (*forward)(ActivationSpec act, int64_t n, const T* x, T* y);
  /// dx (n) = dy (n) * act', from y where saves_output(act.kind), else from x; dx may be dy.
  void (*backward)(ActivationSpec act, int64_t n, const T* saved, const T* dy, T* dx);
};

HL_MICRO(ActivationMicro, activation)

}  // namespace hotloop::isa
