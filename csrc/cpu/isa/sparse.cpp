// Sums stay in registers over all rows, kBlock vectors at a time: one load and one product per vector and row.
#include "cpu/isa/sparse.h"

#include "cpu/isa/bytes.h"
#include "cpu/isa/compress.h"
#include "cpu/isa/transpose.h"

namespace hotloop::isa::HL_TIER {
namespace {

inline constexpr int kBlock = HL_VECTOR_REGISTERS >= 32 ? 24 : 12;

template <int V, class T>
void add_block(int64_t count, const RowOffset<T>* offset, const T* factor, const T* base, T* out) {
  Vec<T> sum[V];
#pragma GCC unroll 24
  for (int v = 0; v < V; ++v) sum[v] = load(out + v * kLanes<T>);
  for (int64_t i = 0; i < count; ++i) {
    const T* row = base + offset[i];
    asm("" : "+r"(row));  // one address with constant offsets, not an index computed for each vector
    const Vec<T> value = splat(factor[i]);
#pragma GCC unroll 24
    for (int v = 0; v < V; ++v) sum[v] += value * load(row + v * kLanes<T>);
  }
#pragma GCC unroll 24
  for (int v = 0; v < V; ++v) store<T>(out + v * kLanes<T>, sum[v]);
}

// The last length % lanes elements.
template <class T>
HL_INLINE void add_rest(int64_t count, const RowOffset<T>* offset, const T* factor, const T* base, int64_t length,
                        T* out) {
  Vec<T> sum = load_part(out, length);
  for (int64_t i = 0; i < count; ++i) sum += splat(factor[i]) * load_part(base + offset[i], length);
  store_part<T>(out, sum, length);
}

// As many vectors as there are, kBlock at most.
template <class T, int... V>
HL_INLINE void add_vectors(int64_t vectors, int64_t count, const RowOffset<T>* offset, const T* factor, const T* base,
                           T* out, std::integer_sequence<int, V...>) {
  using Block = void (*)(int64_t, const RowOffset<T>*, const T*, const T*, T*);
  static constexpr Block block[] = {add_block<V + 1, T>...};
  block[vectors - 1](count, offset, factor, base, out);
}

// In blocks of about the same size: short ones would wait for their sums.
template <class T>
void add_scaled_rows(int64_t count, const RowOffset<T>* offset, const T* factor, const T* base, int64_t length,
                     T* out) {
  constexpr int64_t lanes = kLanes<T>;
  int64_t left = length / lanes, done = 0;
  for (int64_t blocks = (left + kBlock - 1) / kBlock; blocks > 0; --blocks) {
    const int64_t vectors = (left + blocks - 1) / blocks;
    add_vectors(vectors, count, offset, factor, base + done, out + done, std::make_integer_sequence<int, kBlock>{});
    left -= vectors;
    done += vectors * lanes;
  }
  if (done < length) add_rest(count, offset, factor, base + done, length - done, out + done);
}

// p / width for bytes, by a product: exact, since (width - 1) * 255 < 2^16.
template <class T>
HL_INLINE Mask<T> offsets_of(const PixelOffsets<T>& pixels, int64_t window, Mask<T> place) {
  using Int = typename VectorTypes<T>::Int;
  const Mask<T> row = place * static_cast<Int>((0xffff + pixels.width) / pixels.width) >> 16;
  const Mask<T> col = place - row * static_cast<Int>(pixels.width);
  return pixels.window[window] + row * static_cast<Int>(pixels.row) + col * static_cast<Int>(pixels.col);
}

// So many windows and filters as a vector has lanes are turned round in registers: then a vector is a filter's.
template <class T>
void list_by_filter(const PooledSlopes<T>& s, const PixelOffsets<T>& pixels, int64_t stride, RowOffset<T>* offset,
                    T* factor, int64_t* counts) {
  constexpr int64_t lanes = kLanes<T>;
  static_assert(lanes <= kListSlack);
  for_vectors<T>(s.filters, [&](int64_t f, auto width) __attribute__((always_inline)) {
    int64_t count[lanes] = {};
    for (int64_t k = 0; k < s.count; k += lanes) {
      Vec<T> slopes[lanes] = {}, offsets[lanes] = {};
#pragma GCC unroll 16
      for (int64_t i = 0; i < lanes; ++i) {
        if (k + i < s.count) {
          const int64_t at = (k + i) * s.filters + f;
          slopes[i] = load_width(s.slope + at, width);
          offsets[i] = (Vec<T>)offsets_of<T>(pixels, k + i, load_bytes_width<T>(s.place + at, width));
        }
      }
      transpose_block<T>(slopes);
      transpose_block<T>(offsets);
#pragma GCC unroll 16
      for (int64_t j = 0; j < lanes; ++j) {
        if (j < width) {
          const Kept<T> nonzeros(slopes[j] != Vec<T>{});
          const int64_t at = (f + j) * stride + count[j];
          nonzeros.store(offset + at, (Mask<T>)offsets[j]);
          nonzeros.store(factor + at, slopes[j]);
          count[j] += nonzeros.count();
        }
      }
    }
    for (int64_t j = 0; j < width; ++j) counts[f + j] = count[j];
  });
}

template <class T>
void list_by_pixel(const PooledSlopes<T>& s, int64_t pixels, int64_t stride, RowOffset<T>* offset, T* factor,
                   int64_t* ends) {
  using Int = typename VectorTypes<T>::Int;
  Mask<T> lane;
  for (int i = 0; i < kLanes<T>; ++i) lane[i] = static_cast<Int>(i * stride);
  int64_t end = 0;
  for (int64_t k = 0; k < s.count; ++k) {
    for (int64_t pixel = 0; pixel < pixels; ++pixel) {
      for_vectors<T>(s.filters, [&](int64_t f, auto width) __attribute__((always_inline)) {
        const int64_t at = k * s.filters + f;
        const Vec<T> slope = load_width(s.slope + at, width);
        const Mask<T> place = load_bytes_width<T>(s.place + at, width);
        const Kept<T> here((slope != Vec<T>{}) & (place == static_cast<Int>(pixel)));
        here.store(offset + end, lane + static_cast<Int>(f * stride));
        here.store(factor + end, slope);
        end += here.count();
      });
      *ends++ = end;
    }
  }
}

}  // namespace

template <class T>
const SparseMicro<T>& sparse_table() {
  static constexpr SparseMicro<T> table = {add_scaled_rows<T>, list_by_filter<T>, list_by_pixel<T>};
  return table;
}

template const SparseMicro<float>& sparse_table<float>();
template const SparseMicro<double>& sparse_table<double>();

}  // namespace hotloop::isa::HL_TIER
