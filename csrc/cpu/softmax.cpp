// Softmax along one axis: the shape says how columns lie in vectors, and chunks are runs of columns or rows.
#include "backend.h"

#include <algorithm>

#include "cpu/ceil_div.h"
#include "cpu/isa/softmax.h"
#include "runtime/threads.h"

namespace hotloop::cpu {
namespace {

constexpr int64_t kGrain = 8 * 1024;  // elements: a few microseconds of work
constexpr int64_t kColumns = 64;      // columns of a block: whole cache lines

/// Shares out the work: lines(first, count) of columns anywhere, rows(first, count), or columns(offset, count) of
/// neighbours that lie at the offset.
template <class T, class Lines, class Rows, class Columns>
void share_out(const AxisShape& s, Lines&& lines, Rows&& rows, Columns&& columns) {
  if (s.outer == 0 || s.length == 0 || s.inner == 0) return;
  const auto& micro = isa::softmax_micro<T>();
  const int64_t few = std::max<int64_t>(1, kGrain / s.length);
  if (s.inner == 1 && s.length >= 4 * micro.lanes) {
    parallel_ranges(s.outer, few, [&](int64_t begin, int64_t end) { rows(begin, end - begin); });
  } else if (s.inner < micro.lanes && s.length <= micro.short_axis) {
    // Whole groups of lanes, so that only the last chunk computes columns that do not exist.
    parallel_ranges(s.outer * s.inner, round_up(few, micro.lanes),
                    [&](int64_t begin, int64_t end) { lines(begin, end - begin); });
  } else {
    const int64_t width = round_up(few, kColumns), blocks = ceil_div(s.inner, width);
    const int64_t grain = std::max<int64_t>(1, kGrain / (s.length * std::min(s.inner, width)));
    parallel_ranges(s.outer * blocks, grain, [&](int64_t begin, int64_t end) {
      for (int64_t job = begin; job < end; ++job) {
        const int64_t column = job % blocks * width;
        columns(job / blocks * s.length * s.inner + column, std::min(width, s.inner - column));
      }
    });
  }
}

}  // namespace

template <class T>
Status softmax(const AxisShape& s, bool logarithm, const T* x, T* y) {
  const auto& micro = isa::softmax_micro<T>();
  share_out<T>(
      s, [&](int64_t first, int64_t count) { micro.lines(s, first, count, logarithm, x, y); },
      [&](int64_t first, int64_t count) {
        micro.rows(count, s.length, logarithm, x + first * s.length, y + first * s.length);
      },
      [&](int64_t at, int64_t count) { micro.columns(s.length, count, s.inner, logarithm, x + at, y + at); });
  return kOk;
}

template <class T>
Status softmax_grad(const AxisShape& s, bool logarithm, const T* y, const T* dy, T* dx) {
  const auto& micro = isa::softmax_micro<T>();
  share_out<T>(
      s, [&](int64_t first, int64_t count) { micro.lines_grad(s, first, count, logarithm, y, dy, dx); },
      [&](int64_t first, int64_t count) {
        const int64_t at = first * s.length;
        micro.rows_grad(count, s.length, logarithm, y + at, dy + at, dx + at);
      },
      [&](int64_t at, int64_t count) {
        micro.columns_grad(s.length, count, s.inner, logarithm, y + at, dy + at, dx + at);
      });
  return kOk;
}

template Status softmax<float>(const AxisShape&, bool, const float*, float*);
template Status softmax<double>(const AxisShape&, bool, const double*, double*);
template Status softmax_grad<float>(const AxisShape&, bool, const float*, const float*, float*);
template Status softmax_grad<double>(const AxisShape&, bool, const double*, const double*, double*);

}  // namespace hotloop::cpu
