// Arrays of many axes in as few as say the same: what broadcasts, strided copies and reductions walk.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "shapes.h"

namespace hotloop {

/// The same elements in fewer axes: those of size 1 are dropped, neighbours that every operand walks as one are merged.
/// At least one axis is left.
struct Walk {
  static constexpr int kOperands = 2;
  int rank = 0;
  int64_t size[kMaxRank];
  int64_t stride[kOperands][kMaxRank];

  Walk(int rank_in, const int64_t* size_in, const int64_t* first, const int64_t* second) {
    for (int axis = 0; axis < rank_in; ++axis) {
      const int64_t n = size_in[axis];
      if (n == 1) continue;
      const int last = rank - 1;
      if (rank > 0 && stride[0][last] == n * first[axis] && stride[1][last] == n * second[axis]) {
        size[last] *= n;
        stride[0][last] = first[axis];
        stride[1][last] = second[axis];
        continue;
      }
      size[rank] = n;
      stride[0][rank] = first[axis];
      stride[1][rank] = second[axis];
      ++rank;
    }
    if (rank == 0) {
      size[0] = stride[0][0] = stride[1][0] = 1;
      rank = 1;
    }
  }
  explicit Walk(const BroadcastShape& s) : Walk(s.rank, s.size, s.a_stride, s.b_stride) {}
  explicit Walk(const StridedShape& s) : Walk(s.rank, s.size, s.stride, s.stride) {}

  int64_t total() const {
    int64_t n = 1;
    for (int axis = 0; axis < rank; ++axis) n *= size[axis];
    return n;
  }
  int64_t row() const { return size[rank - 1]; }
  int64_t step(int operand) const { return stride[operand][rank - 1]; }
  /// True where the operand is one contiguous run.
  bool contiguous(int operand) const {
    int64_t wanted = 1;
    for (int axis = rank - 1; axis >= 0; --axis) {
      if (stride[operand][axis] != wanted) return false;
      wanted *= size[axis];
    }
    return true;
  }
  /// True where every row reads the operand's same elements.
  bool repeats(int operand) const {
    return std::all_of(stride[operand], stride[operand] + rank - 1, [](int64_t s) { return s == 0; });
  }
  /// Where row number `row` begins in the operand.
  int64_t row_offset(int operand, int64_t row) const {
    int64_t offset = 0;
    for (int axis = rank - 2; axis > 0; --axis) {
      offset += row % size[axis] * stride[operand][axis];
      row /= size[axis];
    }
    return rank > 1 ? offset + row * stride[operand][0] : offset;
  }
  /// The axis that the first operand walks contiguously, where it neither walks nor repeats the last one so; else -1.
  int transposed_axis() const {
    if (step(0) == 0 || step(0) == 1) return -1;
    for (int axis = rank - 2; axis >= 0; --axis) {
      if (stride[0][axis] == 1 && size[axis] > 1) return axis;
    }
    return -1;
  }
};

/// The axes of a reduction: those of size 1 are dropped, neighbours of one kind merged; `reduced[i]` says of which.
struct Runs {
  int rank = 0;
  int64_t size[kMaxRank];
  bool reduced[kMaxRank];

  explicit Runs(const ReduceShape& s) {
    for (int axis = 0; axis < s.rank; ++axis) {
      const bool vanishes = (s.reduced >> axis & 1) != 0;
      if (s.size[axis] == 1) continue;
      if (rank > 0 && reduced[rank - 1] == vanishes) {
        size[rank - 1] *= s.size[axis];
      } else {
        size[rank] = s.size[axis];
        reduced[rank++] = vanishes;
      }
    }
  }

  int64_t product(int begin, int end, bool kept_only) const {
    int64_t n = 1;
    for (int i = begin; i < end; ++i) n *= kept_only && reduced[i] ? 1 : size[i];
    return n;
  }
};

/// What a reduction over nothing gives.
template <class T>
constexpr T identity(ReduceOp op) {
  constexpr T infinity = std::numeric_limits<T>::infinity();
  if (op == ReduceOp::mean) return std::numeric_limits<T>::quiet_NaN();
  return op == ReduceOp::max ? -infinity : op == ReduceOp::min ? infinity : T(0);
}

}  // namespace hotloop
