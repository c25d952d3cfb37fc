// Dropout: each element's fate follows from its place alone, so that chunks need nothing from each other.
#include "backend.h"

#include <algorithm>

#include "cpu/isa/dropout.h"
#include "runtime/threads.h"

namespace hotloop::cpu {
namespace {

constexpr int64_t kGrain = 8 * 1024;  // elements: a few microseconds of work, a multiple of the tile

}  // namespace

template <class T>
Status dropout(const DropoutSpec& spec, const StepState* state, const T* x, T* y) {
  DropoutSpec s = spec;
  if (state != nullptr) s.counter += static_cast<uint64_t>(state->step);
  parallel_ranges(s.n, kGrain, [&](int64_t begin, int64_t end) {
    if (s.rate >= 1) {
      std::fill(y + begin, y + end, T{});
    } else if (s.rate > 0) {
      isa::dropout_micro<T>().keep(s, begin, end - begin, x + begin, y + begin);
    } else if (y != x) {
      std::copy(x + begin, x + end, y + begin);
    }
  });
  return kOk;
}

template Status dropout<float>(const DropoutSpec&, const StepState*, const float*, float*);
template Status dropout<double>(const DropoutSpec&, const StepState*, const double*, double*);

}  // namespace hotloop::cpu
