// The functions of csrc/cuda/ptx.cuh for the CPU; include paths put this file in its place.
#pragma once

#include <cuda_runtime.h>

namespace hotloop::cuda {

template <class Struct>
Struct& shared_memory() {
  return *static_cast<Struct*>(emulation::shared_memory);
}

inline int recomputed(int x) { return x; }

template <int bytes>
void cp_async(void* shared, const void* global, bool inside) {
  emulation::copy_later(shared, global, bytes, inside);
}
inline void cp_async_commit() { emulation::end_copy_group(); }
template <int left>
void cp_async_wait() {
  emulation::wait_for_copies(left);
}

inline void load_matrices(const float* row, float (&to)[4], emulation::Where where = emulation::Where::current()) {
  struct Request {
    const float* row;
    float* to;
  } mine{row, to};
  if (reinterpret_cast<uintptr_t>(row) % 16 != 0) emulation::stop("the row of a matrix is not aligned to 16 bytes");
  emulation::rendezvous(
      0xFFFFFFFFu, &mine,
      [](void* const* deposits, unsigned) {
        for (int lane = 0; lane < 32; ++lane) {
          for (int i = 0; i < 4; ++i) {
            static_cast<Request*>(deposits[lane])->to[i] =
                static_cast<Request*>(deposits[8 * i + lane / 4])->row[lane % 4];
          }
        }
      },
      where);
}

/// Bits dropped to nearest, ties away from zero; NaN stays NaN.
inline unsigned to_tf32(float x) {
  const unsigned bits = std::bit_cast<unsigned>(x);
  if (std::isnan(x)) return 0x7FC00000u;
  return std::isinf(x) ? bits : (bits + 0x1000u) & ~0x1FFFu;
}

inline unsigned to_bfloat16(float low, float high) {
  const auto half = [](float x) -> unsigned {
    const unsigned bits = std::bit_cast<unsigned>(x);
    if (std::isnan(x)) return 0x7FC0u;
    return std::isinf(x) ? bits >> 16 : (bits + 0x7FFFu + (bits >> 16 & 1)) >> 16;
  };
  return half(high) << 16 | half(low);
}

/// A warp's fragments: what each lane brings to an mma.
struct Fragment {
  const unsigned* a;
  const unsigned* b;
  float* sum;
};

/// The product of kDepth / 8 words a group: element (row, depth) of a and (depth, column) of b through their layouts.
template <int kDepth, class A, class B>
void multiply_fragments(void* const* deposits, A&& a_at, B&& b_at) {
  const auto fragment = [&](int lane) -> const Fragment& { return *static_cast<const Fragment*>(deposits[lane]); };
  float a[16][kDepth], b[8][kDepth];
  for (int depth = 0; depth < kDepth; ++depth) {
    for (int row = 0; row < 16; ++row) a[row][depth] = a_at(fragment, row, depth);
    for (int column = 0; column < 8; ++column) b[column][depth] = b_at(fragment, depth, column);
  }
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 8; ++column) {
      float sum = 0.0f;
      for (int depth = 0; depth < kDepth; ++depth) sum += a[row][depth] * b[column][depth];
      fragment(row % 8 * 4 + column / 2).sum[row / 8 * 2 + column % 2] += sum;
    }
  }
}

inline void mma_tf32(float (&sum)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                     emulation::Where where = emulation::Where::current()) {
  Fragment mine{a, b, sum};
  emulation::rendezvous(
      0xFFFFFFFFu, &mine,
      [](void* const* deposits, unsigned) {
        // The unit ignores the bits below TF32's.
        const auto value = [](unsigned word) { return std::bit_cast<float>(word & ~0x1FFFu); };
        multiply_fragments<8>(
            deposits,
            [&](auto& lane, int row, int k) { return value(lane(row % 8 * 4 + k % 4).a[k / 4 * 2 + row / 8]); },
            [&](auto& lane, int k, int column) { return value(lane(column * 4 + k % 4).b[k / 4]); });
      },
      where);
}

inline void mma_bfloat16(float (&sum)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                         emulation::Where where = emulation::Where::current()) {
  Fragment mine{a, b, sum};
  emulation::rendezvous(
      0xFFFFFFFFu, &mine,
      [](void* const* deposits, unsigned) {
        const auto value = [](unsigned word, int half) {
          return std::bit_cast<float>(half != 0 ? word & 0xFFFF0000u : word << 16);
        };
        multiply_fragments<16>(
            deposits,
            [&](auto& lane, int row, int k) {
              return value(lane(row % 8 * 4 + k % 8 / 2).a[k / 8 * 2 + row / 8], k % 2);
            },
            [&](auto& lane, int k, int column) { return value(lane(column * 4 + k % 8 / 2).b[k / 8], k % 2); });
      },
      where);
}

}  // namespace hotloop::cuda
