// Activations: runs of elements, shared out.
#include "backend.h"
#include "cpu/isa/activation.h"
#include "runtime/threads.h"

namespace hotloop::cpu {
namespace {

constexpr int64_t kGrain = 16 * 1024;  // elements: a few microseconds of work

}  // namespace

template <class T>
Status activation(ActivationSpec act, int64_t n, const T* x, T* y) {
  parallel_ranges(n, kGrain, [&](int64_t begin, int64_t end) {
    isa::activation_micro<T>().forward(act, end - begin, x + begin, y + begin);
  });
  return kOk;
}

template <class T>
Status activation_grad(ActivationSpec act, int64_t n, const T* saved, const T* dy, T* dx) {
  parallel_ranges(n, kGrain, [&](int64_t begin, int64_t end) {
    isa::activation_micro<T>().backward(act, end - begin, saved + begin, dy + begin, dx + begin);
  });
  return kOk;
}

template Status activation<float>(ActivationSpec, int64_t, const float*, float*);
template Status activation<double>(ActivationSpec, int64_t, const double*, double*);
template Status activation_grad<float>(ActivationSpec, int64_t, const float*, const float*, float*);
template Status activation_grad<double>(ActivationSpec, int64_t, const double*, const double*, double*);

}  // namespace hotloop::cpu
