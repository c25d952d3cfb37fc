// Reductions over runs and over columns. ReduceOp::mean never comes here: it is a sum, divided at the end.
#pragma once

#include <cstdint>

#include "cpu/isa/micro.h"
#include "shapes.h"

namespace hotloop::isa {

template <class T>
struct ReduceMicro {
  /// y (rows) = op over each row of x (rows, n), n >= 1
  void (*rows)(ReduceOp op, int64_t rows, int64_t n, const T* x, T* y);
  /// y (cols) = op over the rows of x (rows, cols), rows >= 1, which lie `stride` apart
  void (*columns)(ReduceOp op, int64_t rows, int64_t cols, const T* x, int64_t stride, T* y);
  /// The first place of the maximum of x (n), n >= 1; NaN wins
  int64_t (*argmax)(int64_t n, const T* x);
};

HL_MICRO(ReduceMicro, reduce)

}  // namespace hotloop::isa
