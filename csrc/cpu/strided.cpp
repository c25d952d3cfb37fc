#include "cpu/strided.h"

#include <algorithm>
#include <cstring>

namespace hotloop::cpu {

namespace {

template <class T>
void read_run(const T* x, int64_t step, int64_t n, T* y) {
  if (step == 1) {
    std::memcpy(y, x, static_cast<std::size_t>(n) * sizeof(T));
  } else if (step == 0) {
    std::fill(y, y + n, *x);
  } else {
    for (int64_t i = 0; i < n; ++i) y[i] = x[i * step];
  }
}

/// Rows of n equal elements each, one value a row.
template <class T>
void fill_rows(const T* x, int64_t stride, int64_t rows, int64_t n, T* y) {
  for (int64_t row = 0; row < rows; ++row) {
    const T value = x[row * stride];
    for (int64_t i = 0; i < n; ++i) y[i] = value;
    y += n;
  }
}

}  // namespace

template <class T>
void gather(const Walk& walk, int operand, const T* x, int64_t at, int64_t n, T* y) {
  const int64_t row = walk.row(), step = walk.step(operand);
  const int64_t* stride = walk.stride[operand];
  if (walk.rank == 2 && step == 0 && at % row == 0 && n % row == 0) {
    return fill_rows(x + at / row * stride[0], stride[0], n / row, row, y);
  }
  int64_t index[kMaxRank];
  int64_t rest = at / row;
  for (int axis = walk.rank - 2; axis >= 0; --axis) {
    index[axis] = rest % walk.size[axis];
    rest /= walk.size[axis];
  }
  int64_t offset = walk.row_offset(operand, at / row), column = at % row;
  while (n > 0) {
    const int64_t run = std::min(row - column, n);
    read_run(x + offset + column * step, step, run, y);
    y += run;
    n -= run;
    column = 0;
    for (int axis = walk.rank - 2; axis >= 0; --axis) {
      offset += stride[axis];
      if (++index[axis] < walk.size[axis]) break;
      offset -= stride[axis] * walk.size[axis];
      index[axis] = 0;
    }
  }
}

template void gather<float>(const Walk&, int, const float*, int64_t, int64_t, float*);
template void gather<double>(const Walk&, int, const double*, int64_t, int64_t, double*);

}  // namespace hotloop::cpu
