// Elementwise operations, a quad of elements a thread at a time. Operands that are runs or single values are read as
// they lie; for others a quad's place is found in every axis.
#include "cuda/math.cuh"
#include "cuda/walk.cuh"

namespace hotloop::cuda {
namespace {

template <UnaryOp op>
__global__ void __launch_bounds__(kQuadThreads) map(int64_t n, const float* x, float* y) {
  for_quads(n, [&](int64_t i, int64_t left) {
    Quad q = load_quad(x + i, left);
#pragma unroll
    for (float& v : q.v) v = unary_op<op>(v);
    store_quad(y + i, q, left);
  });
}

template <BinaryOp op>
struct Binary {
  using Result = float;
  __device__ float operator()(float a, float b) const { return binary_op<op>(a, b); }
};

template <CompareOp op>
struct Compare {
  using Result = uint8_t;
  __device__ uint8_t operator()(float a, float b) const { return compare_op<op>(a, b) ? 1 : 0; }
};

template <class F>
__device__ void store_results(const Quad& a, const Quad& b, int64_t left, typename F::Result* y) {
  Pack<typename F::Result, 4> result;
#pragma unroll
  for (int j = 0; j < 4; ++j) result.v[j] = F()(a.v[j], b.v[j]);
  store_quad(y, result, left);
}

__device__ Quad read_run(const float* x, int step, int64_t i, int64_t left) {
  if (step == 1) return load_quad(x + i, left);
  return {{*x, *x, *x, *x}};
}

/// Each operand is a run, of step 1, or one value, of step 0.
template <class F>
__global__ void __launch_bounds__(kQuadThreads)
    over_runs(int64_t n, const float* a, int a_step, const float* b, int b_step, typename F::Result* y) {
  for_quads(n, [&](int64_t i, int64_t left) {
    store_results<F>(read_run(a, a_step, i, left), read_run(b, b_step, i, left), left, y + i);
  });
}

template <class F>
__global__ void __launch_bounds__(kQuadThreads)
    over_walk(DeviceWalk walk, int64_t n, const float* a, const float* b, typename F::Result* y) {
  for_quads(n, [&](int64_t i, int64_t left) {
    Quad operand[2];
    walk.read<2>(i, left, {a, b}, operand);
    store_results<F>(operand[0], operand[1], left, y + i);
  });
}

/// y (n) = x (n) ** *exponent, without a logarithm where the exponent is a small whole number, 1/2 or -1.
__global__ void __launch_bounds__(kQuadThreads) power(int64_t n, const float* x, const float* exponent, float* y) {
  const float e = *exponent;
  const int whole = e >= 0.0f && e <= static_cast<float>(kWholePowers) ? static_cast<int>(e) : 0;
  const bool is_whole = static_cast<float>(whole) == e;
  for_quads(n, [&](int64_t i, int64_t left) {
    Quad q = load_quad(x + i, left);
    if (is_whole) {
      for (float& v : q.v) v = whole_power(v, whole);
    } else if (e == 0.5f) {
      for (float& v : q.v) v = root_power(v);
    } else if (e == -1.0f) {
      for (float& v : q.v) v = 1.0f / v;
    } else {
      for (float& v : q.v) v = pow_(v, e);
    }
    store_quad(y + i, q, left);
  });
}

__global__ void __launch_bounds__(kQuadThreads) add_to(int64_t n, const float* x, float* y) {
  for_quads(n, [&](int64_t i, int64_t left) {
    const Quad q = load_quad(x + i, left);
    Quad sum = load_quad(y + i, left);
#pragma unroll
    for (int j = 0; j < 4; ++j) sum.v[j] += q.v[j];
    store_quad(y + i, sum, left);
  });
}

bool runs_or_repeats(const Walk& walk, int operand) {
  return walk.rank == 1 && (walk.step(operand) == 0 || walk.step(operand) == 1);
}

template <class F>
Status over_pairs(const char* name, const Walk& walk, const float* a, const float* b, typename F::Result* y) {
  const int64_t n = walk.total();
  if (n == 0) return kOk;
  if (runs_or_repeats(walk, 0) && runs_or_repeats(walk, 1)) {
    return launch(name, over_runs<F>, quad_grid(n), kQuadThreads, 0, n, a, static_cast<int>(walk.step(0)), b,
                  static_cast<int>(walk.step(1)), y);
  }
  return launch(name, over_walk<F>, quad_grid(n), kQuadThreads, 0, DeviceWalk(walk), n, a, b, y);
}

}  // namespace

Status unary(UnaryOp op, int64_t n, const float* x, float* y) {
  Status status = kOk;
  with_unary(op, [&](auto kind) {
    status = launch("unary", map<decltype(kind)::value>, quad_grid(n), kQuadThreads, 0, n, x, y);
  });
  return status;
}

Status binary(BinaryOp op, const BroadcastShape& s, const float* a, const float* b, float* y) {
  const Walk walk(s);
  const bool one_exponent = walk.rank == 1 && walk.step(0) == 1 && walk.step(1) == 0;
  if (op == BinaryOp::power && one_exponent) {
    return launch("power", power, quad_grid(walk.total()), kQuadThreads, 0, walk.total(), a, b, y);
  }
  Status status = kOk;
  with_binary(op, [&](auto kind) { status = over_pairs<Binary<decltype(kind)::value>>("binary", walk, a, b, y); });
  return status;
}

Status compare(CompareOp op, const BroadcastShape& s, const float* a, const float* b, uint8_t* y) {
  const Walk walk(s);
  Status status = kOk;
  with_compare(op, [&](auto kind) { status = over_pairs<Compare<decltype(kind)::value>>("compare", walk, a, b, y); });
  return status;
}

Status accumulate(int64_t n, const float* x, float* y) {
  return launch("accumulate", add_to, quad_grid(n), kQuadThreads, 0, n, x, y);
}

}  // namespace hotloop::cuda
