// Four neighbours at a time: what elementwise kernels read and write, so that memory is used whole.
#pragma once

#include "cuda/common.cuh"

namespace hotloop::cuda {

/// `count` neighbouring elements.
template <class E, int count>
struct Pack {
  E v[count];
};
using Quad = Pack<float, 4>;

namespace quads {

template <class E>
struct Word;
template <>
struct Word<float> {
  using Type = float4;
};
template <>
struct Word<int32_t> {
  using Type = int4;
};
template <>
struct Word<uint8_t> {
  using Type = uchar4;
};

}  // namespace quads

template <class E>
__host__ __device__ bool quad_aligned(const E* p) {
  return reinterpret_cast<uintptr_t>(p) % (4 * sizeof(E)) == 0;
}

/// One element, or four that are aligned.
template <int count, class E>
__device__ Pack<E, count> load_pack(const E* p) {
  if constexpr (count == 4) {
    const auto q = *reinterpret_cast<const typename quads::Word<E>::Type*>(p);
    return {{q.x, q.y, q.z, q.w}};
  } else {
    return {{*p}};
  }
}
template <class E, int count>
__device__ void store_pack(E* p, const Pack<E, count>& pack) {
  if constexpr (count == 4) {
    *reinterpret_cast<typename quads::Word<E>::Type*>(p) = {pack.v[0], pack.v[1], pack.v[2], pack.v[3]};
  } else {
    *p = pack.v[0];
  }
}

/// p[0 .. 3], or what there is of it where left < 4, with zeros behind.
template <class E>
__device__ Pack<E, 4> load_quad(const E* p, int64_t left) {
  if (left >= 4 && quad_aligned(p)) return load_pack<4>(p);
  Pack<E, 4> q = {};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (i < left) q.v[i] = p[i];
  }
  return q;
}

template <class E>
__device__ void store_quad(E* p, const Pack<E, 4>& q, int64_t left) {
  if (left >= 4 && quad_aligned(p)) return store_pack(p, q);
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
