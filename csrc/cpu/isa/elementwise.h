// Elementwise operations over runs of elements. A step is 1 for an operand that is a run, 0 for one value for all;
// one of two is 1.
#pragma once

#include <cstdint>

#include "cpu/isa/micro.h"
#include "shapes.h"

namespace hotloop::isa {

template <class T>
struct ElementwiseMicro {
  /// y (n) = op(x (n)); y may be x.
  void (*unary)(UnaryOp op, int64_t n, const T* x, T* y);
  /// y (n) = a op b; y may be an operand of step 1.
  void (*binary)(BinaryOp op, int64_t n, const T* a, int a_step, const T* b, int b_step, T* y);
  /// y (n) = a op b, one byte 0 or 1 each.
  void (*compare)(CompareOp op, int64_t n, const T* a, int a_step, const T* b, int b_step, uint8_t* y);
  /// y (n) += x (n)
  void (*accumulate)(int64_t n, const T* x, T* y);
  /// y (rows, cols) = x (cols, rows) transposed; strides are those between rows of each.
  void (*transpose)(int64_t rows, int64_t cols, const T* x, int64_t x_stride, T* y, int64_t y_stride);
};

HL_MICRO(ElementwiseMicro, elementwise)

}  // namespace hotloop::isa
