// Four neighbouring floats at a time: what elementwise kernels read and write, so that memory is used whole.
#pragma once

#include "cuda/common.cuh"

namespace hotloop::cuda {

struct Quad {
  float v[4];
};

__device__ inline bool quad_aligned(const float* p) { return (reinterpret_cast<uintptr_t>(p) & 15) == 0; }

/// p[0 .. 3], or what there is of it where left < 4, with zeros behind.
__device__ inline Quad load_quad(const float* p, int64_t left) {
  if (left >= 4 && quad_aligned(p)) {
    const float4 q = *reinterpret_cast<const float4*>(p);
    return {{q.x, q.y, q.z, q.w}};
  }
  Quad q = {};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (i < left) q.v[i] = p[i];
  }
  return q;
}

__device__ inline void store_quad(float* p, const Quad& q, int64_t left) {
  if (left >= 4 && quad_aligned(p)) {
    *reinterpret_cast<float4*>(p) = make_float4(q.v[0], q.v[1], q.v[2], q.v[3]);
    return;
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (i < left) p[i] = q.v[i];
  }
}

/// f(i, left) for this thread's quads of [0, n): the quad begins at i and has min(left, 4) elements.
template <class F>
__device__ void for_quads(int64_t n, F&& f) {
  for (int64_t i = 4 * grid_thread(); i < n; i += 4 * grid_threads()) f(i, n - i);
}

inline constexpr int kQuadThreads = 256;

/// The grid of a kernel of kQuadThreads threads a block that walks [0, n) with for_quads.
inline dim3 quad_grid(int64_t n) { return grid_for(n, 4 * kQuadThreads); }

}  // namespace hotloop::cuda
