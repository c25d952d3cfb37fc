#include "cpu/isa/batch.h"

#include "cpu/isa/vec.h"

namespace hotloop::isa::HL_TIER {
namespace {

/// As many bytes as a Vec<T> has lanes.
template <class T>
struct LaneBytes {
  typedef uint8_t Type __attribute__((vector_size(kLanes<T>)));
};

template <class T>
void rescale(int64_t n, const uint8_t* x, double factor, double offset, T* y) {
  using Bytes = typename LaneBytes<T>::Type;
  const Vec<T> factors = splat(static_cast<T>(factor)), offsets = splat(static_cast<T>(offset));
  for_vectors<T>(n, [&](int64_t i, auto width) {
    Bytes bytes{};
    if constexpr (std::is_integral_v<decltype(width)>) {
      for (int64_t k = 0; k < width; ++k) bytes[k] = x[i + k];
    } else {
      __builtin_memcpy(&bytes, x + i, sizeof(bytes));
    }
    // By way of integers as wide as T, which is how the hardware widens them.
    const auto whole = __builtin_convertvector(bytes, Mask<T>);
    store_width(y + i, __builtin_convertvector(whole, Vec<T>) * factors + offsets, width);
  });
}

template <class T>
void add(int64_t n, const T* x, T* y) {
  for_vectors<T>(n, [&](int64_t i, auto width) {
    store_width(y + i, load_width(y + i, width) + load_width(x + i, width), width);
  });
}

}  // namespace

template <class T>
const BatchMicro<T>& batch_table() {
  static constexpr BatchMicro<T> table = {rescale<T>, add<T>};
  return table;
}

template const BatchMicro<float>& batch_table<float>();
template const BatchMicro<double>& batch_table<double>();

}  // namespace hotloop::isa::HL_TIER
