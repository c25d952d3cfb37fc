// The arithmetic of a block on ordinary float32 units: 256 threads as 16 x 16, each with kQuads x kQuads blocks of 4 x
// 4 results in registers.
#pragma once

#include "cuda/gemm_tile.cuh"

namespace hotloop::cuda {

template <int kQuads, int kStages_, int kSpeed>
class Simt {
 public:
  static constexpr int kThreads = 256;
  static constexpr int kM = 64 * kQuads, kN = 64 * kQuads;
  static constexpr int kStages = kStages_;
  static constexpr bool kRegisters = false;  // to spare
  static constexpr int kRows = 4;            // of a block of for_blocks
  static constexpr int kBlocksPerMultiprocessor = 2;
  static constexpr int kProductsPerCycle = kSpeed;

  template <bool kDeepMemory, int kSize>
  using Tile = WideTile<kSize>;
  /// Floats fetched at a time: deep memory is turned on its way into a tile.
  template <bool kDeepMemory>
  static constexpr int kVector = kDeepMemory ? 1 : 4;

  /// Adds the products of one slab.
  template <bool, bool>
  __device__ __forceinline__ void add(const float* a_tile, const float* b_tile) {
    const int down = recomputed(row_quad()), right = recomputed(column_quad());
#pragma unroll
    for (int depth = 0; depth < kSlab; ++depth) {
      float a[4 * kQuads], b[4 * kQuads];
      read<kM>(a_tile, down, depth, a);
      read<kN>(b_tile, right, depth, b);
#pragma unroll
      for (int i = 0; i < 4 * kQuads; ++i) {
#pragma unroll
        for (int j = 0; j < 4 * kQuads; ++j) sum_[i][j] += a[i] * b[j];
      }
    }
  }

  /// f(row, column, block) for each 4 x 4 block of this thread's results.
  template <class F>
  __device__ __forceinline__ void for_blocks(F&& f) const {
#pragma unroll
    for (int h = 0; h < kQuads; ++h) {
#pragma unroll
      for (int v = 0; v < kQuads; ++v) {
        float block[4][4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
#pragma unroll
          for (int j = 0; j < 4; ++j) block[i][j] = sum_[4 * h + i][4 * v + j];
        }
        f(4 * (16 * h + row_quad()), 4 * (16 * v + column_quad()), block);
      }
    }
  }

  /// Rows of c in which four are the positions of a 2 x 2 window: this thread's windows are whole.
  static __device__ __forceinline__ int window_of(int row) { return row / 4; }
  static __device__ __forceinline__ int position_of(int row) { return row % 4; }
  /// f(window, column, positions) for each window and run of columns of this thread's results.
  template <class F>
  __device__ __forceinline__ void for_windows(F&& f) const {
    for_blocks([&](int row, int column, const float (&block)[4][4]) { f(row / 4, column, block); });
  }

 private:
  // A warp is 4 x 8 threads: its eight neighbours along n read eight neighbouring quads of b, and share those of a.
  static __device__ __forceinline__ int row_quad() {
    return static_cast<int>(threadIdx.x) / 64 * 4 + static_cast<int>(threadIdx.x) % 32 / 8;
  }
  static __device__ __forceinline__ int column_quad() {
    return static_cast<int>(threadIdx.x) / 32 % 2 * 8 + static_cast<int>(threadIdx.x) % 8;
  }

  static __device__ __forceinline__ void read_four(const float* from, float (&to)[4]) {
    const float4 x = *reinterpret_cast<const float4*>(from);
    to[0] = x.x;
    to[1] = x.y;
    to[2] = x.z;
    to[3] = x.w;
  }

  // The four depths of a chunk, of this thread's quad and the quad 16 further on.
  // The indices of a quad, and of the quad 16 further on.
  template <int kSize>
  static __device__ __forceinline__ void read(const float* tile, int quad, int depth, float (&to)[4 * kQuads]) {
#pragma unroll
    for (int h = 0; h < kQuads; ++h) {
      const float4 q = *reinterpret_cast<const float4*>(tile + WideTile<kSize>::quad(quad, depth) + 64 * h);
      to[4 * h] = q.x;
      to[4 * h + 1] = q.y;
      to[4 * h + 2] = q.z;
      to[4 * h + 3] = q.w;
    }
  }

  float sum_[4 * kQuads][4 * kQuads] = {};
};

}  // namespace hotloop::cuda
