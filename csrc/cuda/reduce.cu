// Reductions, one run of reduced axes at a time from the last to the first: x is (outer, length, inner) and loses its
// middle. A long middle is cut into parts whose results are reduced again, so that no thread combines more than some
// dozens of numbers in a row: the error of a sum stays small, and its order follows from the shape alone.
#include <memory>

#include "axes.h"
#include "cuda/collectives.cuh"
#include "cuda/device.cuh"
#include "cuda/divisor.cuh"
#include "cuda/math.cuh"
#include "cuda/ptx.cuh"

namespace hotloop::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kSerial = 64;      // elements that a thread combines
constexpr int64_t kShortRow = 1024;  // that a few lanes combine
constexpr int64_t kNarrow = 128;     // columns that a block reads as they lie

template <ReduceOp op>
struct Combine {
  /// Maximum and minimum keep a NaN from either side.
  __device__ float operator()(float a, float b) const {
    if constexpr (op == ReduceOp::max) return binary_op<BinaryOp::maximum>(a, b);
    if constexpr (op == ReduceOp::min) return binary_op<BinaryOp::minimum>(a, b);
    return a + b;
  }
  static constexpr float kIdentity = identity<float>(op);
};

/// x[i] combined for i = begin, begin + step, .. below end, several at a time so that loads overlap.
template <class C>
__device__ float fold_serially(const float* x, int64_t begin, int64_t end, int64_t step) {
  constexpr int at_once = 8;
  float result = C::kIdentity;
  int64_t i = begin;
  for (; i + (at_once - 1) * step < end; i += at_once * step) {
    float v[at_once];
#pragma unroll
    for (int j = 0; j < at_once; ++j) v[j] = x[i + j * step];
#pragma unroll
    for (int half = at_once / 2; half > 0; half /= 2) {
#pragma unroll
      for (int j = 0; j < half; ++j) v[j] = C()(v[j], v[j + half]);
    }
    result = C()(result, v[0]);
  }
  for (; i < end; i += step) result = C()(result, x[i]);
  return result;
}

// `count` below is what results are divided by: 1, or the number of elements of a mean.

/// y (rows) = op over rows of x (rows, length), `width` lanes each.
template <class C, int width>
__global__ void __launch_bounds__(kThreads)
    short_rows(int64_t rows, int64_t length, float count, const float* __restrict__ x, float* __restrict__ y) {
  constexpr int at_once = kThreads / width;
  const int64_t lane = threadIdx.x % width;
  for (int64_t first = blockIdx.x * int64_t{at_once}; first < rows; first += gridDim.x * int64_t{at_once}) {
    const int64_t row = first + threadIdx.x / width;
    const float mine = fold_serially<C>(x + row * length, lane, row < rows ? length : 0, width);
    const float total = fold_lanes<width>(mine, C());
    if (lane == 0 && row < rows) y[row] = total / count;
  }
}

/// y (outer, parts, inner) = op over kSerial rows at a time of x (outer, length, inner); a thread makes an element.
template <class C>
__global__ void __launch_bounds__(kThreads) columns(int64_t jobs, int64_t length, Divisor inner, Divisor parts,
                                                    float count, const float* __restrict__ x, float* __restrict__ y) {
  for (int64_t job = grid_thread(); job < jobs; job += grid_threads()) {
    const Division by_column = inner.split(job), by_part = parts.split(by_column.quotient);
    const int64_t begin = by_part.remainder * kSerial, end = begin + kSerial < length ? begin + kSerial : length;
    const float* column = x + by_part.quotient * length * inner + by_column.remainder;
    y[job] = fold_serially<C>(column, begin * inner, end * inner, inner) / count;
  }
}

struct BlockMemory {
  float v[kThreads];
};

/// y (outer, parts, inner) = op over `rows` rows at a time of x (outer, length, inner), inner <= kNarrow; a block reads
/// them as they lie, every thread in one column.
template <class C>
__global__ void __launch_bounds__(kThreads) narrow(int64_t jobs, int64_t length, int inner, int64_t rows, Divisor parts,
                                                   float count, const float* __restrict__ x, float* __restrict__ y) {
  auto& shared = shared_memory<BlockMemory>().v;
  const int thread = static_cast<int>(threadIdx.x), height = kThreads / inner;
  for (int64_t job = blockIdx.x; job < jobs; job += gridDim.x) {
    const Division at = parts.split(job);
    const int64_t begin = at.remainder * rows, here = begin + rows < length ? rows : length - begin;
    if (thread < height * inner) {
      shared[thread] =
          fold_serially<C>(x + (at.quotient * length + begin) * inner, thread, here * inner, int64_t{height} * inner);
    }
    __syncthreads();
    for (int left = height; left > 1;) {
      const int half = (left + 1) / 2;
      if (thread < (left - half) * inner) shared[thread] = C()(shared[thread], shared[thread + half * inner]);
      __syncthreads();
      left = half;
    }
    if (thread < inner) y[job * inner + thread] = shared[thread] / count;
    __syncthreads();
  }
}

/// y (outer, inner) = op over the middle of x (outer, length, inner), no size 0.
template <class C>
Status reduce_axis(const AxisShape& s, float count, const float* x, float* y) {
  if (s.inner == 1 && s.length <= kShortRow) {
    const auto with_width = [&](auto width) {
      return launch("reduce", short_rows<C, width>, grid_for(s.outer, kThreads / width), kThreads, 0, s.outer, s.length,
                    count, x, y);
    };
    if (s.length <= 4) return with_width(std::integral_constant<int, 4>{});
    if (s.length <= 8) return with_width(std::integral_constant<int, 8>{});
    if (s.length <= 16) return with_width(std::integral_constant<int, 16>{});
    return with_width(std::integral_constant<int, kWarp>{});
  }
  const bool by_columns = s.inner > kNarrow || s.length <= kSerial;
  const int64_t rows = by_columns ? kSerial : kSerial * (kThreads / s.inner), parts = divide_up(s.length, rows);
  const Scratch<float> partial(parts > 1 ? s.outer * parts * s.inner : 0);
  HL_TRY(partial.status());
  float* const result = parts > 1 ? partial.get() : y;
  const float divisor = parts > 1 ? 1.0f : count;
  if (by_columns) {
    const int64_t jobs = s.outer * parts * s.inner;
    HL_TRY(launch("reduce", columns<C>, grid_for(jobs, kThreads), kThreads, 0, jobs, s.length, Divisor(s.inner),
                  Divisor(parts), divisor, x, result));
  } else {
    const int64_t jobs = s.outer * parts;
    HL_TRY(launch("reduce", narrow<C>, grid_for(jobs, 1), kThreads, sizeof(BlockMemory), jobs, s.length,
                  static_cast<int>(s.inner), rows, Divisor(parts), divisor, x, result));
  }
  return parts > 1 ? reduce_axis<C>({s.outer, parts, s.inner}, count, result, y) : kOk;
}

template <class C>
Status reduce_runs(const Runs& runs, float count, const float* x, float* y) {
  int left = 0;
  for (int i = 0; i < runs.rank; ++i) left += runs.reduced[i] ? 1 : 0;
  std::unique_ptr<Scratch<float>> source, target;
  for (int i = runs.rank - 1; i >= 0; --i) {
    if (!runs.reduced[i]) continue;
    const AxisShape axis{runs.product(0, i, false), runs.size[i], runs.product(i + 1, runs.rank, true)};
    if (--left > 0) {
      target = std::make_unique<Scratch<float>>(axis.outer * axis.inner);
      HL_TRY(target->status());
    }
    HL_TRY(reduce_axis<C>(axis, left > 0 ? 1.0f : count, source ? source->get() : x, left > 0 ? target->get() : y));
    source.swap(target);
  }
  return kOk;
}

__global__ void __launch_bounds__(kThreads) fill_with(int64_t n, float value, float* y) {
  for (int64_t i = grid_thread(); i < n; i += grid_threads()) y[i] = value;
}

}  // namespace

Status reduce(ReduceOp op, const ReduceShape& s, const float* x, float* y) {
  const Runs runs(s);
  const int64_t kept = runs.product(0, runs.rank, true), total = runs.product(0, runs.rank, false);
  if (kept == 0) return kOk;
  if (total == 0)
    return launch("reduce", fill_with, grid_for(kept, kThreads), kThreads, 0, kept, identity<float>(op), y);
  if (total == kept) return copy(y, x, kept * static_cast<int64_t>(sizeof(float)));
  switch (op) {
    case ReduceOp::max:
      return reduce_runs<Combine<ReduceOp::max>>(runs, 1.0f, x, y);
    case ReduceOp::min:
      return reduce_runs<Combine<ReduceOp::min>>(runs, 1.0f, x, y);
    case ReduceOp::mean:
      return reduce_runs<Combine<ReduceOp::sum>>(runs, static_cast<float>(total / kept), x, y);
    default:
      return reduce_runs<Combine<ReduceOp::sum>>(runs, 1.0f, x, y);
  }
}

}  // namespace hotloop::cuda
