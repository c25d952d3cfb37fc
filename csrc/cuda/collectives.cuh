// What the threads of a warp or a block make together, in an order that depends on their number alone.
#pragma once

#include "cuda/common.cuh"

namespace hotloop::cuda {

struct Add {
  template <class V>
  __device__ V operator()(V a, V b) const {
    return a + b;
  }
};

/// The larger one; a NaN is passed over.
struct Larger {
  __device__ float operator()(float a, float b) const { return a < b ? b : a; }
};

/// combine over the values of `width` neighbouring lanes, a power of two; all of them get it. All lanes of the warp
/// take part. combine is commutative, so that they all get the same bits.
template <int width, class V, class F>
__device__ V fold_lanes(V value, F combine) {
#pragma unroll
  for (int step = width / 2; step > 0; step /= 2) value = combine(value, __shfl_xor_sync(kWholeWarp, value, step));
  return value;
}

/// combine over the values of a block of whole warps, through shared memory of a V a warp; all threads get it. The
/// memory may be used again at once.
template <class V, class F>
__device__ V fold_block(V value, F combine, V* shared) {
  value = fold_lanes<kWarp>(value, combine);
  const int warps = static_cast<int>(blockDim.x) / kWarp;
  if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = value;
  __syncthreads();
  V result = shared[0];
  for (int warp = 1; warp < warps; ++warp) result = combine(result, shared[warp]);
  __syncthreads();
  return result;
}

inline constexpr int kMostWarps = 32;  // of a block

}  // namespace hotloop::cuda
