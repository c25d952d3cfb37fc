// One matrix product on the tiles of cpu/isa/gemm.h: what matmul and the convolutions share.
#pragma once

#include "cpu/isa/gemm.h"
#include "shapes.h"

namespace hotloop::cpu {

/// A strided matrix that is only read.
template <class T>
struct MatrixView {
  const T* data;
  int64_t row, col;  // strides
};

/// b (k, n) cut into panels of micro.columns columns, one behind the other: what tiles read at full speed.
/// Panel j begins at `panels + j * k * columns`.
template <class T>
struct PackedPanels {
  const T* panels;
  int64_t k, n;
};

/// Elements that pack_panels() writes for b (k, n).
template <class T>
int64_t packed_size(int64_t k, int64_t n);

/// Packs columns [first, last) of panels.
template <class T>
void pack_panels(int64_t k, int64_t n, MatrixView<T> b, int64_t first, int64_t last, T* panels);

/// c (m, n) = a (m, k) @ b, on the calling thread; rows of c are c_row apart.
template <class T>
void gemm_block(int64_t m, MatrixView<T> a, const PackedPanels<T>& b, T* c, int64_t c_row, const isa::TileEnd<T>& end);

/// c (m, n) = act(a (m, k) @ b (k, n) + bias (n) or null), on all threads; c is contiguous.
template <class T>
void gemm(int64_t m, int64_t n, int64_t k, MatrixView<T> a, MatrixView<T> b, const T* bias, ActivationSpec activation,
          T* c);

}  // namespace hotloop::cpu
