// What becomes of a batch on its way to the first layer.
#pragma once

#include <cstdint>

#include "cpu/isa/micro.h"

namespace hotloop::isa {

template <class T>
struct BatchMicro {
  /// y (n) = x (n) * factor + offset
  void (*rescale)(int64_t n, const uint8_t* x, double factor, double offset, T* y);
  /// y (n) += x (n)
  void (*add)(int64_t n, const T* x, T* y);
};

HL_MICRO(BatchMicro, batch)

}  // namespace hotloop::isa
