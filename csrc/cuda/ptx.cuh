// What only the hardware has: shared memory sized by the launch, asynchronous copies into it. All inline PTX of the
// library is here; tests/cuda_emulation/cuda/ptx.cuh holds the same functions for the CPU.
//
// sm_75 has no asynchronous copies: there they are plain ones.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace hotloop::cuda {

extern __shared__ float4 dynamic_shared[];

/// The block's shared memory as a Struct; uninitialised.
template <class Struct>
__device__ __forceinline__ Struct& shared_memory() {
  return *reinterpret_cast<Struct*>(dynamic_shared);
}

__device__ __forceinline__ unsigned shared_address(const void* shared) {
  return static_cast<unsigned>(__cvta_generic_to_shared(shared));
}

/// Copies 4, 8 or 16 bytes from global to shared memory, zeros where not `inside` (then `global` is not read). Both are
/// aligned to the size. The copy is there after cp_async_wait and a barrier.
template <int bytes>
__device__ __forceinline__ void cp_async(void* shared, const void* global, bool inside) {
  static_assert(bytes == 4 || bytes == 8 || bytes == 16);
#if __CUDA_ARCH__ >= 800
  const int read = inside ? bytes : 0;
  if constexpr (bytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global), "r"(read)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared_address(shared)), "l"(global), "n"(bytes),
                 "r"(read)
                 : "memory");
  }
#else
  using Chunk = float[bytes / 4];
  auto& to = *static_cast<Chunk*>(shared);
  const auto& from = *static_cast<const Chunk*>(global);
#  pragma unroll
  for (int i = 0; i < bytes / 4; ++i) to[i] = inside ? from[i] : 0.0f;
#endif
}

/// Ends a group of copies.
__device__ __forceinline__ void cp_async_commit() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

/// Waits until at most `left` of this thread's groups are unfinished.
template <int left>
__device__ __forceinline__ void cp_async_wait() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(left) : "memory");
#endif
}

}  // namespace hotloop::cuda
