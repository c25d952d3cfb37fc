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

/// b (k, n) as panels of micro.columns columns: element (p, column) of panel j is data[j * panel + p * row + column].
/// A packed copy is what tiles read at full speed; a matrix whose width is a whole number of panels serves as it is.
template <class T>
struct PanelView {
  const T* data;
  int64_t panel, row;
};

/// Elements that pack_panels() writes for b (k, n).
template <class T>
int64_t packed_size(int64_t k, int64_t n);

/// Packs panels [first, last) of b (k, n): panel j begins at panels + j * panel_size, its rows are micro.columns wide.
template <class T>
void pack_panels(int64_t k, int64_t n, MatrixView<T> b, int64_t first, int64_t last, T* panels, int64_t panel_size);

/// c (m, n) = a (m, k) @ b (k, n), on the calling thread, finished by `end`; rows of c are c_row apart.
template <class T>
void gemm_block(int64_t m, int64_t n, int64_t k, MatrixView<T> a, PanelView<T> b, T* c, int64_t c_row,
                const isa::TileEnd<T>& end);

/// act over rows of c (m, n) that are c_row apart, on the calling thread.
template <class T>
void apply_activation(ActivationSpec activation, int64_t m, int64_t n, T* c, int64_t c_row);

/// sum (size) = the parts (count, size) added up in order, on all threads.
template <class T>
void add_parts(int64_t count, int64_t size, const T* parts, T* sum);

/// c (m, n) = act(a (m, k) @ b (k, n) + bias (n) or null), on all threads; c is contiguous. in_bfloat16 asks for the
/// CPU's unit for such products, which is there.
template <class T>
void gemm(int64_t m, int64_t n, int64_t k, MatrixView<T> a, MatrixView<T> b, const T* bias, ActivationSpec activation,
          T* c, bool in_bfloat16 = false);

}  // namespace hotloop::cpu
