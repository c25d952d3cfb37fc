// Reductions, one run of reduced axes at a time from the last to the first: x is (outer, length, inner) and loses its
// middle. A long middle is cut into at most 16 parts whose results are reduced again in a fixed order.
#include "axes.h"
#include "backend.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "cpu/ceil_div.h"
#include "cpu/isa/elementwise.h"
#include "cpu/isa/reduce.h"
#include "runtime/memory.h"
#include "runtime/threads.h"

namespace hotloop::cpu {
namespace {

constexpr int64_t kGrain = 16 * 1024;  // elements: a few microseconds of work
constexpr int64_t kParts = 16;
constexpr int64_t kColumns = 1024;  // columns a job: a multiple of a cache line

/// In how many parts the middle axis is cut, so that there are jobs for several threads.
int64_t parts_of(const AxisShape& s) {
  const int64_t jobs = s.outer * ceil_div(s.inner, kColumns);
  if (jobs >= kParts) return 1;
  return std::clamp<int64_t>(std::min(s.length * s.inner / kGrain, s.length / 32), 1, kParts);
}

template <class T>
void reduce_runs(ReduceOp op, int64_t outer, int64_t length, const T* x, T* y) {
  parallel_ranges(outer, std::max<int64_t>(1, kGrain / length), [&](int64_t begin, int64_t end) {
    isa::reduce_micro<T>().rows(op, end - begin, length, x + begin * length, y + begin);
  });
}

template <class T>
void reduce_columns(ReduceOp op, const AxisShape& s, const T* x, T* y) {
  const int64_t blocks = ceil_div(s.inner, kColumns);
  const int64_t grain = std::max<int64_t>(1, kGrain / (s.length * std::min(s.inner, kColumns)));
  parallel_ranges(s.outer * blocks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t job = begin; job < end; ++job) {
      const int64_t outer = job / blocks, column = job % blocks * kColumns;
      isa::reduce_micro<T>().columns(op, s.length, std::min(kColumns, s.inner - column),
                                     x + outer * s.length * s.inner + column, s.inner, y + outer * s.inner + column);
    }
  });
}

/// y (outer, inner) = op over the middle of x (outer, length, inner), no size 0
template <class T>
void reduce_axis(ReduceOp op, const AxisShape& s, const T* x, T* y) {
  const int64_t parts = parts_of(s);
  if (parts == 1) {
    if (s.inner == 1) return reduce_runs(op, s.outer, s.length, x, y);
    return reduce_columns(op, s, x, y);
  }
  const int64_t part = ceil_div(ceil_div(s.length, parts), 16) * 16, used = ceil_div(s.length, part);
  const Scratch<T> partial(s.outer * used * s.inner);
  parallel_for(s.outer * used, [&](int64_t job) {
    const int64_t outer = job / used, begin = job % used * part, length = std::min(part, s.length - begin);
    const T* from = x + (outer * s.length + begin) * s.inner;
    T* to = partial + job * s.inner;
    if (s.inner == 1) {
      isa::reduce_micro<T>().rows(op, 1, length, from, to);
    } else {
      isa::reduce_micro<T>().columns(op, length, s.inner, from, s.inner, to);
    }
  });
  if (s.inner == 1) return reduce_runs<T>(op, s.outer, used, partial, y);
  reduce_columns<T>(op, {s.outer, used, s.inner}, partial, y);
}

}  // namespace

template <class T>
Status reduce(ReduceOp op, const ReduceShape& s, const T* x, T* y) {
  const Runs runs(s);
  const int64_t kept = runs.product(0, runs.rank, true);
  if (kept == 0) return kOk;
  const int64_t total = runs.product(0, runs.rank, false);
  if (total == 0) {
    std::fill(y, y + kept, identity<T>(op));
    return kOk;
  }
  const ReduceOp each = op == ReduceOp::mean ? ReduceOp::sum : op;
  int left = 0;
  for (int i = 0; i < runs.rank; ++i) left += runs.reduced[i] ? 1 : 0;
  if (left == 0) std::copy(x, x + kept, y);
  std::unique_ptr<Scratch<T>> source, target;
  for (int i = runs.rank - 1; i >= 0; --i) {
    if (!runs.reduced[i]) continue;
    const AxisShape axis{runs.product(0, i, false), runs.size[i], runs.product(i + 1, runs.rank, true)};
    if (--left > 0) target = std::make_unique<Scratch<T>>(axis.outer * axis.inner);
    reduce_axis(each, axis, source ? static_cast<const T*>(source->get()) : x, left > 0 ? target->get() : y);
    source.swap(target);
  }
  if (op == ReduceOp::mean) {
    const T count = static_cast<T>(total / kept);
    parallel_ranges(kept, kGrain, [&](int64_t begin, int64_t end) {
      isa::elementwise_micro<T>().binary(BinaryOp::divide, end - begin, y + begin, 1, &count, 0, y + begin);
    });
  }
  return kOk;
}

template <class T>
Status argmax(int64_t rows, int64_t cols, const T* x, int64_t* y) {
  if (rows == 0) return kOk;
  const int64_t parts = parts_of({rows, cols, 1});
  const int64_t part = ceil_div(cols, parts);
  if (parts == 1) {
    parallel_ranges(rows, std::max<int64_t>(1, kGrain / cols), [&](int64_t begin, int64_t end) {
      isa::reduce_micro<T>().argmax(end - begin, cols, x + begin * cols, y + begin);
    });
    return kOk;
  }
  const Scratch<int64_t> found(rows * parts);
  parallel_for(rows * parts, [&](int64_t job) {
    const int64_t row = job / parts, begin = job % parts * part;
    isa::reduce_micro<T>().argmax(1, std::min(part, cols - begin), x + row * cols + begin, found + job);
    found[job] += begin;
  });
  for (int64_t row = 0; row < rows; ++row) {
    const T* values = x + row * cols;
    int64_t best = found[row * parts];
    for (int64_t i = 1; i < parts; ++i) {
      const int64_t other = found[row * parts + i];
      if (std::isnan(values[best])) break;
      if (values[other] > values[best] || std::isnan(values[other])) best = other;
    }
    y[row] = best;
  }
  return kOk;
}

template <class T>
Status argmax_grad(int64_t rows, int64_t cols, const int64_t* index, const T* dy, T* dx) {
  if (cols == 0) return kOk;
  parallel_ranges(rows, std::max<int64_t>(1, kGrain / cols), [&](int64_t begin, int64_t end) {
    std::fill(dx + begin * cols, dx + end * cols, T{0});
    for (int64_t row = begin; row < end; ++row) dx[row * cols + index[row]] = dy[row];
  });
  return kOk;
}

template <class T>
Status count_equal(int64_t n, const int64_t* a, const int64_t* b, T* count) {
  int64_t equal = 0;
  for (int64_t i = 0; i < n; ++i) equal += a[i] == b[i] ? 1 : 0;
  *count = static_cast<T>(equal);
  return kOk;
}

template Status reduce<float>(ReduceOp, const ReduceShape&, const float*, float*);
template Status reduce<double>(ReduceOp, const ReduceShape&, const double*, double*);
template Status argmax<float>(int64_t, int64_t, const float*, int64_t*);
template Status argmax<double>(int64_t, int64_t, const double*, int64_t*);
template Status argmax_grad<float>(int64_t, int64_t, const int64_t*, const float*, float*);
template Status argmax_grad<double>(int64_t, int64_t, const int64_t*, const double*, double*);
template Status count_equal<float>(int64_t, const int64_t*, const int64_t*, float*);
template Status count_equal<double>(int64_t, const int64_t*, const int64_t*, double*);

}  // namespace hotloop::cpu
