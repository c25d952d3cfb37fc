// Dropout over whole tiles.
#pragma once

#include <cstdint>

#include "cpu/isa/micro.h"
#include "shapes.h"

namespace hotloop::isa {

template <class T>
struct DropoutMicro {
  /// y (n) = x (n) where kept, times 1 / (1 - rate), else 0, for 0 < rate < 1. x[0] is element `first` of the array, a
  /// multiple of kDropoutTile; y may be x.
  void (*keep)(const DropoutSpec& s, int64_t first, int64_t n, const T* x, T* y);
};

HL_MICRO(DropoutMicro, dropout)

}  // namespace hotloop::isa
