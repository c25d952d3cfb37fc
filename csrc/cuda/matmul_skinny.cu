// The long side is a matrix (length, depth), the short side up to 8 vectors of that depth. Where depth runs along
// memory a warp takes one row, lanes side by side along depth; else lanes stand side by side along the length and the
// warps of a block share out the depth.
#include "cuda/matmul_skinny.cuh"

#include "cuda/collectives.cuh"

namespace hotloop::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / kWarp;
constexpr int kMostVectors = 8;

// The result of long index `i` and vector `v`: row and column change places where the long side is b.
struct Place {
  Rows rows;
  Finish finish;
  int columns;
  bool long_is_b;

  __device__ void store(int batch, int i, int v, float sum) const {
    const int row = long_is_b ? v : i, column = long_is_b ? i : v;
    rows.row_of(batch, row)[column] = finish.apply(sum, batch, column, columns);
  }
};

// One vector; the matrix's rows lie along depth. Sums of four, so that loads can run ahead.
template <int kVector>
__global__ void __launch_bounds__(kThreads)
    rows_times_vector(const __grid_constant__ Matrix matrix, const __grid_constant__ Matrix vector, const Place place,
                      int length, int depth, int blocks) {
  const int batch = static_cast<int>(blockIdx.x) / blocks;
  const int i = static_cast<int>(blockIdx.x) % blocks * kWarps + static_cast<int>(threadIdx.x) / kWarp;
  if (i >= length) return;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const float* row = matrix.of_batch(batch) + i * matrix.index_stride;
  const float* x = vector.of_batch(batch);
  float sum[4] = {};
  int d = lane * kVector;
  if constexpr (kVector == 4) {
#pragma unroll 4
    for (; d < depth; d += 4 * kWarp) {
      const float4 p = *reinterpret_cast<const float4*>(row + d), q = *reinterpret_cast<const float4*>(x + d);
      sum[0] += p.x * q.x;
      sum[1] += p.y * q.y;
      sum[2] += p.z * q.z;
      sum[3] += p.w * q.w;
    }
  } else {
#pragma unroll 4
    for (; d < depth; d += kWarp) sum[0] += row[d] * x[d * vector.depth_stride];
  }
  const float total = fold_lanes<kWarp>((sum[0] + sum[1]) + (sum[2] + sum[3]), Add{});
  if (lane == 0) place.store(batch, i, 0, total);
}

template <int kVectors>
struct WarpSums {
  float sum[kWarps][kVectors][kWarp];
};

// Up to kVectors vectors; the matrix's length runs along memory.
template <int kVectors>
__global__ void __launch_bounds__(kThreads)
    columns_times_vectors(const __grid_constant__ Matrix matrix, const __grid_constant__ Matrix vectors,
                          const Place place, int length, int count, int depth, int blocks) {
  auto& shared = shared_memory<WarpSums<kVectors>>();
  const int batch = static_cast<int>(blockIdx.x) / blocks;
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const int i = static_cast<int>(blockIdx.x) % blocks * kWarp + lane;
  const float* column = matrix.of_batch(batch) + i * matrix.index_stride;
  const float* x = vectors.of_batch(batch);
  float sum[kVectors] = {};
  if (i < length) {
#pragma unroll 4
    for (int d = warp; d < depth; d += kWarps) {
      const float y = column[d * matrix.depth_stride];
#pragma unroll
      for (int v = 0; v < kVectors; ++v) {
        if (v < count) sum[v] += y * x[v * vectors.index_stride + d * vectors.depth_stride];
      }
    }
  }
#pragma unroll
  for (int v = 0; v < kVectors; ++v) shared.sum[warp][v][lane] = sum[v];
  __syncthreads();
  if (i >= length) return;
  for (int v = warp; v < count; v += kWarps) {
    float total = 0.0f;
#pragma unroll
    for (int w = 0; w < kWarps; ++w) total += shared.sum[w][v][lane];
    place.store(batch, i, v, total);
  }
}

bool in_fours(const Matrix& matrix, int depth) {
  bool whole = matrix.depth_stride == 1 && matrix.index_stride % 4 == 0 && depth % 4 == 0 &&
               reinterpret_cast<uintptr_t>(matrix.data) % 16 == 0;
  for (int i = 0; i < matrix.batch_rank; ++i) whole = whole && matrix.batch_stride[i] % 4 == 0;
  return whole;
}

}  // namespace

bool is_skinny(const Matrix& a, const Matrix& b, int m, int n) {
  const Matrix& matrix = m < n ? b : a;
  const int vectors = m < n ? m : n;
  return matrix.depth_stride == 1 ? vectors == 1 : matrix.index_stride == 1 && vectors <= kMostVectors;
}

Status skinny_product(const Matrix& a, const Matrix& b, const Rows& out, const Finish& finish, int m, int n, int depth,
                      int batches) {
  const bool long_is_b = m < n;
  const Matrix &matrix = long_is_b ? b : a, &vectors = long_is_b ? a : b;
  const int length = long_is_b ? n : m, count = long_is_b ? m : n;
  const Place place = {out, finish, n, long_is_b};
  const bool rows = matrix.depth_stride == 1;
  const int64_t blocks = divide_up(length, rows ? kWarps : kWarp);
  if (blocks * batches > 0x7FFFFFFF) return "the product has too many rows for one launch";
  const dim3 grid(static_cast<unsigned>(blocks * batches));
  const int per_batch = static_cast<int>(blocks);
  if (rows) {
    const auto kernel =
        in_fours(matrix, depth) && in_fours(vectors, depth) ? rows_times_vector<4> : rows_times_vector<1>;
    return launch("matmul", kernel, grid, kThreads, 0, matrix, vectors, place, length, depth, per_batch);
  }
  const auto run = [&](auto kernel, std::size_t shared) {
    return launch("matmul", kernel, grid, kThreads, shared, matrix, vectors, place, length, count, depth, per_batch);
  };
  if (count == 1) return run(columns_times_vectors<1>, sizeof(WarpSums<1>));
  if (count <= 4) return run(columns_times_vectors<4>, sizeof(WarpSums<4>));
  return run(columns_times_vectors<kMostVectors>, sizeof(WarpSums<kMostVectors>));
}

}  // namespace hotloop::cuda
