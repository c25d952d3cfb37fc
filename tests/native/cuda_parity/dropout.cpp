#include "parity.h"

namespace parity {
namespace {

struct State : Twin<StepState> {
  explicit State(int64_t step) : Twin(1) {
    host[0] = {};
    host[0].step = step;
    upload();
  }
};

const Row dropout("dropout", [] {
  for (const int64_t n : {0, 1, 63, 64, 1000, 70001}) {
    for (const double rate : {0.0, 0.1, 0.5, 1.0}) {
      const DropoutSpec s{n, rate, 0x123456789ABCDEFu, (uint64_t{5} << 32) + 7};
      Floats x(n, 1), y(n);
      x.fill_with_extremes();
      State state(n);
      require(cpu().dropout(s, here(state), here(x), here(y)));
      require(cuda().dropout(s, there(state), there(x), there(y)));
      compare("dropout with a state", y, 0, 0);
      require(cpu().dropout(s, nullptr, here(x), here(y)));
      require(cuda().dropout(s, nullptr, there(x), there(y)));
      compare("dropout", y, 0, 0);
      require(cuda().dropout(s, nullptr, there(x), there(x)));
      x.host = y.host;
      compare("dropout in place", x, 0, 0);
    }
  }
});

}  // namespace
}  // namespace parity
