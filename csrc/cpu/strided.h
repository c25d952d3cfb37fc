// Walking operands that are broadcast, transposed or sliced: which axes can be merged, and how elements are read.
#pragma once

#include <cstdint>

#include "shapes.h"

namespace hotloop::cpu {

/// The same elements in fewer axes: those of size 1 are dropped, neighbours that every operand walks as one are merged.
/// At least one axis is left. `strides` holds `operands` rows of kMaxRank.
struct Walk {
  static constexpr int kOperands = 2;
  int rank = 0;
  int64_t size[kMaxRank];
  int64_t stride[kOperands][kMaxRank];

  Walk(int rank_in, const int64_t* size_in, const int64_t* first, const int64_t* second);
  explicit Walk(const BroadcastShape& s) : Walk(s.rank, s.size, s.a_stride, s.b_stride) {}
  explicit Walk(const StridedShape& s) : Walk(s.rank, s.size, s.stride, s.stride) {}

  int64_t total() const;
  int64_t row() const { return size[rank - 1]; }
  int64_t step(int operand) const { return stride[operand][rank - 1]; }
  /// True where the operand is one contiguous run.
  bool contiguous(int operand) const;
  /// True where every row reads the operand's same elements.
  bool repeats(int operand) const;
  /// Where row number `row` begins in the operand.
  int64_t row_offset(int operand, int64_t row) const;
};

/// y (n) = elements [at, at + n) of the operand in the walk's order.
template <class T>
void gather(const Walk& walk, int operand, const T* x, int64_t at, int64_t n, T* y);

}  // namespace hotloop::cpu
