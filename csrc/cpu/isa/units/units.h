// Units that multiply bfloat16 numbers and add them up in float32. Each is a file of its own, compiled with its own
// flags; the best that the CPU has serves where the widest tier is in use.
#pragma once

#include <cstdint>

namespace hotloop::unit {

/// The upper half of a float.
using Bfloat16 = uint16_t;

/// Numbers that a unit takes at a time along k: operands are packed to a multiple of it.
inline constexpr int64_t kDepth = 32;
inline constexpr int64_t kColumns = 32;  // of a panel
inline constexpr int kMostRows = 32;     // of a tile

struct Bfloat16Unit {
  const char* name;
  bool beats_winograd;  // by the products that it makes at a time, against those that Winograd's way saves
  int rows;             // of a tile
  /// c (rows, kColumns) = a (rows, k) @ panel, or += where `add`. Rows are a_row and c_row apart; element (p, j) of the
  /// panel is panel[(p / 2 * kColumns + j) * 2 + p % 2]; k is a multiple of kDepth.
  void (*tile)(int64_t k, const Bfloat16* a, int64_t a_row, const Bfloat16* panel, float* c, int64_t c_row, bool add);
};

extern const Bfloat16Unit kAvx512Bf16, kAmx;

/// The unit in use, or null.
const Bfloat16Unit* bfloat16_unit();

}  // namespace hotloop::unit
