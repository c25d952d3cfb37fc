// Large products in bfloat16: operands are rounded and packed once, two numbers a word, instead of by every block that
// reads them. That halves what blocks fetch, which is what bounds them.
#pragma once

#include "cuda/gemm_tile.cuh"

namespace hotloop::cuda {

struct Rows;
struct Finish;

/// The cycles that it should take, packing included; see plan_product.
double packed_cycles(int m, int n, int depth);

/// out = finish(a (m, depth) times b (n, depth)); the operands have no batches.
Status packed_product(const Matrix& a, const Matrix& b, const Rows& out, const Finish& finish, int m, int n, int depth);

}  // namespace hotloop::cuda
