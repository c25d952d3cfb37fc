// How a family's micro-kernels reach the rest of the CPU backend: a table of functions per tier, picked at run time.
//
// cpu/isa/<family>.h declares the table and says HL_MICRO(Table, name); cpu/isa/<family>.cpp is one body, compiled once
// per tier by CMake, that defines name##_table<T>() in its tier's namespace. Callers write name##_micro<T>().
// HL_TIERS(X, ...) is CMake's: X(tier, ...) for each tier that is built, and in a body for its own alone.
#pragma once

#include <cstdint>

#include "runtime/cpu_features.h"

namespace hotloop::isa {

/// So many products are added up one after the other; longer sums are sums of such, which keeps their errors small.
inline constexpr int64_t kShortSum = 128;

}  // namespace hotloop::isa

#define HL_MICRO_TABLE(tier, Table, name) \
  namespace tier {                        \
  template <class T>                      \
  const Table<T>& name##_table();         \
  }
#define HL_MICRO_CASE(tier, Table, name) \
  case Tier::tier:                       \
    return tier::name##_table<T>();

#define HL_MICRO(Table, name)                \
  HL_TIERS(HL_MICRO_TABLE, Table, name)      \
  template <class T>                         \
  const Table<T>& name##_micro() {           \
    switch (current_tier()) {                \
      HL_TIERS(HL_MICRO_CASE, Table, name)   \
      default: /* none that was not built */ \
        __builtin_trap();                    \
    }                                        \
  }
