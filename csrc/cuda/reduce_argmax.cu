// The place of a row's first maximum: by a few lanes, or by blocks of which each names a candidate, among which the
// same is done again.
#include <cmath>
#include <cstdint>

#include "cuda/collectives.cuh"
#include "cuda/divisor.cuh"
#include "cuda/math.cuh"
#include "cuda/ptx.cuh"
#include "cuda/sums.cuh"

namespace hotloop::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kSerial = 64;      // elements that a thread looks at
constexpr int64_t kShortRow = 1024;  // that a warp looks at

/// An element of a row; none yet lies behind all others.
struct Found {
  float value = -INFINITY;
  int64_t index = INT64_MAX;
};

/// The first maximum of two elements; NaN wins.
__device__ Found better(Found a, Found b) {
  const bool in_order = a.index <= b.index;
  const Found first = in_order ? a : b, second = in_order ? b : a;
  return stays(first.value, second.value) ? first : second;
}

__device__ Found better_of_warp(Found found) {
#pragma unroll
  for (int step = kWarp / 2; step > 0; step /= 2) {
    found =
        better(found, {__shfl_xor_sync(kWholeWarp, found.value, step),
                       static_cast<int64_t>(__shfl_xor_sync(kWholeWarp, static_cast<long long>(found.index), step))});
  }
  return found;
}

/// Rows of x (rows, cols) among whose columns `count` are looked at: all, or those that candidates (rows, count) names.
struct Rows {
  int64_t rows, cols, count;
  const float* x;
  const int64_t* candidates;

  /// The best of elements begin, begin + step, .. below end.
  __device__ Found look(int64_t row, int64_t begin, int64_t end, int64_t step) const {
    Found best;
#pragma unroll 4
    for (int64_t i = begin; i < end; i += step) {
      const int64_t index = candidates != nullptr ? candidates[row * count + i] : i;
      const Found next{x[row * cols + index], index};
      best = stays(best.value, next.value) & (best.index != INT64_MAX) ? best : next;
    }
    return best;
  }
};

__global__ void __launch_bounds__(kThreads) by_warps(Rows r, int64_t* y) {
  constexpr int64_t at_once = kThreads / kWarp;
  const int64_t lane = threadIdx.x % kWarp;
  for (int64_t row = blockIdx.x * at_once + threadIdx.x / kWarp; row < r.rows; row += gridDim.x * at_once) {
    const Found found = better_of_warp(r.look(row, lane, r.count, kWarp));
    if (lane == 0) y[row] = found.index;
  }
}

struct BlockMemory {
  Found found[kThreads / kWarp];
};

/// y (rows, parts) names the best column of each part.
__global__ void __launch_bounds__(kThreads) by_blocks(Rows r, Divisor parts, int64_t* y) {
  auto& shared = shared_memory<BlockMemory>().found;
  constexpr int64_t part = kSerial * kThreads;
  for (int64_t job = blockIdx.x; job < r.rows * parts; job += gridDim.x) {
    const Division at = parts.split(job);
    const int64_t begin = at.remainder * part, end = begin + part < r.count ? begin + part : r.count;
    const Found mine = better_of_warp(r.look(at.quotient, begin + threadIdx.x, end, kThreads));
    if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = mine;
    __syncthreads();
    if (threadIdx.x == 0) {
      Found best = shared[0];
      for (int i = 1; i < kThreads / kWarp; ++i) best = better(best, shared[i]);
      y[job] = best.index;
    }
    __syncthreads();
  }
}

Status find(const Rows& r, int64_t* y) {
  if (r.count <= kShortRow) {
    return launch("argmax", by_warps, grid_for(r.rows, kThreads / kWarp), kThreads, 0, r, y);
  }
  const int64_t parts = divide_up(r.count, kSerial * kThreads);
  const Scratch<int64_t> found(parts > 1 ? r.rows * parts : 0);
  HL_TRY(found.status());
  HL_TRY(launch("argmax", by_blocks, grid_for(r.rows * parts, 1), kThreads, sizeof(BlockMemory), r, Divisor(parts),
                parts > 1 ? found.get() : y));
  return parts > 1 ? find({r.rows, r.cols, parts, r.x, found.get()}, y) : kOk;
}

/// Jobs are the elements of dx.
__global__ void __launch_bounds__(kThreads)
    place(int64_t jobs, Divisor cols, const int64_t* index, const float* dy, float* dx) {
  for (int64_t job = grid_thread(); job < jobs; job += grid_threads()) {
    const Division at = cols.split(job);
    dx[job] = index[at.quotient] == at.remainder ? dy[at.quotient] : 0.0f;
  }
}

/// One block: labels of a batch are few.
__global__ void __launch_bounds__(kThreads) count(int64_t n, const int64_t* a, const int64_t* b, float* result) {
  auto& memory = shared_memory<SumMemory>().part;
  double mine = 0;
  for (int64_t i = threadIdx.x; i < n; i += kThreads) mine += a[i] == b[i] ? 1.0 : 0.0;
  const double equal = fold_block(mine, Add(), memory);
  if (threadIdx.x == 0) *result = static_cast<float>(equal);
}

}  // namespace

Status argmax(int64_t rows, int64_t cols, const float* x, int64_t* y) {
  return find({rows, cols, cols, x, nullptr}, y);
}

Status argmax_grad(int64_t rows, int64_t cols, const int64_t* index, const float* dy, float* dx) {
  const int64_t jobs = rows * cols;
  if (jobs == 0) return kOk;
  return launch("argmax_grad", place, grid_for(jobs, kThreads), kThreads, 0, jobs, Divisor(cols), index, dy, dx);
}

Status count_equal(int64_t n, const int64_t* a, const int64_t* b, float* result) {
  return launch("count_equal", count, dim3(1), kThreads, sizeof(SumMemory), n, a, b, result);
}

}  // namespace hotloop::cuda
