// Optimizers: the rates of the step once, then runs of elements, shared out.
#include "backend.h"
#include "cpu/advance.h"
#include "cpu/isa/optim.h"
#include "cpu/partial_sums.h"
#include "step_rates.h"

namespace hotloop::cpu {
namespace {

constexpr int64_t kGrain = 16 * 1024;  // elements: a few microseconds of work

template <class F>
Status over_runs(int64_t n, F&& f) {
  parallel_ranges(n, kGrain, [&](int64_t begin, int64_t end) { f(begin, end - begin); });
  return kOk;
}

}  // namespace

template <class T>
Status sgd(const SgdSpec& s, const StepState* state, int64_t n, const T* g, T* w, T* velocity) {
  const SgdRates rates = step_rates(s, *state);
  return over_runs(n, [&](int64_t at, int64_t count) {
    isa::optim_micro<T>().sgd(rates, count, g + at, w + at, advance(velocity, at));
  });
}

template <class T>
Status adam(const AdamSpec& s, const StepState* state, int64_t n, const T* g, T* w, T* m, T* v, T* v_max) {
  const AdamRates rates = step_rates(s, *state);
  return over_runs(n, [&](int64_t at, int64_t count) {
    isa::optim_micro<T>().adam(rates, count, g + at, w + at, m + at, v + at, advance(v_max, at));
  });
}

template <class T>
Status nadam(const NadamSpec& s, const StepState* state, int64_t n, const T* g, T* w, T* m, T* v) {
  const NadamRates rates = step_rates(s, *state);
  return over_runs(
      n, [&](int64_t at, int64_t count) { isa::optim_micro<T>().nadam(rates, count, g + at, w + at, m + at, v + at); });
}

template <class T>
Status rmsprop(const RmspropSpec& s, const StepState* state, int64_t n, const T* g, T* w, T* v, T* mean, T* velocity) {
  const RmspropRates rates = step_rates(s, *state);
  return over_runs(n, [&](int64_t at, int64_t count) {
    isa::optim_micro<T>().rmsprop(rates, count, g + at, w + at, v + at, advance(mean, at), advance(velocity, at));
  });
}

template <class T>
Status adagrad(const AdagradSpec& s, const StepState* state, int64_t n, const T* g, T* w, T* sum) {
  const AdagradRates rates = step_rates(s, *state);
  return over_runs(
      n, [&](int64_t at, int64_t count) { isa::optim_micro<T>().adagrad(rates, count, g + at, w + at, sum + at); });
}

template <class T>
Status lion(const LionSpec& s, const StepState* state, int64_t n, const T* g, T* w, T* m) {
  const LionRates rates = step_rates(s, *state);
  return over_runs(
      n, [&](int64_t at, int64_t count) { isa::optim_micro<T>().lion(rates, count, g + at, w + at, m + at); });
}

template <class T>
Status square_sum(int64_t n, const T* x, double* out) {
  *out = sum_of_ranges(
      n, kGrain, [&](int64_t begin, int64_t end) { return isa::optim_micro<T>().square_sum(end - begin, x + begin); });
  return kOk;
}

template <class T>
Status scale(int64_t n, double factor, T* x) {
  return over_runs(n, [&](int64_t at, int64_t count) { isa::optim_micro<T>().scale(count, factor, x + at); });
}

#define HL_INSTANTIATE(T)                                                                              \
  template Status sgd<T>(const SgdSpec&, const StepState*, int64_t, const T*, T*, T*);                 \
  template Status adam<T>(const AdamSpec&, const StepState*, int64_t, const T*, T*, T*, T*, T*);       \
  template Status nadam<T>(const NadamSpec&, const StepState*, int64_t, const T*, T*, T*, T*);         \
  template Status rmsprop<T>(const RmspropSpec&, const StepState*, int64_t, const T*, T*, T*, T*, T*); \
  template Status adagrad<T>(const AdagradSpec&, const StepState*, int64_t, const T*, T*, T*);         \
  template Status lion<T>(const LionSpec&, const StepState*, int64_t, const T*, T*, T*);               \
  template Status square_sum<T>(int64_t, const T*, double*);                                           \
  template Status scale<T>(int64_t, double, T*);
HL_INSTANTIATE(float)
HL_INSTANTIATE(double)
#undef HL_INSTANTIATE

}  // namespace hotloop::cpu
