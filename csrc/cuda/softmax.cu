// Softmax along one axis: rows by a few lanes or by a block each; columns, which lie beside each other, by a thread or
// by several that share the axis. Padding is -inf, which adds nothing; a NaN reaches every element by way of the sum.
#include "cuda/divisor.cuh"
#include "cuda/ptx.cuh"
#include "cuda/rows.cuh"

namespace hotloop::cuda {
namespace {

// ---- rows -----------------------------------------------------------------------------------------------------------

template <class Shape>
__global__ void __launch_bounds__(kRowThreads)
    short_rows(int64_t rows, int length, bool logarithm, const float* x, float* y) {
  for_short_rows<Shape>(rows, [&](int64_t row) {
    const int n = row < rows ? length : 0;
    HeldRow<Shape> held;
    held.load(x + row * length, n, -INFINITY);
    const float max = held.fold(Larger());
    float sum = 0.0f;
#pragma unroll
    for (float& v : held.v) {
      v -= max;
      const float e = exp_(v);
      sum += e;
      if (!logarithm) v = e;
    }
    sum = fold_lanes<Shape::width>(sum, Add());
    const float factor = logarithm ? log_(sum) : 1.0f / sum;
#pragma unroll
    for (float& v : held.v) v = logarithm ? v - factor : v * factor;
    held.store(y + row * length, n);
  });
}

template <class Shape>
__global__ void __launch_bounds__(kRowThreads)
    short_rows_grad(int64_t rows, int length, bool logarithm, const float* y, const float* dy, float* dx) {
  for_short_rows<Shape>(rows, [&](int64_t row) {
    const int n = row < rows ? length : 0;
    HeldRow<Shape> held, slope;
    held.load(y + row * length, n, 0.0f);
    slope.load(dy + row * length, n, 0.0f);
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < Shape::count; ++i) sum += logarithm ? slope.v[i] : held.v[i] * slope.v[i];
    sum = fold_lanes<Shape::width>(sum, Add());
#pragma unroll
    for (int i = 0; i < Shape::count; ++i) {
      const float v = held.v[i];
      held.v[i] = logarithm ? slope.v[i] - exp_(v) * sum : v * (slope.v[i] - sum);
    }
    held.store(dx + row * length, n);
  });
}

struct RowMemory {
  float part[kMostWarps];
};

__global__ void __launch_bounds__(kLongRowThreads)
    long_rows(int64_t rows, int64_t length, bool logarithm, const float* x, float* y) {
  float* shared = shared_memory<RowMemory>().part;
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const float* from = x + row * length;
    float* to = y + row * length;
    const ExpSum all = exp_sum_of_row(from, length, shared);
    const float factor = logarithm ? log_(all.sum) : 1.0f / all.sum;
    for_row_quads(from, length, [&](int64_t i) {
      Quad q = load_inside(from, i, length, 0.0f);
#pragma unroll
      for (float& v : q.v) v = logarithm ? (v - all.max) - factor : exp_(v - all.max) * factor;
      store_inside(to, i, length, q);
    });
  }
}

__global__ void __launch_bounds__(kLongRowThreads)
    long_rows_grad(int64_t rows, int64_t length, bool logarithm, const float* y, const float* dy, float* dx) {
  float* shared = shared_memory<RowMemory>().part;
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const float *value = y + row * length, *slope = dy + row * length;
    float sum = 0.0f;
    for_row_quads(slope, length, [&](int64_t i) {
      const Quad d = load_inside(slope, i, length, 0.0f);
      const Quad v = logarithm ? Quad{{1.0f, 1.0f, 1.0f, 1.0f}} : load_inside(value, i, length, 0.0f);
#pragma unroll
      for (int j = 0; j < 4; ++j) sum += v.v[j] * d.v[j];
    });
    sum = fold_block(sum, Add(), shared);
    for_row_quads(slope, length, [&](int64_t i) {
      const Quad v = load_inside(value, i, length, 0.0f);
      Quad d = load_inside(slope, i, length, 0.0f);
#pragma unroll
      for (int j = 0; j < 4; ++j) d.v[j] = logarithm ? d.v[j] - exp_(v.v[j]) * sum : v.v[j] * (d.v[j] - sum);
      store_inside(dx + row * length, i, length, d);
    });
  }
}

// ---- columns --------------------------------------------------------------------------------------------------------

// `slices` threads share a column; those of a warp have neighbouring columns.

constexpr int kColumnThreads = 256;
constexpr int64_t kLongColumn = 32;
constexpr int kSlices = 8;

/// What each thread found, so that the slices of a column can be brought together.
struct ColumnMemory {
  float v[kColumnThreads];
};

struct Columns {
  AxisShape s;
  Divisor inner;
  int64_t count;
  explicit Columns(const AxisShape& shape) : s(shape), inner(shape.inner), count(shape.outer * shape.inner) {}
};

/// combine over the slices of this thread's column. All threads of the block take part.
template <int slices, class F>
__device__ float fold_slices(float value, F combine, float (&shared)[kColumnThreads]) {
  if constexpr (slices == 1) return value;
  constexpr int width = kColumnThreads / slices;
  shared[threadIdx.x] = value;
  __syncthreads();
  float result = shared[threadIdx.x % width];
#pragma unroll
  for (int i = 1; i < slices; ++i) result = combine(result, shared[threadIdx.x % width + i * width]);
  __syncthreads();
  return result;
}

/// A column that has one slice is short.
template <int slices>
using Place = std::conditional_t<slices == 1, int, int64_t>;

/// f(offset of the column, this slice's first element, the column's length), which is 0 where there is no column.
template <int slices, class F>
__device__ void for_columns(const Columns& c, F&& f) {
  constexpr int width = kColumnThreads / slices;
  for (int64_t first = blockIdx.x * int64_t{width}; first < c.count; first += gridDim.x * int64_t{width}) {
    const int64_t column = first + threadIdx.x % width;
    const Division at = c.inner.split(column);
    f(at.quotient * c.s.length * c.s.inner + at.remainder, static_cast<Place<slices>>(threadIdx.x / width),
      static_cast<Place<slices>>(column < c.count ? c.s.length : 0));
  }
}

template <int slices>
__global__ void __launch_bounds__(kColumnThreads) columns(Columns c, bool logarithm, const float* x, float* y) {
  auto& shared = shared_memory<ColumnMemory>().v;
  const int64_t stride = c.s.inner;
  for_columns<slices>(c, [&](int64_t at, auto slice, auto length) {
    const float* from = x + at;
    ExpSum mine;
    for (auto k = slice; k < length; k += 4 * slices) {
      Quad q;
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        q.v[j] = k + j * slices < length ? from[(k + j * slices) * stride] : -INFINITY;
      }
      mine.add(q);
    }
    const float max = fold_slices<slices>(mine.max, Larger(), shared);
    const float sum = fold_slices<slices>(mine.below(max), Add(), shared);
    const float factor = logarithm ? log_(sum) : 1.0f / sum;
    for (auto k = slice; k < length; k += slices) {
      const float v = from[k * stride] - max;
      y[at + k * stride] = logarithm ? v - factor : exp_(v) * factor;
    }
  });
}

template <int slices>
__global__ void __launch_bounds__(kColumnThreads)
    columns_grad(Columns c, bool logarithm, const float* y, const float* dy, float* dx) {
  auto& shared = shared_memory<ColumnMemory>().v;
  const int64_t stride = c.s.inner;
  for_columns<slices>(c, [&](int64_t at, auto slice, auto length) {
    float sum = 0.0f;
#pragma unroll 4
    for (auto k = slice; k < length; k += slices) {
      sum += logarithm ? dy[at + k * stride] : y[at + k * stride] * dy[at + k * stride];
    }
    sum = fold_slices<slices>(sum, Add(), shared);
#pragma unroll 4
    for (auto k = slice; k < length; k += slices) {
      const float v = y[at + k * stride], d = dy[at + k * stride];
      dx[at + k * stride] = logarithm ? d - exp_(v) * sum : v * (d - sum);
    }
  });
}

bool empty(const AxisShape& s) { return s.outer == 0 || s.length == 0 || s.inner == 0; }

template <int slices, class... P, class... A>
Status launch_columns(const char* name, void (*kernel)(Columns, bool, P...), const AxisShape& s, bool logarithm,
                      A... arrays) {
  const Columns c(s);
  return launch(name, kernel, grid_for(c.count, kColumnThreads / slices), kColumnThreads, sizeof(ColumnMemory), c,
                logarithm, arrays...);
}

}  // namespace

Status softmax(const AxisShape& s, bool logarithm, const float* x, float* y) {
  const char* name = logarithm ? "log_softmax" : "softmax";
  if (empty(s)) return kOk;
  if (s.inner > 1 && s.length >= kLongColumn) {
    return launch_columns<kSlices>(name, columns<kSlices>, s, logarithm, x, y);
  }
  if (s.inner > 1) return launch_columns<1>(name, columns<1>, s, logarithm, x, y);
  if (s.length > kShortRow) {
    return launch(name, long_rows, grid_for(s.outer, 1), kLongRowThreads, sizeof(RowMemory), s.outer, s.length,
                  logarithm, x, y);
  }
  Status status = kOk;
  with_row_shape(s.length, [&](auto shape) {
    using Shape = decltype(shape);
    status = launch(name, short_rows<Shape>, grid_for(s.outer, Shape::rows_at_once), kRowThreads, 0, s.outer,
                    static_cast<int>(s.length), logarithm, x, y);
  });
  return status;
}

Status softmax_grad(const AxisShape& s, bool logarithm, const float* y, const float* dy, float* dx) {
  const char* name = logarithm ? "log_softmax_grad" : "softmax_grad";
  if (empty(s)) return kOk;
  if (s.inner > 1 && s.length >= kLongColumn) {
    return launch_columns<kSlices>(name, columns_grad<kSlices>, s, logarithm, y, dy, dx);
  }
  if (s.inner > 1) return launch_columns<1>(name, columns_grad<1>, s, logarithm, y, dy, dx);
  if (s.length > kShortRow) {
    return launch(name, long_rows_grad, grid_for(s.outer, 1), kLongRowThreads, sizeof(RowMemory), s.outer, s.length,
                  logarithm, y, dy, dx);
  }
  Status status = kOk;
  with_row_shape(s.length, [&](auto shape) {
    using Shape = decltype(shape);
    status = launch(name, short_rows_grad<Shape>, grid_for(s.outer, Shape::rows_at_once), kRowThreads, 0, s.outer,
                    static_cast<int>(s.length), logarithm, y, dy, dx);
  });
  return status;
}

}  // namespace hotloop::cuda
