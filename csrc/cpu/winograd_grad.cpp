// The gradient of the filters: each of the 16 positions is a product of the transformed inputs, transposed, with the
// transformed gradients of the results, summed over tiles in parts that are added up in order.
#include "cpu/winograd.h"

#include <algorithm>
#include <atomic>

#include "cpu/ceil_div.h"
#include "cpu/gemm.h"
#include "cpu/winograd_tiles.h"
#include "runtime/memory.h"
#include "runtime/threads.h"

namespace hotloop::cpu {
namespace {

constexpr int kPositions = isa::kWinogradPositions;
constexpr int64_t kFewestWeights = 1024;  // of a tap,
constexpr int64_t kFewestPixels = 128;    // and of all results: below, the transforms cost more than they save
constexpr int64_t kTiles = 128;           // transformed at a time
constexpr int64_t kMaxParts = 16;         // that have sums of their own,
constexpr int64_t kSums = 1 << 24;        // of so many elements in all

// The gradients of a tile's results, transformed; zeros where it hangs over.
template <class T>
void transform_slopes(const Correlation& s, const WinogradTile& tile, const T* dy, const T* zeros, T* to,
                      int64_t position) {
  const T* slopes[4];
  for (int64_t p = 0; p < 4; ++p) {
    const int64_t i = 2 * tile.i + p / 2, j = 2 * tile.j + p % 2;
    slopes[p] = i < s.oh && j < s.ow ? dy + ((tile.image * s.oh + i) * s.ow + j) * s.f : zeros;
  }
  isa::winograd_micro<T>().transform_slopes(s.f, slopes, to, position);
}

}  // namespace

bool suits_winograd_weight_grad(const Conv2dShape& s) {
  return suits_winograd(s) && s.c * s.f >= kFewestWeights && s.n * s.oh * s.ow >= kFewestPixels;
}

template <class T>
bool winograd_weight_grad(const Correlation& s, const T* x, const T* dy, T* dw) {
  const WinogradTiles tiles(s, false);
  const int64_t columns = isa::gemm_micro<T>().columns, width = round_up(s.f, columns), size = s.c * width;
  const int64_t blocks = ceil_div(tiles.count, kTiles);
  const int64_t per_part = ceil_div(blocks, std::clamp<int64_t>(kSums / (kPositions * size), 1, kMaxParts));
  const int64_t parts = ceil_div(blocks, per_part);
  const Scratch<T> sums(parts * kPositions * size), zeros(std::max(s.c, s.f));
  std::fill_n(zeros.get(), std::max(s.c, s.f), T{});
  parallel_for(parts, [&](int64_t part) {
    const Scratch<T> inputs(kPositions * kTiles * s.c), slopes(kPositions * kTiles * width);
    if (width != s.f) std::fill_n(slopes.get(), kPositions * kTiles * width, T{});
    for (int64_t block = part * per_part; block < std::min(blocks, (part + 1) * per_part); ++block) {
      const int64_t begin = block * kTiles, count = std::min(kTiles, tiles.count - begin);
      for (int64_t t = 0; t < count; ++t) {
        const WinogradTile tile(tiles, begin + t);
        transform_inputs<T>(s, tile, x, zeros, inputs + t * s.c, kTiles * s.c);
        transform_slopes<T>(s, tile, dy, zeros, slopes + t * width, kTiles * width);
      }
      for (int64_t p = 0; p < kPositions; ++p) {
        breathe();
        gemm_block<T>(s.c, width, count, {inputs + p * kTiles * s.c, 1, s.c},
                      {slopes + p * kTiles * width, columns, width}, sums + (part * kPositions + p) * size, width,
                      {.add = block > part * per_part});
      }
    }
  });
  const Scratch<T> total(kPositions * size);
  add_parts<T>(parts, kPositions * size, sums, total.get());
  std::atomic<bool> finite = true;
  parallel_ranges(s.c, 16, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      if (!isa::winograd_micro<T>().store_filter_grad(s.f, total + c * width, size, dw + c * s.f, s.c * s.f)) {
        finite.store(false, std::memory_order_relaxed);
      }
    }
  });
  return finite;
}

template bool winograd_weight_grad<float>(const Correlation&, const float*, const float*, float*);
template bool winograd_weight_grad<double>(const Correlation&, const double*, const double*, double*);

}  // namespace hotloop::cpu
