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
  /// y (rows) = the column of the first maximum of each row of x (rows, cols), cols >= 1; the first NaN wins.
  void (*argmax)(int64_t rows, int64_t cols, const T* x, int64_t* y);
};

HL_MICRO(ReduceMicro, reduce)

}  // namespace hotloop::isa
