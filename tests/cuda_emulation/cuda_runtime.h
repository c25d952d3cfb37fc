// The part of CUDA that csrc/cuda uses, for a C++ compiler: g++ compiles the unchanged .cu files against this header
// and yields a library with the same symbol as the real one, whose device is this machine's CPU.
//
// The threads of a block are fibers that run one at a time and change over at barriers and warp collectives; blocks run
// one after the other. Thread order, HOTLOOP_EMULATION_ORDER: forward (the default), reverse, random.
// An asynchronous copy happens at the latest moment that the program allows in forward order, at the earliest in
// reverse order, and at either in random order. Fresh device memory and shared memory hold NaN.
// Aborted with a message: a barrier that not all threads reach together, a collective whose lanes differ from its mask,
// a launch beyond the device's limits, memory freed twice.
//
// What passing here can't prove:
// - races between two barriers: fibers change over at synchronising calls alone, so a missing barrier is found only
//   where one of the orders makes it matter;
// - memory ordering: fences and volatile do nothing here, every store is seen at once by all;
// - that inline PTX says what cuda/ptx.cuh in this folder does: layouts of fragments, rounding, alignment;
// - the last bits: CUDA's functions, its fused products and its tensor cores round otherwise than the CPU;
// - speed, registers, bank conflicts, occupancy; what the driver refuses; concurrency of streams (one thread runs all).
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <source_location>
#include <tuple>
#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __constant__ static const
#define __forceinline__ inline __attribute__((always_inline))
#define __grid_constant__
#define __launch_bounds__(...)
#define __restrict__ __restrict
#define __align__(bytes) alignas(bytes)

// ---- types --------------------------------------------------------------------------------------------------------

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(4) uchar4 {
  unsigned char x, y, z, w;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline uchar4 make_uchar4(unsigned char x, unsigned char y, unsigned char z, unsigned char w) { return {x, y, z, w}; }

// ---- a thread's place, its barriers and collectives ----------------------------------------------------------------

#define HL_NEAR __attribute__((tls_model("initial-exec")))
/// Of the thread that is running; written when threads change over.
extern __thread uint3 threadIdx HL_NEAR, blockIdx HL_NEAR;
extern __thread dim3 blockDim HL_NEAR, gridDim HL_NEAR;

namespace emulation {

/// The running block's shared memory.
extern __thread void* shared_memory HL_NEAR;

using Where = std::source_location;

void barrier(Where where);

/// Waits for the lanes of the mask, each with its deposit; the last to come calls combine(deposits) for all.
using Combine = void (*)(void* const* deposits, unsigned mask);
void rendezvous(unsigned mask, void* deposit, Combine combine, Where where);
int lane();

/// Copies 4 .. 16 bytes when the group it belongs to is waited for, or earlier.
void copy_later(void* shared, const void* global, int bytes, bool inside);
void end_copy_group();
void wait_for_copies(int groups_left);

[[noreturn]] void stop(const char* format, ...) __attribute__((format(printf, 1, 2)));

/// A value and the lane it asks for; what that lane brought is left in `value`.
template <class T>
struct Exchange {
  T value, result;
  int from;
};

template <class T>
T exchange(unsigned mask, T value, int from, Where where) {
  Exchange<T> mine{value, value, from};
  rendezvous(
      mask, &mine,
      [](void* const* deposits, unsigned lanes) {
        for (int i = 0; i < 32; ++i) {
          if ((lanes >> i & 1) == 0) continue;
          auto& one = *static_cast<Exchange<T>*>(deposits[i]);
          if ((lanes >> one.from & 1) == 0) stop("a shuffle reads lane %d, which its mask %08x lacks", one.from, lanes);
          one.result = static_cast<Exchange<T>*>(deposits[one.from])->value;
        }
      },
      where);
  return mine.result;
}

struct Vote {
  bool yes;
  unsigned ballot;
};

}  // namespace emulation

inline void __syncthreads(emulation::Where where = emulation::Where::current()) { emulation::barrier(where); }
inline void __syncwarp(unsigned mask = 0xFFFFFFFFu, emulation::Where where = emulation::Where::current()) {
  emulation::rendezvous(mask, nullptr, [](void* const*, unsigned) {}, where);
}

template <class T>
T __shfl_sync(unsigned mask, T value, int from, int width = 32, emulation::Where where = emulation::Where::current()) {
  const int lane = emulation::lane();
  return emulation::exchange(mask, value, (lane & ~(width - 1)) + (from & (width - 1)), where);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32,
                  emulation::Where where = emulation::Where::current()) {
  const int lane = emulation::lane(), other = lane ^ lane_mask;
  return emulation::exchange(mask, value, (other & ~(width - 1)) <= (lane & ~(width - 1)) ? other : lane, where);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, int delta, int width = 32,
                   emulation::Where where = emulation::Where::current()) {
  const int lane = emulation::lane();
  return emulation::exchange(mask, value, (lane & (width - 1)) + delta < width ? lane + delta : lane, where);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, int delta, int width = 32,
                 emulation::Where where = emulation::Where::current()) {
  const int lane = emulation::lane();
  return emulation::exchange(mask, value, (lane & (width - 1)) - delta >= 0 ? lane - delta : lane, where);
}

inline unsigned __ballot_sync(unsigned mask, bool yes, emulation::Where where = emulation::Where::current()) {
  emulation::Vote mine{yes, 0};
  emulation::rendezvous(
      mask, &mine,
      [](void* const* deposits, unsigned lanes) {
        unsigned ballot = 0;
        for (int i = 0; i < 32; ++i) {
          if ((lanes >> i & 1) != 0 && static_cast<emulation::Vote*>(deposits[i])->yes) ballot |= 1u << i;
        }
        for (int i = 0; i < 32; ++i) {
          if ((lanes >> i & 1) != 0) static_cast<emulation::Vote*>(deposits[i])->ballot = ballot;
        }
      },
      where);
  return mine.ballot;
}
inline bool __any_sync(unsigned mask, bool yes, emulation::Where where = emulation::Where::current()) {
  return __ballot_sync(mask, yes, where) != 0;
}
inline bool __all_sync(unsigned mask, bool yes, emulation::Where where = emulation::Where::current()) {
  return __ballot_sync(mask, yes, where) == mask;
}

inline void __threadfence() {}
inline void __threadfence_block() {}
inline void __threadfence_system() {}

// ---- device functions ----------------------------------------------------------------------------------------------

// One fiber runs at a time: nothing comes between.
template <class T>
  requires std::is_integral_v<T>
T atomicAdd(T* address, std::type_identity_t<T> value) {
  const T old = *address;
  *address = old + value;
  return old;
}
template <class T>
  requires std::is_integral_v<T>
T atomicMin(T* address, std::type_identity_t<T> value) {
  const T old = *address;
  *address = value < old ? value : old;
  return old;
}
template <class T>
  requires std::is_integral_v<T>
T atomicMax(T* address, std::type_identity_t<T> value) {
  const T old = *address;
  *address = value > old ? value : old;
  return old;
}
template <class T>
  requires std::is_integral_v<T>
T atomicOr(T* address, std::type_identity_t<T> value) {
  const T old = *address;
  *address = old | value;
  return old;
}
template <class T>
T atomicExch(T* address, std::type_identity_t<T> value) {
  const T old = *address;
  *address = value;
  return old;
}
template <class T>
  requires std::is_integral_v<T>
T atomicCAS(T* address, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  const T old = *address;
  if (old == expected) *address = value;
  return old;
}

template <class T>
T __ldg(const T* p) {
  return *p;
}
inline float normcdff(float x) { return static_cast<float>(0.5 * std::erfc(-0.70710678118654752440 * x)); }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline float __expf(float x) { return std::exp(x); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>(static_cast<uint64_t>(a) * b >> 32); }
inline uint64_t __umul64hi(uint64_t a, uint64_t b) {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(a) * b >> 64);
}
inline int __popc(unsigned x) { return std::popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
inline unsigned __brev(unsigned x) {
  unsigned y = 0;
  for (int i = 0; i < 32; ++i) y |= (x >> i & 1) << (31 - i);
  return y;
}

// ---- the runtime ----------------------------------------------------------------------------------------------------

#include "runtime_api.h"
