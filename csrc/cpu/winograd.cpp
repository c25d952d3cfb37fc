#include "cpu/winograd.h"

#include <algorithm>
#include <atomic>

#include "cpu/gemm.h"
#include "cpu/isa/winograd.h"
#include "runtime/memory.h"
#include "runtime/threads.h"

namespace hotloop::cpu {
namespace {

constexpr int kPositions = isa::kWinogradPositions;
constexpr int64_t kFewestChannels = 16;  // of either side: below, the transforms cost more than they save
constexpr int64_t kFewestPixels = 36;    // of a result: below, the filters' transform does
constexpr int64_t kInputs = 1 << 16;     // transformed inputs that a job should have: half of L2
constexpr int64_t kFewestTiles = 4;      // of a job, in register tiles: so often is a panel read
constexpr int64_t kWantedJobs = 64;
constexpr int64_t kGradTiles = 128;     // of a sum over tiles at a time
constexpr int64_t kMaxParts = 16;       // that have sums of their own,
constexpr int64_t kGradSums = 1 << 24;  // of so many elements in all

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Tiles are counted through: images, rows, columns.
struct Tiles {
  Tiles(const Correlation& s, bool pooled)
      : rows(pooled ? s.oh / 2 : ceil_div(s.oh, 2)),
        cols(pooled ? s.ow / 2 : ceil_div(s.ow, 2)),
        count(s.n * rows * cols) {}
  int64_t rows, cols, count;
};

struct Tile {
  Tile(const Tiles& tiles, int64_t index)
      : image(index / (tiles.rows * tiles.cols)), i(index / tiles.cols % tiles.rows), j(index % tiles.cols) {}
  int64_t image, i, j;
};

// A job's tiles: whole register tiles, as many as fit the caches, fewer where there would be too few jobs.
template <class T>
int64_t tiles_per_job(const Correlation& s, const Tiles& tiles) {
  const int64_t rows = isa::gemm_micro<T>().rows;
  const int64_t most = std::max(kFewestTiles * rows, kInputs / (kPositions * s.c));
  return ceil_div(std::min(most, ceil_div(tiles.count, kWantedJobs)), rows) * rows;
}

// Panels of the transformed filters: each has 16 positions of (channels, columns).
template <class T>
void transform_filters(const Correlation& s, const FilterView<T>& w, T* panels) {
  const int64_t columns = isa::gemm_micro<T>().columns, position = s.c * columns;
  parallel_for(ceil_div(s.f, columns), [&](int64_t index) {
    const int64_t first = index * columns, n = std::min(columns, s.f - first);
    const bool lies_well = n == columns && w.filters == 1;
    const Scratch<T> copy(9 * columns);
    std::fill_n(copy.get(), 9 * columns, T{});
    for (int64_t c = 0; c < s.c; ++c) {
      const T* from = w.data + c * w.channels + first * w.filters;
      for (int64_t tap = 0; tap < 9 && !lies_well; ++tap) {
        for (int64_t j = 0; j < n; ++j) copy[tap * columns + j] = from[tap * w.taps + j * w.filters];
      }
      isa::winograd_micro<T>().transform_filters(lies_well ? from : copy.get(), lies_well ? w.taps : columns,
                                                 panels + index * kPositions * position + c * columns, position);
    }
  });
}

// The 16 positions of a tile: rows of 16 matrices.
template <class T>
void transform_inputs(const Correlation& s, const Tile& tile, const T* x, const T* zeros, T* to, int64_t position) {
  const T* pixels[kPositions];
  for (int64_t p = 0; p < kPositions; ++p) {
    const int64_t i = 2 * tile.i - s.top + p / 4, j = 2 * tile.j - s.left + p % 4;
    const bool inside = i >= 0 && i < s.h && j >= 0 && j < s.w;
    pixels[p] = inside ? x + ((tile.image * s.h + i) * s.w + j) * s.c : zeros;
  }
  isa::winograd_micro<T>().transform_inputs(s.c, pixels, to, position);
}

// The same of the gradients of a tile's results.
template <class T>
void transform_slopes(const Correlation& s, const Tile& tile, const T* dy, const T* zeros, T* to, int64_t position) {
  const T* slopes[4];
  for (int64_t p = 0; p < 4; ++p) {
    const int64_t i = 2 * tile.i + p / 2, j = 2 * tile.j + p % 2;
    slopes[p] = i < s.oh && j < s.ow ? dy + ((tile.image * s.oh + i) * s.ow + j) * s.f : zeros;
  }
  isa::winograd_micro<T>().transform_slopes(s.f, slopes, to, position);
}

// store(tile, first filter, where the products are, end) -> whether all are finite.
template <class T, class Store>
std::vector<int64_t> for_tiles(const Correlation& s, const Tiles& tiles, const T* x, const FilterView<T>& w,
                               const T* bias, bool relu, Store&& store) {
  const auto& gemm = isa::gemm_micro<T>();
  const int64_t columns = gemm.columns, rows = gemm.rows, panels = ceil_div(s.f, columns);
  const int64_t panel_position = s.c * columns, product_position = rows * columns;
  const Scratch<T> filters(panels * kPositions * panel_position), biases(panels * columns), zeros(s.c);
  transform_filters(s, w, filters.get());
  std::fill_n(biases.get(), panels * columns, T{});
  std::fill_n(zeros.get(), s.c, T{});
  if (bias != nullptr) std::copy_n(bias, s.f, biases.get());
  std::vector<uint8_t> suspect(static_cast<std::size_t>(s.n));
  const int64_t per_job = tiles_per_job<T>(s, tiles);
  parallel_for(ceil_div(tiles.count, per_job), [&](int64_t job) {
    const int64_t begin = job * per_job, count = std::min(per_job, tiles.count - begin);
    const Scratch<T> inputs(kPositions * ceil_div(count, rows) * rows * s.c), products(kPositions * product_position);
    const Scratch<Tile> places(count);
    for (int64_t t = 0; t < count; ++t) {
      places[t] = Tile(tiles, begin + t);
      transform_inputs<T>(s, places[t], x, zeros, inputs + (t / rows * kPositions * rows + t % rows) * s.c, rows * s.c);
    }
    for (int64_t index = 0; index < panels; ++index) {
      breathe();
      const isa::WinogradEnd<T> end = {biases + index * columns,
                                       static_cast<int>(std::min(columns, s.f - index * columns)), relu};
      for (int64_t t = 0; t < count; t += rows) {
        const int m = static_cast<int>(std::min(rows, count - t));
        for (int64_t p = 0; p < kPositions; ++p) {
          const T* left = inputs + (t * kPositions + p * rows) * s.c;
          const T* right = filters + (index * kPositions + p) * panel_position;
          sum_tile(gemm, m, gemm.columns, s.c, {left, s.c, 1}, right, columns, products + p * product_position, columns,
                   {});
        }
        for (int64_t r = 0; r < m; ++r) {
          const Tile& tile = places[t + r];
          if (!store(tile, index * columns, {products + r * columns, product_position}, end)) {
            std::atomic_ref(suspect[static_cast<std::size_t>(tile.image)]).store(1, std::memory_order_relaxed);
          }
        }
      }
    }
  });
  std::vector<int64_t> images;
  for (int64_t n = 0; n < s.n; ++n) {
    if (suspect[static_cast<std::size_t>(n)] != 0) images.push_back(n);
  }
  return images;
}

// What the tiles' end did not do, one image at a time.
template <class T>
void activate(ActivationSpec activation, int64_t images, int64_t size, T* y) {
  if (activation.kind == Activation::relu || activation.kind == Activation::none) return;
  parallel_for(images, [&](int64_t n) { apply_activation(activation, 1, size, y + n * size, size); });
}

}  // namespace

bool suits_winograd(const Conv2dShape& s) {
  return s.kh == 3 && s.kw == 3 && s.stride_h == 1 && s.stride_w == 1 && s.dilation_h == 1 && s.dilation_w == 1 &&
         s.groups == 1 && s.c >= kFewestChannels && s.f >= kFewestChannels && s.oh * s.ow >= kFewestPixels;
}

template <class T>
std::vector<int64_t> winograd(const Correlation& s, const T* x, const FilterView<T>& filters, const T* bias,
                              ActivationSpec activation, T* y) {
  const auto store = [&](const Tile& tile, int64_t filter, const isa::WinogradProducts<T>& products,
                         const isa::WinogradEnd<T>& end) {
    const int64_t i = 2 * tile.i, j = 2 * tile.j;
    return isa::winograd_micro<T>().store_results(products, end, static_cast<int>(std::min<int64_t>(2, s.oh - i)),
                                                  static_cast<int>(std::min<int64_t>(2, s.ow - j)),
                                                  y + ((tile.image * s.oh + i) * s.ow + j) * s.f + filter, s.ow * s.f,
                                                  s.f);
  };
  auto again = for_tiles<T>(s, Tiles(s, false), x, filters, bias, activation.kind == Activation::relu, store);
  activate(activation, s.n, s.oh * s.ow * s.f, y);
  return again;
}

template <class T>
std::vector<int64_t> winograd_max_pool(const Correlation& s, const T* x, const FilterView<T>& filters, const T* bias,
                                       ActivationSpec activation, T* y, uint8_t* argmax) {
  const Tiles tiles(s, true);
  const auto store = [&](const Tile& tile, int64_t filter, const isa::WinogradProducts<T>& products,
                         const isa::WinogradEnd<T>& end) {
    const int64_t at = ((tile.image * tiles.rows + tile.i) * tiles.cols + tile.j) * s.f + filter;
    return isa::winograd_micro<T>().store_largest(products, end, y + at, argmax != nullptr ? argmax + at : nullptr);
  };
  auto again = for_tiles<T>(s, tiles, x, filters, bias, activation.kind == Activation::relu, store);
  activate(activation, s.n, tiles.rows * tiles.cols * s.f, y);
  return again;
}

template <class T>
bool winograd_weight_grad(const Correlation& s, const T* x, const T* dy, T* dw) {
  const Tiles tiles(s, false);
  const int64_t columns = isa::gemm_micro<T>().columns, width = ceil_div(s.f, columns) * columns, size = s.c * width;
  const int64_t blocks = ceil_div(tiles.count, kGradTiles);
  const int64_t per_part = ceil_div(blocks, std::clamp<int64_t>(kGradSums / (kPositions * size), 1, kMaxParts));
  const int64_t parts = ceil_div(blocks, per_part);
  const Scratch<T> sums(parts * kPositions * size), zeros(std::max(s.c, s.f));
  std::fill_n(zeros.get(), std::max(s.c, s.f), T{});
  parallel_for(parts, [&](int64_t part) {
    const Scratch<T> inputs(kPositions * kGradTiles * s.c), slopes(kPositions * kGradTiles * width);
    std::fill_n(slopes.get(), kPositions * kGradTiles * width, T{});  // there may be columns behind the filters
    for (int64_t block = part * per_part; block < std::min(blocks, (part + 1) * per_part); ++block) {
      const int64_t begin = block * kGradTiles, count = std::min(kGradTiles, tiles.count - begin);
      for (int64_t t = 0; t < count; ++t) {
        const Tile tile(tiles, begin + t);
        transform_inputs<T>(s, tile, x, zeros, inputs + t * s.c, kGradTiles * s.c);
        transform_slopes<T>(s, tile, dy, zeros, slopes + t * width, kGradTiles * width);
      }
      for (int64_t p = 0; p < kPositions; ++p) {
        breathe();
        gemm_block<T>(s.c, width, count, {inputs + p * kGradTiles * s.c, 1, s.c},
                      {slopes + p * kGradTiles * width, columns, width}, sums + (part * kPositions + p) * size, width,
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

#define HL_INSTANTIATE(T)                                                                                          \
  template std::vector<int64_t> winograd<T>(const Correlation&, const T*, const FilterView<T>&, const T*,          \
                                            ActivationSpec, T*);                                                   \
  template std::vector<int64_t> winograd_max_pool<T>(const Correlation&, const T*, const FilterView<T>&, const T*, \
                                                     ActivationSpec, T*, uint8_t*);                                \
  template bool winograd_weight_grad<T>(const Correlation&, const T*, const T*, T*);
HL_INSTANTIATE(float)
HL_INSTANTIATE(double)

}  // namespace hotloop::cpu
