#include "cpu/isa/units/units.h"

#ifdef HL_UNITS
#  include <cpuid.h>
#  include <sys/syscall.h>
#  include <unistd.h>
#endif

#include "runtime/cpu_features.h"

namespace hotloop::unit {
namespace {

#ifdef HL_UNITS
// Linux keeps the state of tiles only for processes that have asked for it.
bool may_use_tiles() {
  constexpr long kRequest = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, the number of the state
  return syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
}

// Of a CPU that has AVX-512. Bits as Intel's manual numbers them, since not all compilers have names for them.
const Bfloat16Unit* best_unit() {
  constexpr unsigned kTile = 1U << 24, kTileBf16 = 1U << 22, kBf16 = 1U << 5;
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return nullptr;
  if ((d & kTile) != 0 && (d & kTileBf16) != 0 && may_use_tiles()) return &kAmx;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & kBf16) != 0 ? &kAvx512Bf16 : nullptr;
}
#else
const Bfloat16Unit* best_unit() { return nullptr; }
#endif

}  // namespace

const Bfloat16Unit* bfloat16_unit() {
  if (current_tier() != Tier::avx512) return nullptr;
  static const Bfloat16Unit* const best = best_unit();
  return best;
}

}  // namespace hotloop::unit
