// What the machine can do at most, to hold the kernels against: products from registers, and a plain copy.
#pragma once

#include <cstdint>

#include "cpu/isa/micro.h"

namespace hotloop::isa {

template <class T>
struct PeakMicro {
  int operations;  // of one round: a product and a sum in every lane of every chain
  /// Runs rounds of products and sums that wait for nothing but registers; returns a number, so that they must be run.
  T (*multiply_add)(int64_t rounds);
  /// y (n) = x (n)
  void (*copy)(int64_t n, const T* x, T* y);
};

HL_MICRO(PeakMicro, peak)

}  // namespace hotloop::isa
