#include "cpu/isa/activation.h"

#include "cpu/isa/vecmath.h"

namespace hotloop::isa::HL_TIER {
namespace {

#include "formulas.h"

template <class T>
void forward(ActivationSpec act, int64_t n, const T* x, T* y) {
  const Vec<T> alpha = splat(static_cast<T>(act.alpha));
  with_activation(act.kind, [&](auto kind) {
    map_vectors<T>(
        n, y, [&](int64_t i, auto width) { return activate<decltype(kind)::value>(load_width(x + i, width), alpha); });
  });
}

template <class T>
void backward(ActivationSpec act, int64_t n, const T* saved, const T* dy, T* dx) {
  const Vec<T> alpha = splat(static_cast<T>(act.alpha));
  with_activation(act.kind, [&](auto kind) {
    map_vectors<T>(n, dx, [&](int64_t i, auto width) {
      return activate_grad<decltype(kind)::value>(load_width(saved + i, width), load_width(dy + i, width), alpha);
    });
  });
}

}  // namespace

template <class T>
const ActivationMicro<T>& activation_table() {
  static constexpr ActivationMicro<T> table = {forward<T>, backward<T>};
  return table;
}

template const ActivationMicro<float>& activation_table<float>();
template const ActivationMicro<double>& activation_table<double>();

}  // namespace hotloop::isa::HL_TIER
