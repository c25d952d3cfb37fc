// Winograd's F(2 x 2, 3 x 3): the 2 x 2 results of a 3 x 3 correlation from 16 products instead of 36.
//
// For inputs d (4 x 4) and filters g (3 x 3) they are A' [(G g G') * (B' d B)] A, elementwise between the brackets:
//   B' d: d0 - d2, d1 + d2, d2 - d1, d1 - d3     G g: g0, (g0 + g1 + g2) / 2, (g0 - g1 + g2) / 2, g2
//   A' m: m0 + m1 + m2, m1 - m2 - m3
// Summed over channels, each of the 16 positions is a matrix product of its own. The gradient of the filters is F(3 x
// 3, 2 x 2): the 3 x 3 results of a correlation with the 2 x 2 gradients of a tile, summed over tiles. B is the same,
//   G g: g0, (g0 + g1) / 2, (g0 - g1) / 2, g1     A' m: m0 + m1 + m2, m1 - m2, m1 + m2 - m3
// Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015.
#pragma once

#include <cstdint>

#include "cpu/isa/micro.h"
#include "cpu/isa/panel_end.h"

namespace hotloop::isa {

inline constexpr int kWinogradPositions = 16;

/// Where the 16 products of one tile are: value j of position p is data[p * position + j], all columns of a panel.
template <class T>
struct WinogradProducts {
  const T* data;
  int64_t position;
};

template <class T>
struct WinogradMicro {
  /// to[p * position + j] = position p of G g G' for filters g[tap * tap_stride + j], j < columns.
  void (*transform_filters)(const T* filters, int64_t tap_stride, T* to, int64_t position);
  /// to[p * position + c] = position p of B' d B for pixels d[4 * row + column][c], c < channels.
  void (*transform_inputs)(int64_t channels, const T* const* pixels, T* to, int64_t position);
  /// The first `rows` x `cols` results, at y[row * y_row + col * y_col + j]; false where one may not be finite.
  bool (*store_results)(const WinogradProducts<T>& products, const PanelEnd<T>& end, int rows, int cols, T* y,
                        int64_t y_row, int64_t y_col);
  /// The largest of the four results at y[j], and which, 0 to 3, at argmax[j] or nowhere; false as above.
  bool (*store_largest)(const WinogradProducts<T>& products, const PanelEnd<T>& end, T* y, uint8_t* argmax);

  /// to[p * position + f] = position p of G g G' for gradients g[2 * row + column][f], f < filters.
  void (*transform_slopes)(int64_t filters, const T* const* slopes, T* to, int64_t position);
  /// w[tap * tap_stride + j] = A' m A, j < n, for m at products[p * position + j]; false where one may not be finite.
  bool (*store_filter_grad)(int64_t n, const T* products, int64_t position, T* w, int64_t tap_stride);
};

HL_MICRO(WinogradMicro, winograd)

}  // namespace hotloop::isa
