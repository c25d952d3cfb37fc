// How a family's micro-kernels reach the rest of the CPU backend: a table of functions per tier, picked at run time.
//
// cpu/isa/<family>.h declares the table and says HL_MICRO(Table, name); cpu/isa/<family>.cpp is one body, compiled once
// per tier by CMake, that defines name##_table<T>() in its tier's namespace. Callers write name##_micro<T>().
#pragma once

#include "runtime/cpu_features.h"

#ifdef HL_WIDE_TIER
#  define HL_WIDE_CASE(name) \
    case Tier::wide:         \
      return wide::name##_table<T>();
#else
#  define HL_WIDE_CASE(name)
#endif

#ifdef HL_X86_TIERS
#  define HL_X86_CASES(name)          \
    HL_WIDE_CASE(name)                \
    case Tier::avx2:                  \
      return avx2::name##_table<T>(); \
    case Tier::avx512:                \
      return avx512::name##_table<T>();
#else
#  define HL_X86_CASES(name)
#endif

#define HL_MICRO_TIER(tier, Table, name) \
  namespace tier {                       \
  template <class T>                     \
  const Table<T>& name##_table();        \
  }

#define HL_MICRO(Table, name)               \
  HL_MICRO_TIER(portable, Table, name)      \
  HL_MICRO_TIER(wide, Table, name)          \
  HL_MICRO_TIER(avx2, Table, name)          \
  HL_MICRO_TIER(avx512, Table, name)        \
  template <class T>                        \
  const Table<T>& name##_micro() {          \
    switch (current_tier()) {               \
      HL_X86_CASES(name)                    \
      default:                              \
        return portable::name##_table<T>(); \
    }                                       \
  }
