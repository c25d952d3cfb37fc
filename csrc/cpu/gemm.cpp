// Blocking (after Goto and van de Geijn): blocks of k keep a panel of b in L1 and a block of a in L2; panels of b are
// packed once and shared by all threads; rows and groups of panels are the jobs.
#include "cpu/gemm.h"

#include <algorithm>
#include <type_traits>

#include "cpu/ceil_div.h"
#include "cpu/gemm_bfloat16.h"
#include "cpu/isa/activation.h"
#include "cpu/isa/elementwise.h"
#include "cpu/isa/gemv.h"
#include "runtime/memory.h"
#include "runtime/threads.h"

namespace hotloop::cpu {
namespace {

constexpr int64_t kBlockK = 512;           // a panel of 512 x 16 floats is L1, a tile's rows are half of it or less
constexpr int64_t kBlockN = 4096;          // columns packed at a time: 4 MB of L3
constexpr int64_t kPacked = 1 << 20;       // elements packed between two barriers of all threads: 4 MB of L3
constexpr int64_t kJobProducts = 1 << 17;  // multiply-adds that repay handing a job to a thread that is awake
constexpr int64_t kWaking = 1 << 20;       // multiply-adds that repay waking one
constexpr int64_t kWantedJobs = 16;
constexpr int64_t kManyPanels = 64;         // repay packing any rows
constexpr int64_t kFewElements = 4096;      // a half of L1
constexpr int64_t kPage = 4096;             // bytes: elements so far apart compete for the few places of one L1 set
constexpr int64_t kLongProducts = 1 << 29;  // from here on twice as many jobs: at the end a thread waits for less
constexpr int64_t kMaxPartials = 16;
constexpr int64_t kRowsAdded = 256;  // one after the other, where nothing is packed

// How one block of k is cut into jobs of `rows` x `panels`; by shape alone.
struct Grid {
  int64_t rows, panels;
  int64_t row_jobs, panel_jobs;
  int64_t jobs() const { return row_jobs * panel_jobs; }
};

Grid make_grid(int64_t m, int64_t panels, int64_t k, int tile_rows, int tile_columns) {
  Grid grid{};
  const int64_t products = m * panels * tile_columns * k;
  const int64_t wanted =
      std::clamp<int64_t>(products / kJobProducts, 1, products < kLongProducts ? kWantedJobs : 2 * kWantedJobs);
  grid.rows = std::min<int64_t>(round_up(ceil_div(m, wanted), tile_rows), 24 * tile_rows);
  grid.rows = std::max<int64_t>(grid.rows, std::min<int64_t>(m, 2 * tile_rows));
  grid.row_jobs = ceil_div(m, grid.rows);
  const int64_t wanted_columns = ceil_div(wanted, grid.row_jobs);
  grid.panels = std::max<int64_t>(1, ceil_div(panels, wanted_columns));
  grid.panel_jobs = ceil_div(panels, grid.panels);
  return grid;
}

// Where the rows of each tile lie: those of tile t begin at data + t * tile.
template <class T>
struct TileRows {
  const T* data;
  int64_t tile, row, col;  // strides
};

template <class T>
TileRows<T> rows_as_they_lie(MatrixView<T> a) {
  return {a.data, isa::gemm_micro<T>().rows * a.row, a.row, a.col};
}

// One block of k: all tiles of (m, n).
template <class T>
void tiles(int64_t m, int64_t n, int64_t k, TileRows<T> a, PanelView<T> b, T* c, int64_t c_row, isa::TileEnd<T> end) {
  const auto& micro = isa::gemm_micro<T>();
  const T* bias = end.bias;
  for (int64_t j = 0; j < n; j += micro.columns, b.data += b.panel) {
    const int columns = static_cast<int>(std::min<int64_t>(micro.columns, n - j));
    if (bias != nullptr) end.bias = bias + j;
    const T* rows = a.data;
    for (int64_t i = 0; i < m; i += micro.rows, rows += a.tile) {
      micro.tile(static_cast<int>(std::min<int64_t>(micro.rows, m - i)), columns, k, rows, a.row, a.col, b.data, b.row,
                 c + i * c_row + j, c_row, end);
    }
  }
}

// The same by way of a packed copy of a, where the panels are many enough to repay it: the rows of each tile become a
// (k, micro.rows) panel. Plain rows are read well enough as they lie, unless they push each other out of L1, until
// there are very many panels.
template <class T>
void tiles_of_packed(int64_t m, int64_t n, int64_t k, MatrixView<T> a, PanelView<T> b, T* c, int64_t c_row,
                     const isa::TileEnd<T>& end) {
  const auto& micro = isa::gemm_micro<T>();
  const int64_t panels_worth = a.col == 1 && a.row * static_cast<int64_t>(sizeof(T)) % kPage != 0 ? kManyPanels : 3;
  const bool worth_packing = ceil_div(n, micro.columns) >= panels_worth;
  if (!worth_packing) return tiles(m, n, k, rows_as_they_lie(a), b, c, c_row, end);
  const Scratch<T> packed(round_up(m, micro.rows) * k);
  for (int64_t i = 0; i < m; i += micro.rows) {
    micro.pack_a(k, static_cast<int>(std::min<int64_t>(micro.rows, m - i)), a.data + i * a.row, a.row, a.col,
                 packed + i * k);
  }
  tiles<T>(m, n, k, {packed, micro.rows * k, 1, micro.rows}, b, c, c_row, end);
}

// Many products over k into few sums: k is cut into parts with private sums, added up in order.
template <class T>
void gemm_split_k(int64_t m, int64_t n, int64_t k, MatrixView<T> a, MatrixView<T> b, T* c) {
  const auto& micro = isa::gemm_micro<T>();
  const int64_t part = round_up(ceil_div(k, kMaxPartials), kBlockK);
  const int64_t parts = ceil_div(k, part);
  const int64_t panels = ceil_div(n, micro.columns);
  const Scratch<T> sums(parts * m * n);
  parallel_for(parts, [&](int64_t index) {
    const int64_t begin = index * part, end = std::min(k, begin + part);
    const Scratch<T> packed(panels * kBlockK * micro.columns);
    for (int64_t p = begin; p < end; p += kBlockK) {
      breathe();
      const int64_t depth = std::min(kBlockK, end - p), panel_size = depth * micro.columns;
      pack_panels<T>(depth, n, {b.data + p * b.row, b.row, b.col}, 0, panels, packed, panel_size);
      tiles_of_packed<T>(m, n, depth, {a.data + p * a.col, a.row, a.col}, {packed, panel_size, micro.columns},
                         sums + index * m * n, n, {.add = p > begin});
    }
  });
  add_parts<T>(parts, m * n, sums, c);
}

// One row or column of results, y[i] = sum of w(i, p) x[p]: every element of w is used once, so that nothing is packed.
// How a sum is added up follows from whether dot products or scaled rows were asked for, never from how w lies: what
// lies the other way is transposed strip by strip.
template <class T>
void gemv(int64_t count, int64_t k, MatrixView<T> w, const T* x, bool by_dots, T* y) {
  constexpr int64_t kStrip = 64;
  const auto& micro = isa::gemv_micro<T>();
  const bool lies_well = by_dots ? w.col == 1 : w.row == 1;
  // As short as the sums of the tiles; a dot product has one for each lane.
  const int64_t block = by_dots ? 16 * kRowsAdded : kRowsAdded;
  const int64_t grain = round_up(ceil_div(kJobProducts / 2, k), by_dots ? 16 : 1024);
  const auto multiply = [&](int64_t n, int64_t depth, const T* from, int64_t stride, int64_t p, T* to) {
    (by_dots ? micro.dots : micro.scaled_rows)(n, depth, from, stride, x + p, p > 0, to);
  };
  parallel_ranges(count, grain, [&](int64_t begin, int64_t end) {
    const Scratch<T> turned(lies_well ? 0 : kStrip * std::min(k, block));
    for (int64_t p = 0; p < k; p += block) {
      breathe();
      const int64_t depth = std::min(block, k - p);
      const T* from = w.data + begin * w.row + p * w.col;
      if (lies_well) {
        multiply(end - begin, depth, from, by_dots ? w.row : w.col, p, y + begin);
        continue;
      }
      for (int64_t i = begin; i < end; i += kStrip, from += kStrip * w.row) {
        const int64_t n = std::min(kStrip, end - i);
        const auto& turn = isa::elementwise_micro<T>().transpose;
        by_dots ? turn(n, depth, from, w.col, turned, depth) : turn(depth, n, from, w.row, turned, n);
        multiply(n, depth, turned, by_dots ? depth : n, p, y + i);
      }
    }
  });
}

// The vector that is multiplied, contiguous.
template <class T>
struct ContiguousVector {
  ContiguousVector(int64_t n, const T* x, int64_t stride) : copy(stride == 1 ? 0 : n), data(stride == 1 ? x : copy) {
    for (int64_t i = 0; i < n && stride != 1; ++i) copy[i] = x[i * stride];
  }
  Scratch<T> copy;
  const T* data;
};

// What is left to do where no tile did it: bias and activation over the whole of c.
template <class T>
void finish_rows(int64_t m, int64_t n, const T* bias, ActivationSpec activation, T* c) {
  for (int64_t i = 0; i < m && bias != nullptr; ++i) {
    for (int64_t j = 0; j < n; ++j) c[i * n + j] += bias[j];
  }
  apply_activation(activation, m, n, c, n);
}

}  // namespace

template <class T>
int64_t packed_size(int64_t k, int64_t n) {
  return round_up(n, isa::gemm_micro<T>().columns) * k;
}

template <class T>
void pack_panels(int64_t k, int64_t n, MatrixView<T> b, int64_t first, int64_t last, T* panels, int64_t panel_size) {
  const auto& micro = isa::gemm_micro<T>();
  for (int64_t j = first; j < last; ++j) {
    const int columns = static_cast<int>(std::min<int64_t>(micro.columns, n - j * micro.columns));
    micro.pack_b(k, columns, b.data + j * micro.columns * b.col, b.row, b.col, panels + j * panel_size);
  }
}

template <class T>
void gemm_block(int64_t m, int64_t n, int64_t k, MatrixView<T> a, PanelView<T> b, T* c, int64_t c_row,
                const isa::TileEnd<T>& end) {
  for (int64_t p = 0; p < k; p += kBlockK) {
    const int64_t depth = std::min(kBlockK, k - p);
    const bool last = p + depth == k;
    const isa::TileEnd<T> block_end = {
        .bias = last ? end.bias : nullptr, .add = end.add || p > 0, .relu = last && end.relu};
    tiles<T>(m, n, depth, rows_as_they_lie<T>({a.data + p * a.col, a.row, a.col}), {b.data + p * b.row, b.panel, b.row},
             c, c_row, block_end);
  }
}

template <class T>
void apply_activation(ActivationSpec activation, int64_t m, int64_t n, T* c, int64_t c_row) {
  if (activation.kind == Activation::none) return;
  const auto& micro = isa::activation_micro<T>();
  for (int64_t i = 0; i < m; ++i) micro.forward(activation, n, c + i * c_row, c + i * c_row);
}

template <class T>
void add_parts(int64_t count, int64_t size, const T* parts, T* sum) {
  parallel_ranges(size, 4096, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) sum[i] = parts[i];
    for (int64_t index = 1; index < count; ++index) {
      const T* add = parts + index * size;
      for (int64_t i = begin; i < end; ++i) sum[i] += add[i];
    }
  });
}

template <class T>
void gemm(int64_t m, int64_t n, int64_t k, MatrixView<T> a, MatrixView<T> b, const T* bias, ActivationSpec activation,
          T* c, bool in_bfloat16) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    std::fill(c, c + m * n, T{});
    return finish_rows(m, n, bias, activation, c);
  }
  if constexpr (std::is_same_v<T, float>) {
    if (in_bfloat16) return gemm_bfloat16(m, n, k, a, b, bias, activation, c);
  }
  if (n == 1 && (a.col == 1 || a.row == 1)) {
    gemv<T>(m, k, a, ContiguousVector<T>(k, b.data, b.row).data, true, c);
    return finish_rows(m, n, bias, activation, c);
  }
  if (m == 1 && (b.col == 1 || b.row == 1)) {
    gemv<T>(n, k, {b.data, b.col, b.row}, ContiguousVector<T>(k, a.data, a.col).data, false, c);
    return finish_rows(m, n, bias, activation, c);
  }
  if (k >= 8 * kBlockK && m * n <= 64 * 1024 && m * n * 4 <= k * 64) {
    gemm_split_k(m, n, k, a, b, c);
    return finish_rows(m, n, bias, activation, c);
  }
  const auto& micro = isa::gemm_micro<T>();
  const bool tiles_activate = activation.kind == Activation::none || activation.kind == Activation::relu;
  // Few rows don't repay packing, nor does a b that stays in L1: whole panels are then read where they lie.
  const bool worth_packing = m > 2 * micro.rows && k * n > kFewElements;
  const bool b_lies = !worth_packing && b.col == 1 && n % micro.columns == 0;
  const int64_t deep = std::min(k, std::max<int64_t>(1, kPacked / std::min(n, kBlockN) / kBlockK) * kBlockK);
  const Scratch<T> packed(b_lies ? 0 : packed_size<T>(deep, std::min(n, kBlockN)));
  for (int64_t j = 0; j < n; j += kBlockN) {
    const int64_t width = std::min(kBlockN, n - j);
    const int64_t panels = ceil_div(width, micro.columns);
    for (int64_t from = 0; from < k; from += deep) {
      const int64_t to = std::min(k, from + deep), blocks = ceil_div(to - from, kBlockK);
      // The panels of the block of k that begins at p.
      const auto panels_at = [&](int64_t p) {
        const int64_t size = std::min(kBlockK, to - p) * micro.columns;
        if (b_lies) return PanelView<T>{b.data + p * b.row + j, micro.columns, b.row};
        return PanelView<T>{packed + (p - from) * panels * micro.columns, size, micro.columns};
      };
      const Grid grid = make_grid(m, panels, to - from, micro.rows, micro.columns);
      const int64_t all = b_lies ? 0 : blocks * panels;
      const Helpers helpers = m * width * (to - from) < kWaking ? Helpers::awake : Helpers::all;
      const auto pack = [&](int64_t begin, int64_t end) {
        for (int64_t index = begin; index < end; ++index) {
          const int64_t p = from + index / panels * kBlockK, panel = index % panels;
          const int64_t depth = std::min(kBlockK, to - p);
          pack_panels<T>(depth, width, {b.data + p * b.row + j * b.col, b.row, b.col}, panel, panel + 1,
                         packed + (p - from) * panels * micro.columns, depth * micro.columns);
        }
      };
      parallel_ranges(all, grid.jobs() == 1 ? all : ceil_div(all, kWantedJobs), pack, helpers);
      const auto multiply = [&](int64_t job) {
        const int64_t row = job / grid.panel_jobs * grid.rows, panel = job % grid.panel_jobs * grid.panels;
        const int64_t rows = std::min(grid.rows, m - row), column = panel * micro.columns;
        const int64_t columns = std::min(grid.panels * micro.columns, width - column);
        T* c_block = c + row * n + j + column;
        for (int64_t p = from; p < to; p += kBlockK) {
          breathe();
          const int64_t depth = std::min(kBlockK, to - p);
          const bool last = p + depth == k;
          const PanelView<T> right = panels_at(p);
          const isa::TileEnd<T> end = {.bias = last && bias != nullptr ? bias + j + column : nullptr,
                                       .add = p > 0,
                                       .relu = last && activation.kind == Activation::relu};
          tiles_of_packed<T>(rows, columns, depth, {a.data + row * a.row + p * a.col, a.row, a.col},
                             {right.data + panel * right.panel, right.panel, right.row}, c_block, n, end);
        }
        if (to == k && !tiles_activate) apply_activation(activation, rows, columns, c_block, n);
      };
      parallel_for(grid.jobs(), multiply, helpers);
    }
  }
}

#define HL_INSTANTIATE(T)                                                                          \
  template int64_t packed_size<T>(int64_t, int64_t);                                               \
  template void pack_panels<T>(int64_t, int64_t, MatrixView<T>, int64_t, int64_t, T*, int64_t);    \
  template void gemm_block<T>(int64_t, int64_t, int64_t, MatrixView<T>, PanelView<T>, T*, int64_t, \
                              const isa::TileEnd<T>&);                                             \
  template void apply_activation<T>(ActivationSpec, int64_t, int64_t, T*, int64_t);                \
  template void add_parts<T>(int64_t, int64_t, const T*, T*);                                      \
  template void gemm<T>(int64_t, int64_t, int64_t, MatrixView<T>, MatrixView<T>, const T*, ActivationSpec, T*, bool);
HL_INSTANTIATE(float)
HL_INSTANTIATE(double)

}  // namespace hotloop::cpu
