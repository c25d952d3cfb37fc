// What only the hardware has: shared memory sized by the launch, asynchronous copies into it, tensor cores. All inline
// PTX of the library is here; tests/cuda_emulation/cuda/ptx.cuh holds the same functions for the CPU.
//
// sm_75 has no asynchronous copies: there they are plain ones. Its tensor cores know neither TF32 nor bfloat16: what
// uses them is never launched there.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace hotloop::cuda {

extern __shared__ __align__(1024) float4 dynamic_shared[];

/// The block's shared memory as a Struct; uninitialised.
template <class Struct>
__device__ __forceinline__ Struct& shared_memory() {
  return *reinterpret_cast<Struct*>(dynamic_shared);
}

/// x, but the compiler doesn't know: what follows from it is computed where it stands, not kept in registers.
__device__ __forceinline__ int recomputed(int x) {
  asm volatile("" : "+r"(x));
  return x;
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

/// Four matrices of 8 rows of 16 bytes of shared memory: lane 8 i + r gives the address of row r of matrix i, and gets
/// word lane % 4 of row lane / 4 of each.
__device__ __forceinline__ void load_matrices(const float* row, float (&to)[4]) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=f"(to[0]), "=f"(to[1]), "=f"(to[2]), "=f"(to[3])
               : "r"(shared_address(row))
               : "memory");
}

/// x rounded to TF32's 10 bits of mantissa, ties away from zero.
__device__ __forceinline__ unsigned to_tf32(float x) {
#if __CUDA_ARCH__ >= 800
  unsigned y;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
  return y;
#else
  __trap();
  return 0;
#endif
}

/// Two numbers rounded to bfloat16, ties to even; `low` in the low half.
__device__ __forceinline__ unsigned to_bfloat16(float low, float high) {
#if __CUDA_ARCH__ >= 800
  unsigned y;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
  return y;
#else
  __trap();
  return 0;
#endif
}

/// sum (16, 8) += a (16, 8) @ b (8, 8) over a warp, in TF32. With g = lane / 4 and t = lane % 4, this thread holds
/// a: (g, t) (g + 8, t) (g, t + 4) (g + 8, t + 4); b: (t, g) (t + 4, g);
/// sum: (g, 2 t) (g, 2 t + 1) (g + 8, 2 t) (g + 8, 2 t + 1). PTX ISA, "Matrix fragments for mma.m16n8k8".
__device__ __forceinline__ void mma_tf32(float (&sum)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
#if __CUDA_ARCH__ >= 800
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, "
      "%3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  __trap();
#endif
}

/// sum (16, 8) += a (16, 16) @ b (16, 8) over a warp, in bfloat16, two numbers of neighbouring depths a word. This
/// thread holds a: (g, 2 t) (g + 8, 2 t) (g, 2 t + 8) (g + 8, 2 t + 8) and the numbers right of them; b: (2 t, g) (2 t
/// + 8, g) and those below; sum as above. PTX ISA, "Matrix fragments for mma.m16n8k16".
__device__ __forceinline__ void mma_bfloat16(float (&sum)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
#if __CUDA_ARCH__ >= 800
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  __trap();
#endif
}

}  // namespace hotloop::cuda
