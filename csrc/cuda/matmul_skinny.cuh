// Products of which one side is a few vectors: bound by reading the other side once.
#pragma once

#include "cuda/gemm.cuh"

namespace hotloop::cuda {

/// Whether skinny_product is the way for a (m, depth) times b (n, depth).
bool is_skinny(const Matrix& a, const Matrix& b, int m, int n);

Status skinny_product(const Matrix& a, const Matrix& b, const Rows& out, const Finish& finish, int m, int n, int depth,
                      int batches);

}  // namespace hotloop::cuda
