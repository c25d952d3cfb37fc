#include "cpu/units/units.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/cpu_features.h"

namespace hotloop::unit {
namespace {

#ifdef HL_UNITS
// Linux keeps the state of tiles only for processes that have asked for it.
bool may_use_tiles() {
  constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, the number of the state
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}

const Bfloat16Unit* best_unit() {
  __builtin_cpu_init();
  if (__builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-bf16") && may_use_tiles()) return &kAmx;
  return __builtin_cpu_supports("avx512bf16") ? &kAvx512Bf16 : nullptr;
}
#else
const Bfloat16Unit* best_unit() { return nullptr; }
#endif

}  // namespace

const Bfloat16Unit* bfloat16_unit() {
  static const Bfloat16Unit* const best = best_unit();
  return current_tier() == Tier::avx512 ? best : nullptr;
}

}  // namespace hotloop::unit
