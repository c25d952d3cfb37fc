// Sums of scaled rows: the inner loop of gradients that know where their few non-zeros are.
#pragma once

#include <cstdint>
#include <type_traits>

#include "cpu/isa/micro.h"

namespace hotloop::isa {

/// A non-zero: `value` times the row that begins at `offset`. As wide as two of T: lists of them share L1 with rows.
template <class T>
struct ScaledRow {
  using Offset = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
  Offset offset;
  T value;
};

template <class T>
struct SparseMicro {
  /// out (length) += sum over rows of value * base[offset .. offset + length)
  void (*add_scaled_rows)(int64_t count, const ScaledRow<T>* rows, const T* base, int64_t length, T* out);
};

HL_MICRO(SparseMicro, sparse)

}  // namespace hotloop::isa
