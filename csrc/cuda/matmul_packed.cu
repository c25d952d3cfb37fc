#include "cuda/matmul_packed.cuh"

#include "cuda/gemm.cuh"

namespace hotloop::cuda {
namespace {

/// Words that hold two bfloat16 each: fragments as they are.
struct PackedBfloat16 {
  static constexpr int kHalves = 1, kPasses = 1;
  using Left = Bfloat16::Left;
  using Right = Bfloat16::Right;
  static __device__ __forceinline__ Left left(const float (&x)[1][4]) {
    return {{__float_as_uint(x[0][0]), __float_as_uint(x[0][1]), __float_as_uint(x[0][2]), __float_as_uint(x[0][3])}};
  }
  static __device__ __forceinline__ Right right(const float (&x)[1][2]) {
    return {{__float_as_uint(x[0][0]), __float_as_uint(x[0][1])}};
  }
  static __device__ __forceinline__ void add(int, const Left& a, const Right& b, float (&sum)[4]) {
    mma_bfloat16(sum, a.word, b.word);
  }
};
using Packed = Tensor<PackedBfloat16, 2, 4, 4, 8, 4, 1, 600>;  // words a cycle

constexpr int kThreads = 256, kWarps = kThreads / kWarp;
constexpr int kIndices = 32, kWords = 32;  // of a block's piece of the matrix

// Rows of whole chunks.
int words_of(int depth) { return static_cast<int>(divide_up(depth, 8) * 4); }

struct Piece {
  float element[2 * kWords][kIndices + 1];
};

// packed (count, words) from an operand (count, depth), zeros beyond its depth. Wide memory is turned in shared memory.
template <bool kDeep>
__global__ void __launch_bounds__(kThreads)
    pack(const __grid_constant__ Matrix matrix, int count, int depth, int words, int pieces, unsigned* packed) {
  const int first_index = static_cast<int>(blockIdx.x) / pieces * kIndices;
  const int first_word = static_cast<int>(blockIdx.x) % pieces * kWords;
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const auto read = [&](int index, int d) {
    return index < count && d < depth ? *matrix.at(matrix.data, index, d) : 0.0f;
  };
  auto& piece = shared_memory<Piece>();
  if constexpr (!kDeep) {
    for (int d = warp; d < 2 * kWords; d += kWarps) {
      piece.element[d][lane] = read(first_index + lane, 2 * first_word + d);
    }
    __syncthreads();
  }
  const int word = first_word + lane;
  for (int i = warp; i < kIndices; i += kWarps) {
    const int index = first_index + i;
    if (index >= count || word >= words) continue;
    if constexpr (kDeep) {
      packed[static_cast<int64_t>(index) * words + word] =
          to_bfloat16(read(index, 2 * word), read(index, 2 * word + 1));
    } else {
      packed[static_cast<int64_t>(index) * words + word] =
          to_bfloat16(piece.element[2 * lane][i], piece.element[2 * lane + 1][i]);
    }
  }
}

Status pack_operand(const Matrix& matrix, int count, int depth, unsigned* packed) {
  const int words = words_of(depth);
  const int64_t pieces = divide_up(words, kWords), blocks = divide_up(count, kIndices) * pieces;
  if (blocks > 0x7FFFFFFF) return "the operand has too many pieces for one launch";
  return launch("matmul", matrix.depth_stride == 1 ? pack<true> : pack<false>, dim3(static_cast<unsigned>(blocks)),
                kThreads, sizeof(Piece), matrix, count, depth, words, static_cast<int>(pieces), packed);
}

}  // namespace

double packed_cycles(int m, int n, int depth) {
  constexpr double launches = 6000, bytes_of_multiprocessor = 13;
  const double bytes = 6.0 * (static_cast<double>(m) + n) * depth;
  return plan_product(kKind<Packed>, m, n, words_of(depth), 1, kMostSplits).cycles + launches +
         bytes / (bytes_of_multiprocessor * device_info().multiprocessors);
}

Status packed_product(const Matrix& a, const Matrix& b, const Rows& out, const Finish& finish, int m, int n,
                      int depth) {
  const int words = words_of(depth);
  const Scratch<unsigned> packed_a(int64_t{m} * words), packed_b(int64_t{n} * words);
  HL_TRY(packed_a.status());
  HL_TRY(packed_b.status());
  HL_TRY(pack_operand(a, m, depth, packed_a.get()));
  HL_TRY(pack_operand(b, n, depth, packed_b.get()));
  const auto operand = [&](const unsigned* packed) {
    return Matrix{reinterpret_cast<const float*>(packed), words, 1, 0, {}, {}};
  };
  return run_product<Packed, true, true, true>("matmul", operand(packed_a.get()), operand(packed_b.get()), out, finish,
                                               plan_product(kKind<Packed>, m, n, words, 1, kMostSplits).cut);
}

}  // namespace hotloop::cuda
