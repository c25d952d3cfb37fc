// matmul: one gemm a matrix of the batch; small matrices of a large batch are the jobs themselves.
#include "backend.h"
#include "cpu/gemm.h"
#include "runtime/threads.h"

namespace hotloop::cpu {
namespace {

// Below this a single product gains little from threads, and the batch is shared out instead.
constexpr int64_t kSmallProducts = 1 << 21;

}  // namespace

template <class T>
Status matmul(const MatmulShape& s, const T* a, const T* b, const T* bias, T* c) {
  int64_t count = 1;
  for (int axis = 0; axis < s.batch_rank; ++axis) count *= s.batch[axis];
  const auto product = [&](int64_t index) {
    const T* left = a;
    const T* right = b;
    int64_t rest = index;
    for (int axis = s.batch_rank - 1; axis >= 0; --axis) {
      const int64_t at = rest % s.batch[axis];
      rest /= s.batch[axis];
      left += at * s.a_batch[axis];
      right += at * s.b_batch[axis];
    }
    gemm<T>(s.m, s.n, s.k, {left, s.a_row, s.a_col}, {right, s.b_row, s.b_col}, bias, s.activation,
            c + index * s.m * s.n, s.in_bfloat16);
  };
  const int64_t products = s.m * s.n * s.k;
  if (count > 1 && products < kSmallProducts) {
    const int64_t grain = products > 0 ? (1 << 17) / products + 1 : count;
    parallel_ranges(count, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) product(i);
    });
  } else {
    for (int64_t i = 0; i < count; ++i) product(i);
  }
  return kOk;
}

template Status matmul<float>(const MatmulShape&, const float*, const float*, const float*, float*);
template Status matmul<double>(const MatmulShape&, const double*, const double*, const double*, double*);

}  // namespace hotloop::cpu
