// Optimizers: each a single launch over the flat buffers. The state of the step is read from device memory, so that a
// captured step can be replayed; its rates are worked out once a block.
#include "cuda/math.cuh"
#include "cuda/ptx.cuh"
#include "cuda/quads.cuh"
#include "cuda/sums.cuh"

namespace hotloop::cuda {
namespace {

// How an element changes: its gradient, its weight and its state.

struct Sgd {
  template <class... V>
  __device__ void operator()(const SgdRates& r, float g, float& w, V&... velocity) const {
    sgd_step(r, g, w, velocity...);
  }
};
struct Adam {
  template <class... V>
  __device__ void operator()(const AdamRates& r, float g, float& w, V&... moments) const {
    adam_step(r, g, w, moments...);
  }
};
struct Nadam {
  __device__ void operator()(const NadamRates& r, float g, float& w, float& m, float& v) const {
    nadam_step(r, g, w, m, v);
  }
};
struct Rmsprop {
  __device__ void operator()(const RmspropRates& r, float g, float& w, float& v, float& mean, float& velocity) const {
    rmsprop_step(r, g, w, v, mean, velocity);
  }
};
struct Adagrad {
  __device__ void operator()(const AdagradRates& r, float g, float& w, float& sum) const { adagrad_step(r, g, w, sum); }
};
struct Lion {
  __device__ void operator()(const LionRates& r, float g, float& w, float& m) const { lion_step(r, g, w, m); }
};

/// A quad of a state's array, which may be null where the step does not use it.
__device__ Quad load_state(const float* p, int64_t i, int64_t left) {
  return p != nullptr ? load_quad(p + i, left) : Quad{};
}
__device__ void store_state(float* p, int64_t i, const Quad& q, int64_t left) {
  if (p != nullptr) store_quad(p + i, q, left);
}

template <class Step, class Spec, class... S>
__global__ void __launch_bounds__(kQuadThreads)
    update(Spec spec, const StepState* state, int64_t n, const float* g, float* w, S*... arrays) {
  using Rates = decltype(step_rates(spec, *state));
  auto& shared = shared_memory<Rates>();
  if (threadIdx.x == 0) shared = step_rates(spec, *state);
  __syncthreads();
  const Rates rates = shared;
  for_quads(n, [&](int64_t i, int64_t left) {
    const auto step = [&](auto... quad) {
      const Quad slope = load_quad(g + i, left);
      Quad weight = load_quad(w + i, left);
#pragma unroll
      for (int j = 0; j < 4; ++j) Step()(rates, slope.v[j], weight.v[j], quad.v[j]...);
      store_quad(w + i, weight, left);
      (store_state(arrays, i, quad, left), ...);
    };
    step(load_state(arrays, i, left)...);
  });
}

/// Few enough blocks that working out the rates costs little, and as many as the device can hold at once.
dim3 update_grid(int64_t n) {
  const int64_t wanted = divide_up(n, 4 * kQuadThreads), most = int64_t{8} * device_info().multiprocessors;
  return dim3(static_cast<unsigned>(wanted < most ? wanted : most));
}

template <class Step, class Spec, class... S>
Status launch_update(const char* name, const Spec& spec, const StepState* state, int64_t n, const float* g, float* w,
                     S*... arrays) {
  return launch(name, update<Step, Spec, S...>, update_grid(n), kQuadThreads, sizeof(step_rates(spec, *state)), spec,
                state, n, g, w, arrays...);
}

__global__ void __launch_bounds__(kQuadThreads) add_squares(Cut cut, const float* x, SumTarget<double> sum) {
  // In double from the start: the squares of large gradients overflow in float.
  double total = 0;
  const int64_t end = cut.end();
  for (int64_t i = cut.begin() + 4 * static_cast<int64_t>(threadIdx.x); i < end; i += 4 * kQuadThreads) {
    const Quad q = load_quad(x + i, end - i);
#pragma unroll
    for (const float v : q.v) total += static_cast<double>(v) * static_cast<double>(v);
  }
  add_to_sum(total, sum, shared_memory<SumMemory>().part);
}

__global__ void __launch_bounds__(kQuadThreads) multiply(int64_t n, float factor, float* x) {
  for_quads(n, [&](int64_t i, int64_t left) {
    Quad q = load_quad(x + i, left);
#pragma unroll
    for (float& v : q.v) v *= factor;
    store_quad(x + i, q, left);
  });
}

}  // namespace

Status sgd(const SgdSpec& s, const StepState* state, int64_t n, const float* g, float* w, float* velocity) {
  if (velocity == nullptr) return launch_update<Sgd>("sgd", s, state, n, g, w);
  return launch_update<Sgd>("sgd", s, state, n, g, w, velocity);
}

Status adam(const AdamSpec& s, const StepState* state, int64_t n, const float* g, float* w, float* m, float* v,
            float* v_max) {
  if (v_max == nullptr) return launch_update<Adam>("adam", s, state, n, g, w, m, v);
  return launch_update<Adam>("adam", s, state, n, g, w, m, v, v_max);
}

Status nadam(const NadamSpec& s, const StepState* state, int64_t n, const float* g, float* w, float* m, float* v) {
  return launch_update<Nadam>("nadam", s, state, n, g, w, m, v);
}

Status rmsprop(const RmspropSpec& s, const StepState* state, int64_t n, const float* g, float* w, float* v, float* mean,
               float* velocity) {
  return launch_update<Rmsprop>("rmsprop", s, state, n, g, w, v, mean, velocity);
}

Status adagrad(const AdagradSpec& s, const StepState* state, int64_t n, const float* g, float* w, float* sum) {
  return launch_update<Adagrad>("adagrad", s, state, n, g, w, sum);
}

Status lion(const LionSpec& s, const StepState* state, int64_t n, const float* g, float* w, float* m) {
  return launch_update<Lion>("lion", s, state, n, g, w, m);
}

Status square_sum(int64_t n, const float* x, double* out) {
  constexpr int64_t at_once = 4 * kQuadThreads;
  const Cut cut(n, at_once, n <= 8 * at_once);
  const Scratch<double> partial(cut.one_block() ? 0 : cut.blocks());
  HL_TRY(partial.status());
  const SumTarget<double> sum{partial.get(), out, {}};
  HL_TRY(launch("square_sum", add_squares, dim3(static_cast<unsigned>(cut.blocks())), kQuadThreads, sizeof(SumMemory),
                cut, x, sum));
  return end_sum("square_sum", cut, sum);
}

Status scale(int64_t n, double factor, float* x) {
  return launch("scale", multiply, quad_grid(n), kQuadThreads, 0, n, static_cast<float>(factor), x);
}

}  // namespace hotloop::cuda
