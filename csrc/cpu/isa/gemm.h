// The register tile of matmul and of the convolutions.
#pragma once

#include <cstdint>

#include "cpu/isa/micro.h"

namespace hotloop::isa {

/// What a tile does to its sums before it stores them.
template <class T>
struct TileEnd {
  const T* bias = nullptr;  // one value a column, or null
  bool add = false;         // add to what c holds (a later block of k)
  bool relu = false;
};

template <class T>
struct GemmMicro {
  int rows;     // of a full tile
  int columns;  // of a full tile: the width of a packed panel of b

  /// c (m, n) = a (m, k) @ b (k, n), finished by `end`; 1 <= m <= rows, 1 <= n <= columns.
  /// a[i * a_row + p * a_col]; b[p * b_row + j], readable for all `columns` of each of its k rows; c[i * c_row + j].
  void (*tile)(int m, int n, int64_t k, const T* a, int64_t a_row, int64_t a_col, const T* b, int64_t b_row, T* c,
               int64_t c_row, const TileEnd<T>& end);

  /// panel (k, columns) = the n <= columns columns of b[p * b_row + j * b_col], zeros behind them.
  void (*pack_b)(int64_t k, int n, const T* b, int64_t b_row, int64_t b_col, T* panel);
  /// panel (k, rows) = the m <= rows rows of a[i * a_row + p * a_col], zeros below them.
  void (*pack_a)(int64_t k, int m, const T* a, int64_t a_row, int64_t a_col, T* panel);
};

HL_MICRO(GemmMicro, gemm)

}  // namespace hotloop::isa
