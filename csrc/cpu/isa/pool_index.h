// A vector of indices beside a vector of T: int32 in memory, as wide as T in registers.
#pragma once

#include "cpu/isa/vec.h"

namespace hotloop::isa::HL_TIER {
namespace {

template <class T>
using Int = typename VectorTypes<T>::Int;

template <class T>
using NarrowIndex __attribute__((vector_size(4 * kLanes<T>))) = int32_t;

template <class T>
HL_INLINE void store_indices(int32_t* p, Mask<T> at) {
  const auto narrow = __builtin_convertvector(at, NarrowIndex<T>);
  __builtin_memcpy(p, &narrow, sizeof(narrow));
}

template <class T>
HL_INLINE Mask<T> load_indices(const int32_t* p) {
  NarrowIndex<T> narrow;
  __builtin_memcpy(&narrow, p, sizeof(narrow));
  return __builtin_convertvector(narrow, Mask<T>);
}

}  // namespace
}  // namespace hotloop::isa::HL_TIER
