// Reading operands that are broadcast, transposed or sliced.
#pragma once

#include <cstdint>

#include "axes.h"

namespace hotloop::cpu {

/// y (n) = elements [at, at + n) of the operand in the walk's order.
template <class T>
void gather(const Walk& walk, int operand, const T* x, int64_t at, int64_t n, T* y);

}  // namespace hotloop::cpu
