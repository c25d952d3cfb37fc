// Which tiers of micro-kernels this machine can run, and which one is in use.
#pragma once

#include <string>
#include <vector>

namespace hotloop {

/// In rising order of preference. `wide` is avx512's code compiled for avx2 (test builds only): the 512-bit bodies can
/// then be tested on a machine that has no AVX-512.
enum class Tier : int { portable, wide, avx2, avx512 };

const char* tier_name(Tier tier);
/// Tiers that were built and that this machine can run.
std::vector<Tier> available_tiers();
/// The tier in use: HOTLOOP_ISA where set, else the best available.
/// Throws std::invalid_argument where HOTLOOP_ISA names a tier that is not available.
Tier current_tier();
/// Uses another tier from now on; throws std::invalid_argument as above. For tests and comparisons.
void set_tier(const std::string& name);

}  // namespace hotloop
