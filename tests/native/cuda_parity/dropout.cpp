#include "parity.h"

namespace parity {
namespace {

const Row dropout("dropout", [] {
  for (const int64_t n : {0, 1, 63, 64, 1000, 70001}) {
    for (const double rate : {0.0, 0.1, 0.5, 1.0}) {
      const DropoutSpec s{n, rate, 0x123456789ABCDEFu, (uint64_t{5} << 32) + 7};
      Floats x(n, 1), y(n);
      x.fill_with_extremes();
      require(cpu().dropout(s, here(x), here(y)));
      require(cuda().dropout(s, there(x), there(y)));
      compare("dropout", y, 0, 0);
      require(cuda().dropout(s, there(x), there(x)));
      x.host = y.host;
      compare("dropout in place", x, 0, 0);
    }
  }
});

}  // namespace
}  // namespace parity
