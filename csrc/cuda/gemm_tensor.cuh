// The arithmetic of a block on tensor cores, through mma.sync: warps side by side, each with kRowTiles * 16 by
// kColumnTiles * 8 results.
//
// Operands are rounded in registers, on their way from float32 tiles into fragments (ptx.cuh gives the layouts). A
// product doesn't care in which order depth is summed nor which row is called which, so both are dealt out such that
// loads leave a fragment's words in neighbouring registers: with g = lane / 4 and t = lane % 4, this thread takes
// depths 4 e + t of a slab, e = 0 .. 3; rows g and g + 8 of the i-th fragment are the rows 16 i + 2 g and 16 i + 2 g
// + 1.
#pragma once

#include "cuda/gemm_tile.cuh"

namespace hotloop::cuda {

// How products are made of the floats that were loaded. A step takes kHalves halves of a slab, the depths of two e
// each: x[half] of the left operand is (row g, row g + 8) at the first e, then at the second; of the right one a column
// at both. Passes of one step differ in what they add to the same sums.

/// On operands rounded to TF32.
struct Tf32 {
  static constexpr int kHalves = 1, kPasses = 1;
  struct Left {
    unsigned word[4];
  };
  struct Right {
    unsigned word[2];
  };
  static __device__ __forceinline__ Left left(const float (&x)[1][4]) {
    return {{to_tf32(x[0][0]), to_tf32(x[0][1]), to_tf32(x[0][2]), to_tf32(x[0][3])}};
  }
  static __device__ __forceinline__ Right right(const float (&x)[1][2]) {
    return {{to_tf32(x[0][0]), to_tf32(x[0][1])}};
  }
  static __device__ __forceinline__ void add(int, const Left& a, const Right& b, float (&sum)[4]) {
    mma_tf32(sum, a.word, b.word);
  }
};

/// With float32's accuracy: x = big + small, each TF32, and small times small left out. Infinities give NaN.
struct Tf32x3 {
  static constexpr int kHalves = 1, kPasses = 3;
  struct Left {
    Tf32::Left big, small;
  };
  struct Right {
    Tf32::Right big, small;
  };
  static __device__ __forceinline__ Left left(const float (&x)[1][4]) {
    Left y;
    split(x[0], y.big.word, y.small.word);
    return y;
  }
  static __device__ __forceinline__ Right right(const float (&x)[1][2]) {
    Right y;
    split(x[0], y.big.word, y.small.word);
    return y;
  }
  static __device__ __forceinline__ void add(int pass, const Left& a, const Right& b, float (&sum)[4]) {
    // The small products first.
    mma_tf32(sum, (pass == 0 ? a.small : a.big).word, (pass == 1 ? b.small : b.big).word);
  }

 private:
  template <int kCount>
  static __device__ __forceinline__ void split(const float (&x)[kCount], unsigned (&big)[kCount],
                                               unsigned (&small)[kCount]) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      big[i] = to_tf32(x[i]);
      small[i] = to_tf32(x[i] - __uint_as_float(big[i]));
    }
  }
};

/// On operands rounded to bfloat16.
struct Bfloat16 {
  static constexpr int kHalves = 2, kPasses = 1;
  struct Left {
    unsigned word[4];
  };
  struct Right {
    unsigned word[2];
  };
  static __device__ __forceinline__ Left left(const float (&x)[2][4]) {
    return {{to_bfloat16(x[0][0], x[0][2]), to_bfloat16(x[0][1], x[0][3]), to_bfloat16(x[1][0], x[1][2]),
             to_bfloat16(x[1][1], x[1][3])}};
  }
  static __device__ __forceinline__ Right right(const float (&x)[2][2]) {
    return {{to_bfloat16(x[0][0], x[0][1]), to_bfloat16(x[1][0], x[1][1])}};
  }
  static __device__ __forceinline__ void add(int, const Left& a, const Right& b, float (&sum)[4]) {
    mma_bfloat16(sum, a.word, b.word);
  }
};

template <class Arithmetic, int kWarpRows, int kWarpColumns, int kRowTiles, int kColumnTiles, int kStages_, int kBlocks,
          int kSpeed>
class Tensor {
 public:
  static constexpr int kThreads = 32 * kWarpRows * kWarpColumns;
  static constexpr int kM = 16 * kWarpRows * kRowTiles, kN = 8 * kWarpColumns * kColumnTiles;
  static constexpr int kStages = kStages_;
  static constexpr int kBlocksPerMultiprocessor = kBlocks;
  static constexpr int kProductsPerCycle = kSpeed;
  static constexpr bool kRegisters = true;  // to spare
  static constexpr int kRows = 2;           // of a block of for_blocks
  static_assert(kRowTiles % 2 == 0 && kColumnTiles % 4 == 0);
  template <bool kDeepMemory, int kSize>
  using Tile = FragmentTile<kDeepMemory, kSize>;
  template <bool kDeepMemory>
  static constexpr int kVector = 4;

  /// Adds the products of one slab.
  template <bool kDeepA, bool kDeepB>
  __device__ __forceinline__ void add(const float* a_tile, const float* b_tile) {
    constexpr int kHalves = Arithmetic::kHalves;
    const int a_first = first_left<kDeepA>(), b_first = first_right<kDeepB>();
#pragma unroll
    for (int half = 0; half < 2; half += kHalves) {
      typename Arithmetic::Left a[kRowTiles];
#pragma unroll
      for (int i = 0; i < kRowTiles; ++i) {
        float x[kHalves][4];
#pragma unroll
        for (int h = 0; h < kHalves; ++h) read_left<kDeepA>(a_tile, a_first, i, half + h, x[h]);
        a[i] = Arithmetic::left(x);
      }
#pragma unroll
      for (int j = 0; j < kColumnTiles; j += 2) {
        float x[2][kHalves][2];
#pragma unroll
        for (int h = 0; h < kHalves; ++h) read_right<kDeepB>(b_tile, b_first, j, half + h, x[0][h], x[1][h]);
        const typename Arithmetic::Right b[2] = {Arithmetic::right(x[0]), Arithmetic::right(x[1])};
#pragma unroll
        for (int pass = 0; pass < Arithmetic::kPasses; ++pass) {
#pragma unroll
          for (int i = 0; i < kRowTiles; ++i) {
            Arithmetic::add(pass, a[i], b[0], sum_[i][j]);
            Arithmetic::add(pass, a[i], b[1], sum_[i][j + 1]);
          }
        }
      }
    }
  }

  /// f(row, column, block) for each 2 x 2 block of this thread's results.
  template <class F>
  __device__ __forceinline__ void for_blocks(F&& f) const {
#pragma unroll
    for (int i = 0; i < kRowTiles; ++i) {
#pragma unroll
      for (int j = 0; j < kColumnTiles; ++j) {
        const float (&s)[4] = sum_[i][j];
        const float block[2][2] = {{s[0], s[1]}, {s[2], s[3]}};
        f(warp_row() + 16 * i + 2 * g(), warp_column() + 8 * j + 2 * t(), block);
      }
    }
  }

  /// Rows of c in which four of every 32 are the positions of a 2 x 2 window: this thread's windows are whole.
  static __device__ __forceinline__ int window_of(int row) { return row / 32 * 8 + row % 16 / 2; }
  static __device__ __forceinline__ int position_of(int row) { return row / 16 % 2 * 2 + row % 2; }
  /// f(window, column, positions) for each window and run of columns of this thread's results.
  template <class F>
  __device__ __forceinline__ void for_windows(F&& f) const {
#pragma unroll
    for (int i = 0; i < kRowTiles; i += 2) {
#pragma unroll
      for (int j = 0; j < kColumnTiles; ++j) {
        const float (&s)[4] = sum_[i][j];
        const float (&next)[4] = sum_[i + 1][j];
        const float positions[4][2] = {{s[0], s[1]}, {s[2], s[3]}, {next[0], next[1]}, {next[2], next[3]}};
        f((warp_row() + 16 * i) / 4 + g(), warp_column() + 8 * j + 2 * t(), positions);
      }
    }
  }

 private:
  static __device__ __forceinline__ int lane() { return static_cast<int>(threadIdx.x) % 32; }
  static __device__ __forceinline__ int g() { return lane() / 4; }
  static __device__ __forceinline__ int t() { return lane() % 4; }
  static __device__ __forceinline__ int warp() { return static_cast<int>(threadIdx.x) / 32; }
  static __device__ __forceinline__ int warp_row() { return warp() / kWarpColumns * 16 * kRowTiles; }
  static __device__ __forceinline__ int warp_column() { return warp() % kWarpColumns * 8 * kColumnTiles; }

  // Where this thread's first load of a slab lies; the others' places differ by constants.
  template <bool kDeep>
  static __device__ __forceinline__ int first_left() {
    // Matrices of load_matrices: even rows, odd rows, and both again a chunk further on.
    if constexpr (kDeep) return Tile<true, kM>::offset(warp_row() + 2 * (lane() % 8) + lane() / 8 % 2, lane() / 16 * 4);
    return Tile<false, kM>::offset(warp_row() + 2 * g(), t());
  }
  template <bool kDeep>
  static __device__ __forceinline__ int first_right() {
    // Matrices: a fragment's 8 columns, the same a chunk further on, and both of the next fragment.
    if constexpr (kDeep)
      return Tile<true, kN>::offset(warp_column() + lane() / 16 * 8 + lane() % 8, lane() / 8 % 2 * 4);
    return Tile<false, kN>::offset(warp_column() + g(), t());
  }
  // `offset` words further on, where numbers within a line of 32 words are combined by exclusive or.
  static __device__ __forceinline__ int further(int first, int within_line, int offset) {
    return (first ^ within_line) + offset;
  }

  template <bool kDeep>
  static __device__ __forceinline__ void read_left(const float* tile, int first, int i, int half, float (&x)[4]) {
    if constexpr (kDeep) {
      load_matrices(tile + further(first, 8 * half, 256 * i), x);
    } else {
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const int depth = (half * 8 + e * 4) * kM;
        const float2 rows = *reinterpret_cast<const float2*>(tile + further(first, i % 2 * 16, i / 2 * 32 + depth));
        x[2 * e] = rows.x;
        x[2 * e + 1] = rows.y;
      }
    }
  }

  // Of fragments j and j + 1.
  template <bool kDeep>
  static __device__ __forceinline__ void read_right(const float* tile, int first, int j, int half, float (&x)[2],
                                                    float (&y)[2]) {
    if constexpr (kDeep) {
      float both[4];
      load_matrices(tile + further(first, 8 * half, 128 * j), both);
      x[0] = both[0];
      x[1] = both[1];
      y[0] = both[2];
      y[1] = both[3];
    } else {
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const int depth = (half * 8 + e * 4) * kN;
        x[e] = tile[further(first, j % 4 * 8, j / 4 * 32 + depth)];
        y[e] = tile[further(first, (j + 1) % 4 * 8, (j + 1) / 4 * 32 + depth)];
      }
    }
  }

  float sum_[kRowTiles][kColumnTiles][4] = {};
};

}  // namespace hotloop::cuda
