#include "cpu/isa/batch.h"

#include "cpu/isa/vec.h"

namespace hotloop::isa::HL_TIER {
namespace {

inline constexpr int kStep = 16;  // bytes taken at a time: the least that fills a vector of bytes everywhere

template <class E>
struct Step {
  typedef E Type __attribute__((vector_size(kStep * sizeof(E))));
  typedef E Unaligned __attribute__((vector_size(kStep * sizeof(E)), aligned(1), may_alias));
};
template <class E>
using StepOf = typename Step<E>::Type;

/// Register by register: as one, an oversized vector goes by way of the stack.
template <class T, int kAt = 0, int... kLane>
HL_INLINE void store_parts(T* y, StepOf<T> v, std::integer_sequence<int, kLane...> lanes) {
#if __has_builtin(__builtin_shufflevector)
  store<T>(y + kAt, __builtin_shufflevector(v, v, kAt + kLane...));
#else
  __builtin_memcpy(y + kAt, reinterpret_cast<const T*>(&v) + kAt, sizeof(Vec<T>));
#endif
  if constexpr (kAt + kLanes<T> < kStep) store_parts<T, kAt + kLanes<T>>(y, v, lanes);
}

/// y (kStep) = x (kStep) * factor + offset. Doubling the width by and by is what the hardware has instructions for.
template <class T>
HL_INLINE void rescale_step(const uint8_t* x, T factor, T offset, T* y) {
  const StepOf<uint8_t> bytes = *reinterpret_cast<const typename Step<uint8_t>::Unaligned*>(x);
  const auto whole = __builtin_convertvector(__builtin_convertvector(bytes, StepOf<uint16_t>), StepOf<int32_t>);
  const StepOf<T> result = __builtin_convertvector(whole, StepOf<T>) * factor + offset;
  store_parts<T>(y, result, std::make_integer_sequence<int, kLanes<T>>{});
}

template <class T>
void rescale(int64_t n, const uint8_t* x, double factor, double offset, T* y) {
  const T f = static_cast<T>(factor), o = static_cast<T>(offset);
  int64_t i = 0;
  for (; i + kStep <= n; i += kStep) rescale_step(x + i, f, o, y + i);
  if (i == n) return;
  uint8_t rest[kStep] = {};
  T result[kStep];
  __builtin_memcpy(rest, x + i, static_cast<unsigned long>(n - i));
  rescale_step(rest, f, o, result);
  __builtin_memcpy(y + i, result, static_cast<unsigned long>(n - i) * sizeof(T));
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
