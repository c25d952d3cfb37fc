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
  for (int64_t p = 0; p < isa::kWinogradPositions; ++p) {
    const int64_t i = 2 * tile.i - s.top + p / 4, j = 2 * tile.j - s.left + p % 4;
    const bool inside = i >= 0 && i < s.h && j >= 0 && j < s.w;
    pixels[p] = inside ? x + ((tile.image * s.h + i) * s.w + j) * s.c : zeros;
  }
  isa::winograd_micro<T>().transform_inputs(s.c, pixels, to, position);
}

}  // namespace hotloop::cpu
