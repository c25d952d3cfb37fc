// Walks (axes.h) on the device: where the elements of broadcast, transposed and sliced operands lie.
#pragma once

#include "axes.h"
#include "cuda/divisor.cuh"
#include "cuda/quads.cuh"

namespace hotloop::cuda {

/// A Walk, none of whose sizes is 0.
struct DeviceWalk {
  int rank;
  Divisor size[kMaxRank];
  int64_t stride[Walk::kOperands][kMaxRank];

  explicit DeviceWalk(const Walk& walk) : rank(walk.rank) {
    for (int axis = 0; axis < rank; ++axis) {
      size[axis] = Divisor(walk.size[axis]);
      for (int i = 0; i < Walk::kOperands; ++i) stride[i][axis] = walk.stride[i][axis];
    }
  }

  struct Place {
    int64_t offset[Walk::kOperands];
    int64_t room;  // elements from here to the end of the row
  };

  __device__ Place place(int64_t i) const {
    Place place{{0, 0}, size[rank - 1]};
    for (int axis = rank - 1; axis >= 0; --axis) {
      const Division at = axis > 0 ? size[axis].split(i) : Division{0, i};
      if (axis == rank - 1) place.room -= at.remainder;
      for (int operand = 0; operand < Walk::kOperands; ++operand) {
        place.offset[operand] += at.remainder * stride[operand][axis];
      }
      i = at.quotient;
    }
    return place;
  }

  /// The quads (of which min(left, 4) elements are there) of the first `operands` operands x that begin at element i.
  template <int operands>
  __device__ void read(int64_t i, int64_t left, const float* const (&x)[operands], Quad (&quad)[operands]) const {
    const int count = left < 4 ? static_cast<int>(left) : 4;
    const Place first = place(i);
    if (first.room >= count) {
#pragma unroll
      for (int operand = 0; operand < operands; ++operand) {
        const float* from = x[operand] + first.offset[operand];
        const int64_t step = stride[operand][rank - 1];
        if (step == 1) {
          quad[operand] = load_quad(from, left);
        } else {
#pragma unroll
          for (int j = 0; j < 4; ++j) quad[operand].v[j] = j < count ? from[j * step] : 0.0f;
        }
      }
      return;
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const Place at = place(j < count ? i + j : i);
#pragma unroll
      for (int operand = 0; operand < operands; ++operand) quad[operand].v[j] = x[operand][at.offset[operand]];
    }
  }
};

}  // namespace hotloop::cuda
