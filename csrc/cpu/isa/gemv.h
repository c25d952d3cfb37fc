// A matrix times a vector: the two ways a matrix can lie in memory.
#pragma once

#include <cstdint>

#include "cpu/isa/micro.h"

namespace hotloop::isa {

template <class T>
struct GemvMicro {
  /// y (n) = a (n, k) @ x (k), added to what y holds where `add`; rows of a are a_row apart.
  void (*dots)(int64_t n, int64_t k, const T* a, int64_t a_row, const T* x, bool add, T* y);
  /// y (n) = x (k) @ a (k, n), added to what y holds where `add`; rows of a are a_row apart.
  void (*scaled_rows)(int64_t n, int64_t k, const T* a, int64_t a_row, const T* x, bool add, T* y);
};

HL_MICRO(GemvMicro, gemv)

}  // namespace hotloop::isa
