#include "cpu/isa/optim.h"

#include "cpu/isa/vecmath.h"

namespace hotloop::isa::HL_TIER {
namespace {

#include "formulas_optim.h"

/// Calls step(g, w, state...) on every vector of the arrays and stores w and the state.
template <class T, class F, class... S>
HL_INLINE void update(int64_t n, const T* g, T* w, F&& step, S*... state) {
  for_vectors<T>(n, [&](int64_t i, auto width) {
    const auto run = [&](Vec<T> weight, auto... value) {
      step(load_width(g + i, width), weight, value...);
      store_width(w + i, weight, width);
      (store_width(state + i, value, width), ...);
    };
    run(load_width(w + i, width), load_width(state + i, width)...);
  });
}

// The rates are copied: as locals they stay in registers, whatever the stores could be aliases of.

template <class T>
void sgd(const SgdRates& rates, int64_t n, const T* g, T* w, T* velocity) {
  using V = Vec<T>;
  const SgdRates r = rates;
  if (velocity == nullptr) {
    update(n, g, w, [r](V dw, V& weight) { sgd_step(r, dw, weight); });
  } else {
    update(n, g, w, [r](V dw, V& weight, V& speed) { sgd_step(r, dw, weight, speed); }, velocity);
  }
}

template <class T>
void adam(const AdamRates& rates, int64_t n, const T* g, T* w, T* m, T* v, T* v_max) {
  using V = Vec<T>;
  const AdamRates r = rates;
  if (v_max == nullptr) {
    update(n, g, w, [r](V dw, V& weight, V& first, V& second) { adam_step(r, dw, weight, first, second); }, m, v);
  } else {
    const auto step = [r](V dw, V& weight, V& first, V& second, V& largest) {
      adam_step(r, dw, weight, first, second, largest);
    };
    update(n, g, w, step, m, v, v_max);
  }
}

template <class T>
void nadam(const NadamRates& rates, int64_t n, const T* g, T* w, T* m, T* v) {
  using V = Vec<T>;
  const NadamRates r = rates;
  update(n, g, w, [r](V dw, V& weight, V& first, V& second) { nadam_step(r, dw, weight, first, second); }, m, v);
}

template <class T>
void rmsprop(const RmspropRates& rates, int64_t n, const T* g, T* w, T* v, T* mean, T* velocity) {
  const RmspropRates r = rates;
  for_vectors<T>(n, [&](int64_t i, auto width) {
    Vec<T> weight = load_width(w + i, width), square = load_width(v + i, width), average{}, speed{};
    if (mean != nullptr) average = load_width(mean + i, width);
    if (velocity != nullptr) speed = load_width(velocity + i, width);
    rmsprop_step(r, load_width(g + i, width), weight, square, average, speed);
    store_width(w + i, weight, width);
    store_width(v + i, square, width);
    if (mean != nullptr) store_width(mean + i, average, width);
    if (velocity != nullptr) store_width(velocity + i, speed, width);
  });
}

template <class T>
void adagrad(const AdagradRates& rates, int64_t n, const T* g, T* w, T* sum) {
  using V = Vec<T>;
  const AdagradRates r = rates;
  update(n, g, w, [r](V dw, V& weight, V& squares) { adagrad_step(r, dw, weight, squares); }, sum);
}

template <class T>
void lion(const LionRates& rates, int64_t n, const T* g, T* w, T* m) {
  using V = Vec<T>;
  const LionRates r = rates;
  update(n, g, w, [r](V dw, V& weight, V& first) { lion_step(r, dw, weight, first); }, m);
}

/// Doubles for every lane of a Vec<T>.
template <class T>
struct WideLanes {
  typedef double Type __attribute__((vector_size(kLanes<T> * sizeof(double))));
};

// In double from the start: the squares of large gradients overflow in float.
template <class T>
double square_sum(int64_t n, const T* x) {
  using Wide = typename WideLanes<T>::Type;
  Wide sum{};
  for_vectors<T>(n, [&](int64_t i, auto width) {
    const Wide v = __builtin_convertvector(load_width(x + i, width), Wide);
    sum += v * v;
  });
  double total = 0;
  for (int i = 0; i < kLanes<T>; ++i) total += sum[i];
  return total;
}

template <class T>
void scale(int64_t n, double factor, T* x) {
  const Vec<T> factors = splat(static_cast<T>(factor));
  for_vectors<T>(n, [&](int64_t i, auto width) { store_width(x + i, load_width(x + i, width) * factors, width); });
}

}  // namespace

template <class T>
const OptimMicro<T>& optim_table() {
  static constexpr OptimMicro<T> table = {sgd<T>,     adam<T>, nadam<T>,      rmsprop<T>,
                                          adagrad<T>, lion<T>, square_sum<T>, scale<T>};
  return table;
}

template const OptimMicro<float>& optim_table<float>();
template const OptimMicro<double>& optim_table<double>();

}  // namespace hotloop::isa::HL_TIER
