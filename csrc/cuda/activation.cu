// Activations: a quad of elements a thread at a time.
#include "cuda/math.cuh"
#include "cuda/quads.cuh"

namespace hotloop::cuda {
namespace {

template <Activation kind>
__global__ void __launch_bounds__(kQuadThreads) forward(int64_t n, float alpha, const float* x, float* y) {
  for_quads(n, [&](int64_t i, int64_t left) {
    Quad q = load_quad(x + i, left);
#pragma unroll
    for (float& v : q.v) v = activate<kind>(v, alpha);
    store_quad(y + i, q, left);
  });
}

template <Activation kind>
__global__ void __launch_bounds__(kQuadThreads)
    backward(int64_t n, float alpha, const float* saved, const float* dy, float* dx) {
  for_quads(n, [&](int64_t i, int64_t left) {
    const Quad s = load_quad(saved + i, left);
    Quad d = load_quad(dy + i, left);
#pragma unroll
    for (int j = 0; j < 4; ++j) d.v[j] = activate_grad<kind>(s.v[j], d.v[j], alpha);
    store_quad(dx + i, d, left);
  });
}

}  // namespace

Status activation(ActivationSpec act, int64_t n, const float* x, float* y) {
  Status status = kOk;
  with_activation(act.kind, [&](auto kind) {
    status = launch("activation", forward<decltype(kind)::value>, quad_grid(n), kQuadThreads, 0, n,
                    static_cast<float>(act.alpha), x, y);
  });
  return status;
}

Status activation_grad(ActivationSpec act, int64_t n, const float* saved, const float* dy, float* dx) {
  Status status = kOk;
  with_activation(act.kind, [&](auto kind) {
    status = launch("activation_grad", backward<decltype(kind)::value>, quad_grid(n), kQuadThreads, 0, n,
                    static_cast<float>(act.alpha), saved, dy, dx);
  });
  return status;
}

}  // namespace hotloop::cuda
