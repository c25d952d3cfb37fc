#include "cpu/bfloat16.h"

#include "cpu/isa/bfloat16.h"
#include "cpu/units/units.h"
#include "runtime/threads.h"

namespace hotloop::cpu {

const char* bfloat16_unit_name() {
  const unit::Bfloat16Unit* unit = unit::bfloat16_unit();
  return unit != nullptr ? unit->name : nullptr;
}

void round_to_bfloat16(int64_t n, const float* x, float* y) {
  parallel_ranges(n, 16 * 1024, [&](int64_t begin, int64_t end) {
    isa::bfloat16_micro<float>().round(end - begin, x + begin, y + begin);
  });
}

}  // namespace hotloop::cpu
