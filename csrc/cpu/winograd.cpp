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
constexpr int64_t kFewestChannels = 16;  // of either side: below, the transforms cost more than they save
constexpr int64_t kFewestPixels = 64;    // of a result: below, the filters' transform does
constexpr int64_t kInputs = 1 << 16;     // transformed inputs that a job should have: half of L2
constexpr int64_t kFewestTiles = 4;      // of a job, in register tiles: so often is a panel read
constexpr int64_t kWantedJobs = 64;
constexpr int64_t kAhead = 1 << 14, kLine = 64;  // bytes: so far ahead are inputs asked for; of a cache line

// A job's tiles: whole register tiles, as many as fit the caches, fewer where there would be too few jobs.
template <class T>
int64_t tiles_per_job(const Correlation& s, const WinogradTiles& tiles) {
  const int64_t rows = isa::gemm_micro<T>().rows;
  const int64_t most = std::max(kFewestTiles * rows, kInputs / (kPositions * s.c));
  return round_up(std::min(most, ceil_div(tiles.count, kWantedJobs)), rows);
}

// What all tiles are multiplied with: panels of the transformed filters, each with 16 positions of (channels, columns),
// and the bias, with zeros where a panel has more columns than there are filters.
template <class T>
struct Panels {
  Panels(const Correlation& s, const FilterView<T>& w, const T* bias)
      : columns(isa::gemm_micro<T>().columns),
        count(ceil_div(s.f, columns)),
        position(s.c * columns),
        filters(count * kPositions * position),
        biases(count * columns) {
    std::fill_n(biases.get(), count * columns, T{});
    if (bias != nullptr) std::copy_n(bias, s.f, biases.get());
    parallel_for(count, [&](int64_t index) { transform(s, w, index); });
  }

  void transform(const Correlation& s, const FilterView<T>& w, int64_t index) const {
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
                                                 filters + index * kPositions * position + c * columns, position);
    }
  }

  int64_t columns, count, position;  // of a panel; how many; elements of one
  Scratch<T> filters, biases;
};

// The tiles [begin, begin + count), panel by panel. store(tile, products, first filter, end) says whether all it stored
// is finite; suspect(image) is told where not.
template <class T, class Store, class Suspect>
void multiply_tiles(const Correlation& s, const WinogradTiles& tiles, const Panels<T>& panels, const T* x,
                    const T* zeros, bool relu, int64_t begin, int64_t count, const Store& store,
                    const Suspect& suspect) {
  const auto& gemm = isa::gemm_micro<T>();
  const int64_t rows = gemm.rows, columns = panels.columns, group = kPositions * rows * s.c;
  const Scratch<T> inputs(ceil_div(count, rows) * group), products(kPositions * rows * columns);
  const Scratch<WinogradTile> places(count);
  const int64_t image_tiles = tiles.rows * tiles.cols, image = s.h * s.w * s.c;
  for (int64_t t = 0; t < count; ++t) {
    // What tiles a little later see; the processor does not foresee their way through the rows.
    const T* ahead = x + (begin + t) * image / image_tiles + kAhead / static_cast<int64_t>(sizeof(T));
    for (int64_t i = 0; i < image / image_tiles; i += kLine / static_cast<int64_t>(sizeof(T))) {
      __builtin_prefetch(ahead + i);
    }
    places[t] = WinogradTile(tiles, begin + t);
    transform_inputs<T>(s, places[t], x, zeros, inputs + t / rows * group + t % rows * s.c, rows * s.c);
  }
  for (int64_t index = 0; index < panels.count; ++index) {
    breathe();
    const int64_t first = index * columns;
    const isa::PanelEnd<T> end = {panels.biases + first, static_cast<int>(std::min(columns, s.f - first)), relu};
    for (int64_t t = 0; t < count; t += rows) {
      const int m = static_cast<int>(std::min(rows, count - t));
      for (int64_t p = 0; p < kPositions; ++p) {
        gemm.tile(m, gemm.columns, s.c, inputs + t / rows * group + p * rows * s.c, s.c, 1,
                  panels.filters + (index * kPositions + p) * panels.position, columns, products + p * rows * columns,
                  columns, {});
      }
      for (int64_t r = 0; r < m; ++r) {
        if (!store(places[t + r], {products + r * columns, rows * columns}, first, end)) suspect(places[t + r].image);
      }
    }
  }
}

// All tiles; returns the images of which one was suspect.
template <class T, class Store>
std::vector<int64_t> for_tiles(const Correlation& s, const WinogradTiles& tiles, const T* x, const FilterView<T>& w,
                               const T* bias, bool relu, const Store& store) {
  const Panels<T> panels(s, w, bias);
  const Scratch<T> zeros(s.c);
  std::fill_n(zeros.get(), s.c, T{});
  std::vector<uint8_t> marks(static_cast<std::size_t>(s.n));
  const auto suspect = [&](int64_t image) {
    std::atomic_ref(marks[static_cast<std::size_t>(image)]).store(1, std::memory_order_relaxed);
  };
  const int64_t per_job = tiles_per_job<T>(s, tiles);
  parallel_for(ceil_div(tiles.count, per_job), [&](int64_t job) {
    const int64_t begin = job * per_job, count = std::min(per_job, tiles.count - begin);
    multiply_tiles<T>(s, tiles, panels, x, zeros, relu, begin, count, store, suspect);
  });
  std::vector<int64_t> images;
  for (int64_t n = 0; n < s.n; ++n) {
    if (marks[static_cast<std::size_t>(n)] != 0) images.push_back(n);
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
  const auto& micro = isa::winograd_micro<T>();
  const auto store = [&](const WinogradTile& tile, const isa::WinogradProducts<T>& products, int64_t filter,
                         const isa::PanelEnd<T>& end) {
    const int64_t i = 2 * tile.i, j = 2 * tile.j;
    return micro.store_results(products, end, static_cast<int>(std::min<int64_t>(2, s.oh - i)),
                               static_cast<int>(std::min<int64_t>(2, s.ow - j)),
                               y + ((tile.image * s.oh + i) * s.ow + j) * s.f + filter, s.ow * s.f, s.f);
  };
  auto again = for_tiles<T>(s, WinogradTiles(s, false), x, filters, bias, activation.kind == Activation::relu, store);
  activate(activation, s.n, s.oh * s.ow * s.f, y);
  return again;
}

template <class T>
std::vector<int64_t> winograd_max_pool(const Correlation& s, const T* x, const FilterView<T>& filters, const T* bias,
                                       ActivationSpec activation, T* y, uint8_t* argmax) {
  const WinogradTiles tiles(s, true);
  const auto& micro = isa::winograd_micro<T>();
  const auto store = [&](const WinogradTile& tile, const isa::WinogradProducts<T>& products, int64_t filter,
                         const isa::PanelEnd<T>& end) {
    const int64_t at = ((tile.image * tiles.rows + tile.i) * tiles.cols + tile.j) * s.f + filter;
    return micro.store_largest(products, end, y + at, argmax != nullptr ? argmax + at : nullptr);
  };
  auto again = for_tiles<T>(s, tiles, x, filters, bias, activation.kind == Activation::relu, store);
  activate(activation, s.n, tiles.rows * tiles.cols * s.f, y);
  return again;
}

#define HL_INSTANTIATE(T)                                                                                          \
  template std::vector<int64_t> winograd<T>(const Correlation&, const T*, const FilterView<T>&, const T*,          \
                                            ActivationSpec, T*);                                                   \
  template std::vector<int64_t> winograd_max_pool<T>(const Correlation&, const T*, const FilterView<T>&, const T*, \
                                                     ActivationSpec, T*, uint8_t*);
HL_INSTANTIATE(float)
HL_INSTANTIATE(double)

}  // namespace hotloop::cpu
