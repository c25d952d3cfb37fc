// Rows of a matrix, worked on as wholes: short ones held in the registers of a few lanes, long ones read by a block.
#pragma once

#include <cmath>
#include <type_traits>

#include "cuda/collectives.cuh"
#include "cuda/math.cuh"
#include "cuda/quads.cuh"

namespace hotloop::cuda {

// ---- short rows -----------------------------------------------------------------------------------------------------

inline constexpr int kRowThreads = 256;
inline constexpr int64_t kShortRow = 1024;

/// How a row is held: `width` lanes, a power of two, with `count` elements each; lane l has elements l, l + width, ...
template <int width_, int count_>
struct RowShape {
  static constexpr int width = width_, count = count_;
  static constexpr int rows_at_once = kRowThreads / width;  // of a block
  // Blocks that a multiprocessor shall have room for, which bounds a thread's registers.
  static constexpr int blocks = count <= 8 ? 4 : (count <= 16 ? 2 : 1);
};

/// f(shape) with the RowShape for rows of up to kShortRow elements.
template <class F>
void with_row_shape(int64_t length, F&& f) {
  if (length <= 8) return f(RowShape<8, 1>{});
  if (length <= 16) return f(RowShape<16, 1>{});
  if (length <= 32) return f(RowShape<32, 1>{});
  if (length <= 128) return f(RowShape<32, 4>{});
  if (length <= 256) return f(RowShape<32, 8>{});
  if (length <= 512) return f(RowShape<32, 16>{});
  f(RowShape<32, 32>{});
}

/// f(row) for all rows, by groups of lanes; the last ones get rows that are not there, so that warps stay whole.
template <class Shape, class F>
__device__ void for_short_rows(int64_t rows, F&& f) {
  constexpr int at_once = Shape::rows_at_once;
  for (int64_t first = blockIdx.x * int64_t{at_once}; first < rows; first += gridDim.x * int64_t{at_once}) {
    f(first + threadIdx.x / Shape::width);
  }
}

/// This lane's part of a row.
template <class Shape>
struct HeldRow {
  static constexpr int width = Shape::width, count = Shape::count;
  float v[count];

  __device__ static int place(int i) { return static_cast<int>(threadIdx.x) % width + i * width; }

  /// x (n), and `rest` behind it.
  __device__ void load(const float* x, int n, float rest) {
#pragma unroll
    for (int i = 0; i < count; ++i) v[i] = place(i) < n ? x[place(i)] : rest;
  }
  __device__ void store(float* y, int n) const {
#pragma unroll
    for (int i = 0; i < count; ++i) {
      if (place(i) < n) y[place(i)] = v[i];
    }
  }
  template <class F>
  __device__ float fold(F combine) const {
    float result = v[0];
#pragma unroll
    for (int i = 1; i < count; ++i) result = combine(result, v[i]);
    return fold_lanes<width>(result, combine);
  }
};

// ---- long rows ------------------------------------------------------------------------------------------------------

inline constexpr int kLongRowThreads = 512;

/// f(i) for this thread's quads of p (n). Quads are aligned in memory, so that the first and the last may reach beyond
/// the row: they have the elements i .. i + 3 that are in [0, n).
template <class F>
__device__ void for_row_quads(const float* p, int64_t n, F&& f) {
  const auto before = static_cast<int64_t>(reinterpret_cast<uintptr_t>(p) / sizeof(float) % 4);
  for (int64_t i = 4 * static_cast<int64_t>(threadIdx.x) - before; i < n; i += 4 * static_cast<int64_t>(blockDim.x)) {
    f(i);
  }
}

/// The quad of p (n) at i, with `rest` in place of elements beyond the row.
__device__ inline Quad load_inside(const float* p, int64_t i, int64_t n, float rest) {
  if (i >= 0 && i + 4 <= n && quad_aligned(p + i)) return load_pack<4>(p + i);
  Quad q;
#pragma unroll
  for (int j = 0; j < 4; ++j) q.v[j] = i + j >= 0 && i + j < n ? p[i + j] : rest;
  return q;
}

__device__ inline void store_inside(float* p, int64_t i, int64_t n, const Quad& q) {
  if (i >= 0 && i + 4 <= n && quad_aligned(p + i)) return store_pack(p + i, q);
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    if (i + j >= 0 && i + j < n) p[i + j] = q.v[j];
  }
}

// ---- sums of exponentials -------------------------------------------------------------------------------------------

/// sum of exp(x - max) over elements told one after the other, in one pass: the sum is scaled again where the maximum
/// grows. The maximum passes over NaN; a NaN, or an infinite maximum, makes the sum NaN. M. Milakov, N. Gimelshein,
/// "Online normalizer calculation for softmax", 2018.
struct ExpSum {
  float max = -INFINITY, sum = 0.0f;

  /// What is subtracted from exponents whose maximum is `max`; nothing yet where all are -inf.
  __device__ static float shift(float max) { return max == -INFINITY ? 0.0f : max; }

  template <int count>
  __device__ void add(const Pack<float, count>& x) {
    float larger = max;
#pragma unroll
    for (int i = 0; i < count; ++i) larger = Larger()(larger, x.v[i]);
    const float down = shift(larger);
    sum *= exp_(max - down);
#pragma unroll
    for (int i = 0; i < count; ++i) sum += exp_(x.v[i] - down);
    max = larger;
  }
  /// The sum as it is below a larger maximum.
  __device__ float below(float larger) const { return sum * exp_(max - shift(larger)); }
};

/// The same over a long row of a block's; all threads get it. shared: kMostWarps floats.
__device__ inline ExpSum exp_sum_of_row(const float* x, int64_t n, float* shared) {
  ExpSum mine;
  for_row_quads(x, n, [&](int64_t i) { mine.add(load_inside(x, i, n, -INFINITY)); });
  ExpSum all;
  all.max = fold_block(mine.max, Larger(), shared);
  all.sum = fold_block(mine.below(all.max), Add(), shared);
  return all;
}

}  // namespace hotloop::cuda
