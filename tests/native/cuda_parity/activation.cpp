#include "parity.h"

namespace parity {
namespace {

constexpr ActivationSpec kSpecs[] = {
#define HL_SPEC(name) {Activation::name, 0.3},
    HL_ACTIVATIONS(HL_SPEC)
#undef HL_SPEC
};

const Row forward("activation", [] {
  for (const ActivationSpec& spec : kSpecs) {
    for (const int64_t n : {0, 3, 1029}) {
      for (const int64_t offset : {0, 1}) {
        Floats x(n, offset), y(n);
        x.fill_with_extremes();
        require(cpu().activation(spec, n, here(x), here(y)));
        require(cuda().activation(spec, n, there(x), there(y)));
        compare("activation " + std::to_string(static_cast<int>(spec.kind)), y, 5e-6, 1e-43);
      }
    }
  }
});

const Row backward("activation_grad", [] {
  for (const ActivationSpec& spec : kSpecs) {
    const int64_t n = 1029;
    Floats saved(n), dy(n), dx(n);
    saved.fill_with_extremes();
    dy.fill();
    require(cpu().activation_grad(spec, n, here(saved), here(dy), here(dx)));
    require(cuda().activation_grad(spec, n, there(saved), there(dy), there(dx)));
    compare("activation_grad " + std::to_string(static_cast<int>(spec.kind)), dx, 1e-5, 1e-6);
  }
});

}  // namespace
}  // namespace parity
