// Copies of transposed, sliced and broadcast arrays into contiguous memory.
#include <algorithm>

#include "backend.h"
#include "cpu/isa/elementwise.h"
#include "cpu/strided.h"
#include "runtime/threads.h"

namespace hotloop::cpu {
namespace {

constexpr int64_t kGrain = 16 * 1024;  // elements
constexpr int64_t kTile = 64;          // rows and columns of a transpose that share the first cache

/// Transposes of (axis, last axis), one for every position in the other axes.
template <class T>
void transposes(const Walk& walk, int axis, const T* x, T* y) {
  const int last = walk.rank - 1;
  const int64_t rows = walk.size[axis], cols = walk.size[last], x_stride = walk.stride[0][last];
  int64_t y_stride[kMaxRank];
  for (int64_t a = last, stride = 1; a >= 0; --a) {
    y_stride[a] = stride;
    stride *= walk.size[a];
  }
  const int64_t tiles = (rows + kTile - 1) / kTile;
  const int64_t grain = std::max<int64_t>(1, kGrain / (std::min(rows, kTile) * cols));
  parallel_ranges(walk.total() / (rows * cols) * tiles, grain, [&](int64_t begin, int64_t end) {
    for (int64_t job = begin; job < end; ++job) {
      const int64_t row = job % tiles * kTile;
      int64_t from = row, to = row * y_stride[axis], rest = job / tiles;
      for (int a = last - 1; a >= 0; --a) {
        if (a == axis) continue;
        from += rest % walk.size[a] * walk.stride[0][a];
        to += rest % walk.size[a] * y_stride[a];
        rest /= walk.size[a];
      }
      for (int64_t col = 0; col < cols; col += kTile) {
        isa::elementwise_micro<T>().transpose(std::min(kTile, rows - row), std::min(kTile, cols - col),
                                              x + from + col * x_stride, x_stride, y + to + col, y_stride[axis]);
      }
    }
  });
}

}  // namespace

template <class T>
Status copy_strided(const StridedShape& s, const T* x, T* y) {
  const Walk walk(s);
  const int axis = walk.transposed_axis();
  const int64_t total = walk.total();
  if (total > 0 && axis >= 0) {
    transposes(walk, axis, x, y);
  } else {
    parallel_ranges(total, kGrain,
                    [&](int64_t begin, int64_t end) { gather(walk, 0, x, begin, end - begin, y + begin); });
  }
  return kOk;
}

template Status copy_strided<float>(const StridedShape&, const float*, float*);
template Status copy_strided<double>(const StridedShape&, const double*, double*);

}  // namespace hotloop::cpu
