// The tiles that winograd.cpp and winograd_grad.cpp cut images into.
#pragma once

#include <algorithm>

#include "cpu/isa/winograd.h"
#include "cpu/winograd.h"

namespace hotloop::cpu {

/// Tiles of 2 x 2 results, counted through: images, rows, columns. Those at the ends of odd sizes hang over, or, where
/// the tiles are windows of a pool, are left out.
struct WinogradTiles {
  WinogradTiles(const Correlation& s, bool whole)
      : rows((s.oh + (whole ? 0 : 1)) / 2), cols((s.ow + (whole ? 0 : 1)) / 2), count(s.n * rows * cols) {}
  int64_t rows, cols, count;
};

struct WinogradTile {
  WinogradTile(const WinogradTiles& tiles, int64_t index)
      : image(index / (tiles.rows * tiles.cols)), i(index / tiles.cols % tiles.rows), j(index % tiles.cols) {}
  int64_t image, i, j;
};

/// The inputs that a tile sees, transformed: position p is row to[p * position] of s.c.
template <class T>
inline void transform_inputs(const Correlation& s, const WinogradTile& tile, const T* x, const T* zeros, T* to,
                             int64_t position) {
  const T* pixels[isa::kWinogradPositions];
  for (int64_t row = 0; row < 4; ++row) {
    const int64_t i = 2 * tile.i - s.top + row, first = 2 * tile.j - s.left;
    const int64_t offset = ((tile.image * s.h + i) * s.w + first) * s.c;
    for (int64_t col = 0; col < 4; ++col) {
      const bool inside = i >= 0 && i < s.h && first + col >= 0 && first + col < s.w;
      pixels[4 * row + col] = inside ? x + (offset + col * s.c) : zeros;
    }
  }
  isa::winograd_micro<T>().transform_inputs(s.c, pixels, to, position);
}

}  // namespace hotloop::cpu
