// Sums stay in registers over all rows, kBlock vectors at a time: one load and one product per vector and row.
#include "cpu/isa/sparse.h"

#include "cpu/isa/vec.h"

namespace hotloop::isa::HL_TIER {
namespace {

inline constexpr int kBlock = HL_VECTOR_REGISTERS >= 32 ? 24 : 12;

template <int V, class T>
HL_INLINE void add_block(int64_t count, const ScaledRow<T>* rows, const T* base, T* out) {
  Vec<T> sum[V];
#pragma GCC unroll 24
  for (int v = 0; v < V; ++v) sum[v] = load(out + v * kLanes<T>);
  for (int64_t i = 0; i < count; ++i) {
    const T* row = base + rows[i].offset;
    asm("" : "+r"(row));  // one address with constant offsets, not an index computed for each vector
    const Vec<T> value = splat(rows[i].value);
#pragma GCC unroll 24
    for (int v = 0; v < V; ++v) sum[v] += value * load(row + v * kLanes<T>);
  }
#pragma GCC unroll 24
  for (int v = 0; v < V; ++v) store<T>(out + v * kLanes<T>, sum[v]);
}

// The last length % lanes elements.
template <class T>
HL_INLINE void add_rest(int64_t count, const ScaledRow<T>* rows, const T* base, int64_t length, T* out) {
  Vec<T> sum = load_part(out, length);
  for (int64_t i = 0; i < count; ++i) sum += splat(rows[i].value) * load_part(base + rows[i].offset, length);
  store_part<T>(out, sum, length);
}

template <class T>
void add_scaled_rows(int64_t count, const ScaledRow<T>* rows, const T* base, int64_t length, T* out) {
  constexpr int64_t lanes = kLanes<T>;
  int64_t done = 0;
  const auto take = [&]<int V>(std::integral_constant<int, V>) {
    for (; done + V * lanes <= length; done += V * lanes) add_block<V>(count, rows, base + done, out + done);
  };
  take(std::integral_constant<int, kBlock>{});
  take(std::integral_constant<int, 8>{});
  take(std::integral_constant<int, 4>{});
  take(std::integral_constant<int, 2>{});
  take(std::integral_constant<int, 1>{});
  if (done < length) add_rest(count, rows, base + done, length - done, out + done);
}

}  // namespace

template <class T>
const SparseMicro<T>& sparse_table() {
  static constexpr SparseMicro<T> table = {add_scaled_rows<T>};
  return table;
}

template const SparseMicro<float>& sparse_table<float>();
template const SparseMicro<double>& sparse_table<double>();

}  // namespace hotloop::isa::HL_TIER
