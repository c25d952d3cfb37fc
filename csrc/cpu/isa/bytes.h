// Bytes as lanes, and lanes as bytes: places in a window are kept as bytes.
#pragma once

#include "cpu/isa/vec.h"

namespace hotloop::isa::HL_TIER {
namespace {

/// kLanes bytes widened to lanes, as comparisons want them.
template <class T, std::size_t... I>
HL_INLINE Mask<T> widen(const uint8_t* bytes, std::index_sequence<I...>) {
  return Mask<T>{static_cast<typename VectorTypes<T>::Int>(bytes[I])...};
}

template <class T>
HL_INLINE Mask<T> load_bytes(const uint8_t* bytes) {
  return widen<T>(bytes, std::make_index_sequence<kLanes<T>>{});
}

/// The same of the first n < kLanes, zeros behind them; touches no memory past them.
template <class T>
HL_INLINE Mask<T> load_bytes_part(const uint8_t* bytes, int64_t n) {
  uint8_t part[kLanes<T>] = {};
  for (int64_t i = 0; i < n; ++i) part[i] = bytes[i];
  return load_bytes<T>(part);
}

template <class T, class Width>
HL_INLINE Mask<T> load_bytes_width(const uint8_t* bytes, Width width) {
  if constexpr (std::is_integral_v<Width>) {
    return load_bytes_part<T>(bytes, width);
  } else {
    return load_bytes<T>(bytes);
  }
}

/// The low byte of every lane. One byte shuffle where the compiler has them; converting would go lane by lane.
template <class T, std::size_t... I>
HL_INLINE void store_low_bytes(uint8_t* to, Mask<T> lanes, std::index_sequence<I...>) {
#if __has_builtin(__builtin_shufflevector)
  typedef uint8_t Bytes __attribute__((vector_size(kVectorBytes)));
  const auto low = __builtin_shufflevector((Bytes)lanes, (Bytes)lanes, (I * sizeof(T))...);
  __builtin_memcpy(to, &low, sizeof...(I));
#else
  ((to[I] = static_cast<uint8_t>(lanes[I])), ...);
#endif
}

template <class T>
HL_INLINE void store_bytes(uint8_t* to, Mask<T> lanes) {
  store_low_bytes<T>(to, lanes, std::make_index_sequence<kLanes<T>>{});
}

}  // namespace
}  // namespace hotloop::isa::HL_TIER
