#include "cpu/bfloat16.h"

#include "cpu/isa/bfloat16.h"
#include "cpu/isa/units/units.h"
#include "cpu/winograd.h"
#include "runtime/threads.h"

namespace hotloop::cpu {
namespace {

constexpr int64_t kFewest = unit::kDepth;  // filters, or elements of a patch: fewer are mostly padding

}  // namespace

const char* bfloat16_unit_name() {
  const unit::Bfloat16Unit* unit = unit::bfloat16_unit();
  return unit != nullptr ? unit->name : nullptr;
}

bool unit_convolves(const Conv2dShape& s) {
  const unit::Bfloat16Unit* unit = unit::bfloat16_unit();
  const int64_t channels = s.c / s.groups, filters = s.f / s.groups;
  return unit != nullptr && (unit->beats_winograd || !suits_winograd(s)) && filters >= kFewest &&
         s.kh * s.kw * channels >= kFewest;
}

void round_to_bfloat16(int64_t n, const float* x, float* y) {
  parallel_ranges(n, 16 * 1024, [&](int64_t begin, int64_t end) {
    isa::bfloat16_micro<float>().round(end - begin, x + begin, y + begin);
  });
}

}  // namespace hotloop::cpu
