#include "runtime/cpu_features.h"

#include <atomic>
#include <cstdlib>
#include <stdexcept>

namespace hotloop {
namespace {

constexpr int kUnset = -1;
std::atomic<int> chosen{kUnset};

Tier parse_tier(const std::string& name, const char* origin) {
  std::string names;
  for (const Tier tier : available_tiers()) {
    if (name == tier_name(tier)) return tier;
    if (!names.empty()) names.append(", ");
    names.append(tier_name(tier));
  }
  std::string message = "[";
  message.append(origin).append("] tier '").append(name).append("' is not available on this machine; choices: ");
  throw std::invalid_argument(message.append(names));
}

bool runs_here(Tier tier) {
#ifdef __x86_64__
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#else
  const bool avx2 = false, avx512 = false;
#endif
  return tier == Tier::portable || (tier == Tier::avx512 ? avx512 : avx2);
}

}  // namespace

const char* tier_name(Tier tier) {
  switch (tier) {
    case Tier::portable:
      return "portable";
    case Tier::wide:
      return "wide";
    case Tier::avx2:
      return "avx2";
    case Tier::avx512:
      return "avx512";
  }
  return "?";
}

std::vector<Tier> available_tiers() {
  std::vector<Tier> tiers;
#define HL_ADD_TIER(tier, ...) \
  if (runs_here(Tier::tier)) tiers.push_back(Tier::tier);
  HL_TIERS(HL_ADD_TIER)  // CMake's list of those that are built
#undef HL_ADD_TIER
  return tiers;
}

Tier current_tier() {
  int tier = chosen.load(std::memory_order_relaxed);
  if (tier == kUnset) {
    const char* forced = std::getenv("HOTLOOP_ISA");
    tier = static_cast<int>(forced != nullptr && *forced != '\0' ? parse_tier(forced, "HOTLOOP_ISA")
                                                                 : available_tiers().back());
    chosen.store(tier);
  }
  return static_cast<Tier>(tier);
}

void set_tier(const std::string& name) { chosen.store(static_cast<int>(parse_tier(name, "set_isa"))); }

}  // namespace hotloop
