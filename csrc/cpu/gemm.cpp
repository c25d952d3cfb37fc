// Blocking (after Goto and van de Geijn): blocks of k keep a panel of b in L1 and a block of a in L2; panels of b are
// packed once and shared by all threads; rows and groups of panels are the jobs.
#include "cpu/gemm.h"

#include <algorithm>

#include "cpu/isa/activation.h"
#include "runtime/memory.h"
#include "runtime/threads.h"

namespace hotloop::cpu {
namespace {

constexpr int64_t kBlockK = 256;           // a panel of 256 x 16 floats is half of L1
constexpr int64_t kBlockN = 4096;          // columns packed at a time: 4 MB of L3
constexpr int64_t kJobProducts = 1 << 18;  // multiply-adds that repay handing a job to a thread
constexpr int64_t kWantedJobs = 16;
constexpr int64_t kMaxPartials = 16;

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

// How one block of k is cut into jobs of `rows` x `panels`; by shape alone.
struct Grid {
  int64_t rows, panels;
  int64_t row_jobs, panel_jobs;
  int64_t jobs() const { return row_jobs * panel_jobs; }
};

Grid make_grid(int64_t m, int64_t panels, int64_t k, int tile_rows, int tile_columns) {
  Grid grid{};
  const int64_t jobs_worth = std::max<int64_t>(1, m * panels * tile_columns * k / kJobProducts);
  const int64_t wanted = std::min(kWantedJobs, jobs_worth);
  grid.rows = std::min<int64_t>(round_up(ceil_div(m, wanted), tile_rows), 24 * tile_rows);
  grid.rows = std::max<int64_t>(grid.rows, std::min<int64_t>(m, 2 * tile_rows));
  grid.row_jobs = ceil_div(m, grid.rows);
  const int64_t wanted_columns = ceil_div(wanted, grid.row_jobs);
  grid.panels = std::max<int64_t>(1, ceil_div(panels, wanted_columns));
  grid.panel_jobs = ceil_div(panels, grid.panels);
  return grid;
}

// Rows [0, m) against panels [0, count) of one block of k.
template <class T>
void rows_by_panels(int64_t m, int64_t k, MatrixView<T> a, const T* panels, int64_t panel_size, int64_t n, T* c,
                    int64_t c_row, isa::TileEnd<T> end) {
  const auto& micro = isa::gemm_micro<T>();
  const T* bias = end.bias;
  for (int64_t j = 0; j < n; j += micro.columns, panels += panel_size) {
    const int columns = static_cast<int>(std::min<int64_t>(micro.columns, n - j));
    if (bias != nullptr) end.bias = bias + j;
    for (int64_t i = 0; i < m; i += micro.rows) {
      const int rows = static_cast<int>(std::min<int64_t>(micro.rows, m - i));
      micro.tile(rows, columns, k, a.data + i * a.row, a.row, a.col, panels, micro.columns, c + i * c_row + j, c_row,
                 end);
    }
  }
}

// The same, by way of a packed copy of a where the panels are many enough to repay it.
template <class T>
void rows_by_panels_packed(int64_t m, int64_t k, MatrixView<T> a, const T* panels, int64_t panel_size, int64_t n, T* c,
                           int64_t c_row, const isa::TileEnd<T>& end) {
  const auto& micro = isa::gemm_micro<T>();
  const int64_t panel_count = ceil_div(n, micro.columns);
  if (panel_count < (a.col == 1 ? 8 : 3)) return rows_by_panels(m, k, a, panels, panel_size, n, c, c_row, end);
  const Scratch<T> packed(round_up(m, micro.rows) * k);
  for (int64_t i = 0; i < m; i += micro.rows) {
    const int rows = static_cast<int>(std::min<int64_t>(micro.rows, m - i));
    micro.pack_a(k, rows, a.data + i * a.row, a.row, a.col, packed + i * k);
  }
  // Each tile of rows is its own (k, rows) panel.
  const T* bias = end.bias;
  isa::TileEnd<T> tile_end = end;
  for (int64_t j = 0; j < n; j += micro.columns, panels += panel_size) {
    const int columns = static_cast<int>(std::min<int64_t>(micro.columns, n - j));
    if (bias != nullptr) tile_end.bias = bias + j;
    for (int64_t i = 0; i < m; i += micro.rows) {
      const int rows = static_cast<int>(std::min<int64_t>(micro.rows, m - i));
      micro.tile(rows, columns, k, packed + i * k, 1, micro.rows, panels, micro.columns, c + i * c_row + j, c_row,
                 tile_end);
    }
  }
}

template <class T>
void apply_activation(ActivationSpec activation, int64_t m, int64_t n, T* c, int64_t c_row) {
  const auto& micro = isa::activation_micro<T>();
  for (int64_t i = 0; i < m; ++i) micro.forward(activation, n, c + i * c_row, c + i * c_row);
}

bool fits_tile(Activation kind) { return kind == Activation::none || kind == Activation::relu; }

// Many products over k into few sums: k is cut into parts with private sums, added up in order.
template <class T>
void gemm_split_k(int64_t m, int64_t n, int64_t k, MatrixView<T> a, MatrixView<T> b, const T* bias,
                  ActivationSpec activation, T* c) {
  const auto& micro = isa::gemm_micro<T>();
  const int64_t part = round_up(ceil_div(k, kMaxPartials), kBlockK);
  const int64_t parts = ceil_div(k, part);
  const int64_t panels = ceil_div(n, micro.columns);
  const Scratch<T> sums(parts * m * n);
  parallel_for(parts, [&](int64_t index) {
    const int64_t begin = index * part, end = std::min(k, begin + part);
    const Scratch<T> packed(panels * kBlockK * micro.columns);
    for (int64_t p = begin; p < end; p += kBlockK) {
      const int64_t depth = std::min(kBlockK, end - p);
      pack_panels<T>(depth, n, {b.data + p * b.row, b.row, b.col}, 0, panels, packed);
      rows_by_panels_packed<T>(m, depth, {a.data + p * a.col, a.row, a.col}, packed, depth * micro.columns, n,
                               sums + index * m * n, n, {.add = p > begin});
    }
  });
  parallel_ranges(m, ceil_div(m, kWantedJobs), [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      T* row = c + i * n;
      for (int64_t j = 0; j < n; ++j) row[j] = sums[i * n + j];
      for (int64_t index = 1; index < parts; ++index) {
        const T* add = sums + (index * m + i) * n;
        for (int64_t j = 0; j < n; ++j) row[j] += add[j];
      }
      if (bias != nullptr) {
        for (int64_t j = 0; j < n; ++j) row[j] += bias[j];
      }
      if (activation.kind != Activation::none) isa::activation_micro<T>().forward(activation, n, row, row);
    }
  });
}

template <class T>
void gemm_without_products(int64_t m, int64_t n, const T* bias, ActivationSpec activation, T* c) {
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) c[i * n + j] = bias != nullptr ? bias[j] : T{};
  }
  apply_activation(activation, m, n, c, n);
}

}  // namespace

template <class T>
int64_t packed_size(int64_t k, int64_t n) {
  return round_up(n, isa::gemm_micro<T>().columns) * k;
}

template <class T>
void pack_panels(int64_t k, int64_t n, MatrixView<T> b, int64_t first, int64_t last, T* panels) {
  const auto& micro = isa::gemm_micro<T>();
  for (int64_t j = first; j < last; ++j) {
    const int columns = static_cast<int>(std::min<int64_t>(micro.columns, n - j * micro.columns));
    micro.pack_b(k, columns, b.data + j * micro.columns * b.col, b.row, b.col, panels + j * k * micro.columns);
  }
}

template <class T>
void gemm_block(int64_t m, MatrixView<T> a, const PackedPanels<T>& b, T* c, int64_t c_row, const isa::TileEnd<T>& end) {
  const int64_t columns = isa::gemm_micro<T>().columns;
  for (int64_t p = 0; p < b.k; p += kBlockK) {
    const int64_t depth = std::min(kBlockK, b.k - p);
    const bool last = p + depth == b.k;
    const isa::TileEnd<T> block_end = {
        .bias = last ? end.bias : nullptr, .add = end.add || p > 0, .relu = last && end.relu};
    rows_by_panels<T>(m, depth, {a.data + p * a.col, a.row, a.col}, b.panels + p * columns, b.k * columns, b.n, c,
                      c_row, block_end);
  }
}

template <class T>
void gemm(int64_t m, int64_t n, int64_t k, MatrixView<T> a, MatrixView<T> b, const T* bias, ActivationSpec activation,
          T* c) {
  if (m == 0 || n == 0) return;
  if (k == 0) return gemm_without_products(m, n, bias, activation, c);
  const auto& micro = isa::gemm_micro<T>();
  if (k >= 8 * kBlockK && m * n <= 64 * 1024 && m * n * 4 <= k * 64) {
    return gemm_split_k(m, n, k, a, b, bias, activation, c);
  }
  const bool tile_activation = fits_tile(activation.kind);
  const Scratch<T> packed(packed_size<T>(std::min(k, kBlockK), std::min(n, kBlockN)));
  for (int64_t j = 0; j < n; j += kBlockN) {
    const int64_t width = std::min(kBlockN, n - j);
    const int64_t panels = ceil_div(width, micro.columns);
    for (int64_t p = 0; p < k; p += kBlockK) {
      const int64_t depth = std::min(kBlockK, k - p);
      const int64_t panel_size = depth * micro.columns;
      const bool last = p + depth == k;
      const MatrixView<T> b_block = {b.data + p * b.row + j * b.col, b.row, b.col};
      const Grid grid = make_grid(m, panels, depth, micro.rows, micro.columns);
      const int64_t pack_grain = grid.jobs() == 1 ? panels : std::max<int64_t>(1, ceil_div(panels, kWantedJobs));
      parallel_ranges(panels, pack_grain,
                      [&](int64_t first, int64_t end) { pack_panels<T>(depth, width, b_block, first, end, packed); });
      const isa::TileEnd<T> end = {
          .bias = last ? bias : nullptr, .add = p > 0, .relu = last && activation.kind == Activation::relu};
      parallel_for(grid.jobs(), [&](int64_t job) {
        const int64_t row = job / grid.panel_jobs * grid.rows, panel = job % grid.panel_jobs * grid.panels;
        const int64_t rows = std::min(grid.rows, m - row);
        const int64_t column = panel * micro.columns;
        const int64_t columns = std::min(grid.panels * micro.columns, width - column);
        T* c_block = c + row * n + j + column;
        isa::TileEnd<T> job_end = end;
        if (end.bias != nullptr) job_end.bias = end.bias + j + column;
        rows_by_panels_packed<T>(rows, depth, {a.data + row * a.row + p * a.col, a.row, a.col},
                                 packed + panel * panel_size, panel_size, columns, c_block, n, job_end);
        if (last && !tile_activation) apply_activation(activation, rows, columns, c_block, n);
      });
    }
  }
}

#define HL_INSTANTIATE(T)                                                                                           \
  template int64_t packed_size<T>(int64_t, int64_t);                                                                \
  template void pack_panels<T>(int64_t, int64_t, MatrixView<T>, int64_t, int64_t, T*);                              \
  template void gemm_block<T>(int64_t, MatrixView<T>, const PackedPanels<T>&, T*, int64_t, const isa::TileEnd<T>&); \
  template void gemm<T>(int64_t, int64_t, int64_t, MatrixView<T>, MatrixView<T>, const T*, ActivationSpec, T*);
HL_INSTANTIATE(float)
HL_INSTANTIATE(double)

}  // namespace hotloop::cpu
