// Sums stay in registers over all rows, kBlock vectors at a time: one load and one product per vector and row.
#include "cpu/isa/sparse.h"

#include "cpu/isa/vec.h"

namespace hotloop::isa::HL_TIER {
namespace {

inline constexpr int kBlock = HL_VECTOR_REGISTERS >= 32 ? 24 : 12;

template <int V, class T>
void add_block(int64_t count, const ScaledRow<T>* rows, const T* base, T* out) {
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

// As many vectors as there are, kBlock at most.
template <class T, int... V>
HL_INLINE void add_vectors(int64_t vectors, int64_t count, const ScaledRow<T>* rows, const T* base, T* out,
                           std::integer_sequence<int, V...>) {
  using Block = void (*)(int64_t, const ScaledRow<T>*, const T*, T*);
  static constexpr Block block[] = {add_block<V + 1, T>...};
  block[vectors - 1](count, rows, base, out);
}

// In blocks of about the same size: short ones would wait for their sums.
template <class T>
void add_scaled_rows(int64_t count, const ScaledRow<T>* rows, const T* base, int64_t length, T* out) {
  constexpr int64_t lanes = kLanes<T>;
  int64_t left = length / lanes, done = 0;
  for (int64_t blocks = (left + kBlock - 1) / kBlock; blocks > 0; --blocks) {
    const int64_t vectors = (left + blocks - 1) / blocks;
    add_vectors(vectors, count, rows, base + done, out + done, std::make_integer_sequence<int, kBlock>{});
    left -= vectors;
    done += vectors * lanes;
  }
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
