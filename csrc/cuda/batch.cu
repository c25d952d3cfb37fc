// Batches: rows gathered by index, bytes turned into numbers.
#include "cuda/collectives.cuh"
#include "cuda/divisor.cuh"
#include "cuda/ptx.cuh"
#include "cuda/quads.cuh"

namespace hotloop::cuda {
namespace {

constexpr int kThreads = 256;

/// y (count, row) = x (rows, row) at indices; jobs are the words of y.
template <class Word>
__global__ void __launch_bounds__(kThreads) gather(int64_t jobs, Divisor row, const int64_t* __restrict__ indices,
                                                   const Word* __restrict__ x, Word* __restrict__ y) {
  for (int64_t job = grid_thread(); job < jobs; job += grid_threads()) {
    const Division at = row.split(job);
    y[job] = x[indices[at.quotient] * row + at.remainder];
  }
}

template <class Word>
bool fits(int64_t row_bytes, const void* x, const void* y) {
  const auto misfit =
      static_cast<uintptr_t>(row_bytes) | reinterpret_cast<uintptr_t>(x) | reinterpret_cast<uintptr_t>(y);
  return misfit % sizeof(Word) == 0;
}

template <class Word>
Status gather_words(int64_t count, int64_t row_bytes, const int64_t* indices, const uint8_t* x, uint8_t* y) {
  const int64_t row = row_bytes / static_cast<int64_t>(sizeof(Word)), jobs = count * row;
  return launch("gather_rows", gather<Word>, grid_for(jobs, kThreads), kThreads, 0, jobs, Divisor(row), indices,
                reinterpret_cast<const Word*>(x), reinterpret_cast<Word*>(y));
}

// ---- the gradient ---------------------------------------------------------------------------------------------------

// Each block owns some rows of dx. It looks through all indices for them, some at a time, lists what it finds in order
// and adds that up; an element of dx has one thread, so that its sum has one order.

constexpr int kIndicesEach = 4;  // that a thread looks at at a time
constexpr int kAtOnce = kThreads * kIndicesEach;
constexpr int kWarps = kThreads / kWarp;

struct Found {
  int64_t from, to;  // rows of dy, dx
};

struct GradMemory {
  Found list[kAtOnce];
  int found[kWarps];
};

/// Lists the indices from `first` on that name rows begin .. end - 1, in order; returns how many there are. All threads
/// of the block take part.
__device__ int list_rows(int64_t first, int64_t count, const int64_t* indices, int64_t begin, int64_t end,
                         GradMemory& memory) {
  const int thread = static_cast<int>(threadIdx.x), lane = thread % kWarp, warp = thread / kWarp;
  int64_t rows[kIndicesEach];  // or -1
  int found = 0;
#pragma unroll
  for (int j = 0; j < kIndicesEach; ++j) {
    const int64_t i = first + thread * kIndicesEach + j, row = i < count ? indices[i] : -1;
    rows[j] = row >= begin && row < end ? row : -1;
    found += rows[j] >= 0 ? 1 : 0;
  }
  int before = found;  // in this warp, up to here
#pragma unroll
  for (int step = 1; step < kWarp; step *= 2) {
    const int other = __shfl_up_sync(kWholeWarp, before, step);
    if (lane >= step) before += other;
  }
  if (lane == kWarp - 1) memory.found[warp] = before;
  __syncthreads();
  int all = 0;
  before -= found;
  for (int w = 0; w < kWarps; ++w) {
    if (w < warp) before += memory.found[w];
    all += memory.found[w];
  }
#pragma unroll
  for (int j = 0; j < kIndicesEach; ++j) {
    if (rows[j] >= 0) memory.list[before++] = {first + thread * kIndicesEach + j, rows[j]};
  }
  __syncthreads();
  return all;
}

/// A group of `width` threads, a power of two, has every (kThreads / width)-th row of a block's.
__global__ void __launch_bounds__(kThreads) add_rows(int64_t rows, int64_t rows_each, int64_t count, int64_t row,
                                                     int width, const int64_t* indices, const float* dy, float* dx) {
  auto& memory = shared_memory<GradMemory>();
  const int64_t begin = blockIdx.x * rows_each, end = begin + rows_each < rows ? begin + rows_each : rows;
  const int groups = kThreads / width, group = static_cast<int>(threadIdx.x) / width;
  const int64_t lane = static_cast<int>(threadIdx.x) % width;
  for (int64_t r = begin + group; r < end; r += groups) {
    for (int64_t c = lane; c < row; c += width) dx[r * row + c] = 0.0f;
  }
  for (int64_t first = 0; first < count; first += kAtOnce) {
    const int found = list_rows(first, count, indices, begin, end, memory);
    for (int i = 0; i < found; ++i) {
      const Found at = memory.list[i];
      if ((at.to - begin) % groups != group) continue;
      for (int64_t c = lane; c < row; c += width) dx[at.to * row + c] += dy[at.from * row + c];
    }
    __syncthreads();
  }
}

__global__ void __launch_bounds__(kQuadThreads)
    rescale(int64_t n, const uint8_t* x, float factor, float offset, float* y) {
  for_quads(n, [&](int64_t i, int64_t left) {
    const Pack<uint8_t, 4> bytes = load_quad(x + i, left);
    Quad q;
#pragma unroll
    for (int j = 0; j < 4; ++j) q.v[j] = static_cast<float>(bytes.v[j]) * factor + offset;
    store_quad(y + i, q, left);
  });
}

}  // namespace

Status gather_rows(int64_t count, int64_t row_bytes, const int64_t* indices, const uint8_t* x, uint8_t* y) {
  if (count == 0 || row_bytes == 0) return kOk;
  if (fits<uint4>(row_bytes, x, y)) return gather_words<uint4>(count, row_bytes, indices, x, y);
  if (fits<uint32_t>(row_bytes, x, y)) return gather_words<uint32_t>(count, row_bytes, indices, x, y);
  return gather_words<uint8_t>(count, row_bytes, indices, x, y);
}

Status gather_rows_grad(int64_t rows, int64_t count, int64_t row, const int64_t* indices, const float* dy, float* dx) {
  if (rows == 0 || row == 0) return kOk;
  const int64_t most = int64_t{4} * device_info().multiprocessors;
  const int64_t rows_each = divide_up(rows, rows < most ? rows : most);
  int width = 1;
  while (width < row && width < kThreads) width *= 2;
  return launch("gather_rows_grad", add_rows, dim3(static_cast<unsigned>(divide_up(rows, rows_each))), kThreads,
                sizeof(GradMemory), rows, rows_each, count, row, width, indices, dy, dx);
}

Status rescale_bytes(int64_t n, const uint8_t* x, double factor, double offset, float* y) {
  return launch("rescale_bytes", rescale, quad_grid(n), kQuadThreads, 0, n, x, static_cast<float>(factor),
                static_cast<float>(offset), y);
}

}  // namespace hotloop::cuda
