// The register tile: kRows x kVectors accumulators, one broadcast of a and kVectors loads of b a step of k.
//
// 6 x 2 fills 16 registers (12 sums, 2 of b, 1 of a); with 32 registers 14 x 2 hides the loads behind the products.
// a is read through two strides, so that packed panels, plain rows and a transposed operand share this one body.
#include "cpu/isa/gemm.h"

#include "cpu/isa/transpose.h"

namespace hotloop::isa::HL_TIER {
namespace {

#if HL_VECTOR_REGISTERS >= 32
inline constexpr int kRows = 14;
#else
inline constexpr int kRows = 6;
#endif
inline constexpr int kVectors = 2;
template <class T>
inline constexpr int kColumns = kVectors * kLanes<T>;

// a as the rows of a tile: anywhere, through an address for each row,
template <class T, int M>
struct Rows {
  const T* row[M];
  int64_t col;

  HL_INLINE Rows(const T* a, int64_t a_row, int64_t a_col) : col(a_col) {
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i) row[i] = a + i * a_row;
  }
  HL_INLINE T at(int i, int64_t p) const { return row[i][p * col]; }
};

// or packed, through one address.
template <class T>
struct PackedRows {
  const T* panel;

  HL_INLINE T at(int i, int64_t p) const { return panel[p * kRows + i]; }
};

// sum += steps [begin, end) of k.
template <class T, int M, int V, class A>
HL_INLINE void add_products(int64_t begin, int64_t end, const A& a, const T* b, int64_t b_row, Vec<T> (&sum)[M][V]) {
  b += begin * b_row;
  for (int64_t p = begin; p < end; ++p, b += b_row) {
    Vec<T> right[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) right[v] = load(b + v * kLanes<T>);
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i) {
      const Vec<T> left = splat(a.at(i, p));
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sum[i][v] += left * right[v];
    }
  }
}

template <class T, int M, int V, class A>
HL_INLINE void sum_products(int64_t k, const A& a, const T* b, int64_t b_row, Vec<T> (&sum)[M][V]) {
  const auto zero = [](Vec<T>(&part)[M][V]) __attribute__((always_inline)) {
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) part[i][v] = Vec<T>{};
  };
  zero(sum);
  add_products<T, M, V>(0, k < kShortSum ? k : kShortSum, a, b, b_row, sum);
  if (k <= kShortSum) return;
  // In memory: registers that hold it would be lacking in the loops.
  Vec<T> total[M][V];
  __builtin_memcpy(total, sum, sizeof(total));
  asm("" : "+m"(total));
  for (int64_t p = kShortSum; p < k; p += kShortSum) {
    zero(sum);
    add_products<T, M, V>(p, p + kShortSum < k ? p + kShortSum : k, a, b, b_row, sum);
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) total[i][v] += sum[i][v];
    asm("" : "+m"(total));
  }
  __builtin_memcpy(sum, total, sizeof(total));
}

// What `end` asks for, then the store; c and bias are readable for all V vectors.
template <class T, int M, int V>
HL_INLINE void finish(Vec<T> (&sum)[M][V], T* c, int64_t c_row, const T* bias, bool add, bool relu) {
  constexpr int lanes = kLanes<T>;
  const auto each = [&](auto f) __attribute__((always_inline)) {
#pragma GCC unroll 16
    for (int i = 0; i < M; ++i)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) f(sum[i][v], i, v);
  };
  if (add) each([&](Vec<T>& s, int i, int v) { s += load(c + i * c_row + v * lanes); });
  if (bias != nullptr) each([&](Vec<T>& s, int, int v) { s += load(bias + v * lanes); });
  // NaN is not less than zero and passes through.
  if (relu) each([&](Vec<T>& s, int, int) { s = s < Vec<T>{} ? Vec<T>{} : s; });
  each([&](Vec<T>& s, int i, int v) { store<T>(c + i * c_row + v * lanes, s); });
}

// A tile of M rows and V vectors of which `n` columns exist: a whole one goes straight to c; one with fewer columns by
// way of the stack, since c and bias end where they end.
template <class T, int M, int V>
void tile_body(int n, int64_t k, const T* a, int64_t a_row, int64_t a_col, const T* b, int64_t b_row, T* c,
               int64_t c_row, const TileEnd<T>& end) {
  constexpr int width = V * kLanes<T>;
  Vec<T> sum[M][V];
  // c is wanted when the sums are done: asked for now, it has come by then.
#pragma GCC unroll 16
  for (int i = 0; i < M; ++i) __builtin_prefetch(c + i * c_row, 1);
  if (M == kRows && V == kVectors && a_row == 1 && a_col == kRows) {
    sum_products<T, M, V>(k, PackedRows<T>{a}, b, b_row, sum);
  } else {
    sum_products<T, M, V>(k, Rows<T, M>(a, a_row, a_col), b, b_row, sum);
  }
  if (n == width) return finish<T, M, V>(sum, c, c_row, end.bias, end.add, end.relu);
  const unsigned bytes = static_cast<unsigned>(n) * sizeof(T);
  T line[M][width] = {};
  T bias[width] = {};
  if (end.bias != nullptr) __builtin_memcpy(bias, end.bias, bytes);
  for (int i = 0; i < M && end.add; ++i) __builtin_memcpy(line[i], c + i * c_row, bytes);
  finish<T, M, V>(sum, line[0], width, bias, end.add, end.relu);
  for (int i = 0; i < M; ++i) __builtin_memcpy(c + i * c_row, line[i], bytes);
}

template <class T>
using TileFunction = void (*)(int, int64_t, const T*, int64_t, int64_t, const T*, int64_t, T*, int64_t,
                              const TileEnd<T>&);

template <class T, int... M>
constexpr TileFunction<T> tile_for(int m, int vectors, std::integer_sequence<int, M...>) {
  constexpr TileFunction<T> one[] = {tile_body<T, M + 1, 1>...};
  constexpr TileFunction<T> full[] = {tile_body<T, M + 1, kVectors>...};
  return vectors == 1 ? one[m - 1] : full[m - 1];
}

template <class T>
void tile(int m, int n, int64_t k, const T* a, int64_t a_row, int64_t a_col, const T* b, int64_t b_row, T* c,
          int64_t c_row, const TileEnd<T>& end) {
  const int vectors = n <= kLanes<T> ? 1 : kVectors;
  tile_for<T>(m, vectors, std::make_integer_sequence<int, kRows>{})(n, k, a, a_row, a_col, b, b_row, c, c_row, end);
}

template <class T>
void pack_b(int64_t k, int n, const T* b, int64_t b_row, int64_t b_col, T* panel) {
  constexpr int columns = kColumns<T>;
  if (n == columns && b_col == 1) {
    for (int64_t p = 0; p < k; ++p, panel += columns, b += b_row) {
      for (int v = 0; v < kVectors; ++v) store<T>(panel + v * kLanes<T>, load(b + v * kLanes<T>));
    }
    return;
  }
  if (n == columns && b_row == 1) return transpose<T>(k, columns, b, b_col, panel, columns);
  for (int64_t p = 0; p < k; ++p, panel += columns, b += b_row) {
    for (int j = 0; j < n; ++j) panel[j] = b[j * b_col];
    for (int j = n; j < columns; ++j) panel[j] = T{};
  }
}

/// A panel from m plain rows of a; returns how many steps of k are done. A transposed vector holds more than a step of
/// the panel: the next one overwrites the rest, so that the last steps are left to others.
template <class T>
HL_INLINE int64_t pack_plain_rows(int64_t k, int m, const T* a, int64_t a_row, T* panel) {
  constexpr int64_t lanes = kLanes<T>;
  int64_t p = 0;
  if constexpr (lanes >= kRows) {
    for (; p + 2 * lanes <= k; p += lanes) {
      Vec<T> block[lanes] = {};
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) {
        if (i < m) block[i] = load(a + i * a_row + p);
      }
      transpose_block<T>(block);
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) store<T>(panel + (p + i) * kRows, block[i]);
    }
  }
  return p;
}

template <class T>
void pack_a(int64_t k, int m, const T* a, int64_t a_row, int64_t a_col, T* panel) {
  if (m == kRows && a_row == 1) {
    for (int64_t p = 0; p < k; ++p) __builtin_memcpy(panel + p * kRows, a + p * a_col, sizeof(T) * kRows);
    return;
  }
  const int64_t done = a_col == 1 ? pack_plain_rows(k, m, a, a_row, panel) : 0;
  for (int i = 0; i < kRows; ++i) {
    T* to = panel + i;
    if (i >= m) {
      for (int64_t p = done; p < k; ++p) to[p * kRows] = T{};
    } else {
      const T* from = a + i * a_row;
      for (int64_t p = done; p < k; ++p) to[p * kRows] = from[p * a_col];
    }
  }
}

}  // namespace

template <class T>
const GemmMicro<T>& gemm_table() {
  static constexpr GemmMicro<T> table = {kRows, kColumns<T>, tile<T>, pack_b<T>, pack_a<T>};
  return table;
}

template const GemmMicro<float>& gemm_table<float>();
template const GemmMicro<double>& gemm_table<double>();

}  // namespace hotloop::isa::HL_TIER
