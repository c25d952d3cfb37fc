// matmul: operands as they lie, normal or transposed, in batches that may be broadcast.
#include <algorithm>

#include "axes.h"
#include "cuda/gemm.cuh"
#include "cuda/matmul_packed.cuh"
#include "cuda/matmul_skinny.cuh"

namespace hotloop::cuda {
namespace {

Matrix operand(const float* data, int64_t index_stride, int64_t depth_stride, const Walk& batch, int which) {
  Matrix matrix{data, static_cast<int>(index_stride), static_cast<int>(depth_stride), batch.rank, {}, {}};
  for (int i = 0; i < batch.rank; ++i) {
    matrix.batch_size[i] = static_cast<int>(batch.size[i]);
    matrix.batch_stride[i] = batch.stride[which][i];
  }
  return matrix;
}

// Whether all chunks of four along memory lie on 16 bytes and hold four elements.
bool in_chunks(const Matrix& matrix, bool deep, int64_t count, int64_t depth) {
  const int64_t along = deep ? matrix.depth_stride : matrix.index_stride;
  const int64_t across = deep ? matrix.index_stride : matrix.depth_stride;
  bool whole = along == 1 && across % 4 == 0 && (deep ? depth : count) % 4 == 0 &&
               reinterpret_cast<uintptr_t>(matrix.data) % 16 == 0;
  // A batch of one has an axis too, whose stride means nothing.
  for (int i = 0; i < matrix.batch_rank; ++i) {
    whole = whole && (matrix.batch_size[i] == 1 || matrix.batch_stride[i] % 4 == 0);
  }
  return whole;
}

// In bfloat16, of one product; aligned operands need no packing to reach tensor cores.
bool is_worth_packing(bool aligned, int m, int n, int depth, int batches) {
  if (precision() != Precision::bfloat16 || batches != 1) return false;
  const auto cycles = [&](const BlockKind& kind) { return plan_product(kind, m, n, depth, 1, kMostSplits).cycles; };
  return packed_cycles(m, n, depth) <
         (aligned ? std::min(cycles(kKind<Bfloat16Large>), cycles(kKind<Bfloat16Small>)) : cycles(kKind<SimtSmall>));
}

// Memory of an operand is deep where depth is its run.
template <bool kDeepA, bool kDeepB>
Status run_layout(const Matrix& a, const Matrix& b, const Rows& out, const Finish& finish, int m, int n, int depth,
                  int batches) {
  const bool aligned = in_chunks(a, kDeepA, m, depth) && in_chunks(b, kDeepB, n, depth);
  if (is_worth_packing(aligned, m, n, depth, batches)) return packed_product(a, b, out, finish, m, n, depth);
  if constexpr (!kDeepA && kDeepB) {
    // Both transposed: rare, and not worth kernels of its own.
    const Cut cut = plan_product(kKind<SimtSmall>, m, n, depth, batches, kMostSplits).cut;
    return run_product<SimtSmall, kDeepA, kDeepB, false>("matmul", a, b, out, finish, cut);
  } else {
    return run_precise<kDeepA, kDeepB>("matmul", aligned, a, b, out, finish, m, n, depth, batches);
  }
}

}  // namespace

Status matmul(const MatmulShape& s, const float* a, const float* b, const float* bias, float* c) {
  int64_t count = 1;
  for (int axis = 0; axis < s.batch_rank; ++axis) count *= s.batch[axis];
  if (s.m * s.n * count == 0) return kOk;
  constexpr int64_t most = 0x7FFFFFFF;
  for (const int64_t size : {s.m, s.n, s.k + kSlab * kMostSplits, count, s.a_row, s.a_col, s.b_row, s.b_col}) {
    if (size > most || size < -most) return "an axis or a stride is beyond 2^31 - 1 elements";
  }
  const Walk batch(s.batch_rank, s.batch, s.a_batch, s.b_batch);
  const Matrix left = operand(a, s.a_row, s.a_col, batch, 0), right = operand(b, s.b_col, s.b_row, batch, 1);
  const Rows out = {c, s.n, s.m * s.n};
  const bool relu = s.activation.kind == Activation::relu;
  const Finish finish = {bias, false, relu};
  const int m = static_cast<int>(s.m), n = static_cast<int>(s.n), depth = static_cast<int>(s.k);
  const int batches = static_cast<int>(count);
  const bool deep_a = s.a_col == 1, deep_b = s.b_col != 1;
  Status status = kOk;
  if (is_skinny(left, right, m, n)) {
    status = skinny_product(left, right, out, finish, m, n, depth, batches);
  } else if (deep_a) {
    status = deep_b ? run_layout<true, true>(left, right, out, finish, m, n, depth, batches)
                    : run_layout<true, false>(left, right, out, finish, m, n, depth, batches);
  } else {
    status = deep_b ? run_layout<false, true>(left, right, out, finish, m, n, depth, batches)
                    : run_layout<false, false>(left, right, out, finish, m, n, depth, batches);
  }
  HL_TRY(status);
  if (relu || s.activation.kind == Activation::none) return kOk;
  return activation(s.activation, s.m * s.n * count, c, c);
}

}  // namespace hotloop::cuda
