// Choices between two operands, and arrays of one value.
#include "cuda/quads.cuh"

namespace hotloop::cuda {
namespace {

__device__ Quad operand(bool whole, const float* x, int64_t i, int64_t left) {
  if (whole) return load_quad(x + i, left);
  return {{*x, *x, *x, *x}};
}

__global__ void __launch_bounds__(kQuadThreads)
    choose(SelectShape s, const uint8_t* condition, const float* a, const float* b, float* y) {
  for_quads(s.n, [&](int64_t i, int64_t left) {
    const Pack<uint8_t, 4> chosen = load_quad(condition + i, left);
    const Quad first = operand(s.a_whole, a, i, left);
    Quad q = operand(s.b_whole, b, i, left);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      if (chosen.v[j] != 0) q.v[j] = first.v[j];
    }
    store_quad(y + i, q, left);
  });
}

__global__ void __launch_bounds__(kQuadThreads) set(int64_t n, float value, float* y) {
  for_quads(n, [&](int64_t i, int64_t left) { store_quad(y + i, Quad{{value, value, value, value}}, left); });
}

}  // namespace

Status select(const SelectShape& s, const uint8_t* condition, const float* a, const float* b, float* y) {
  return launch("select", choose, quad_grid(s.n), kQuadThreads, 0, s, condition, a, b, y);
}

Status full(int64_t n, double value, float* y) {
  return launch("full", set, quad_grid(n), kQuadThreads, 0, n, static_cast<float>(value), y);
}

}  // namespace hotloop::cuda
