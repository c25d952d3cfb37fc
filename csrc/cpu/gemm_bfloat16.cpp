// Both operands are packed once: rows of a in blocks as high as a tile, b in panels of pairs, each in blocks of k.
#include "cpu/gemm_bfloat16.h"

#include <algorithm>

#include "cpu/ceil_div.h"
#include "cpu/isa/bfloat16.h"
#include "cpu/isa/elementwise.h"
#include "cpu/isa/units/units.h"
#include "runtime/memory.h"
#include "runtime/threads.h"

namespace hotloop::cpu {
namespace {

using unit::Bfloat16, unit::kColumns, unit::kDepth;

constexpr int64_t kBlockK = 1024;          // a panel of it is 64 KB, of L2
constexpr int64_t kRowBlocks = 8;          // of a job, so that a panel is read from L2 for several tiles
constexpr int64_t kPanels = 16;            // of a job, so that its rows stay in L2
constexpr int64_t kJobProducts = 1 << 18;  // multiply-adds that repay handing a job to a thread
constexpr int64_t kPack = 16 * 1024;       // elements, of rows or panels, that do

// Blocks of k lie one behind the other; in each, rows are a cache line further apart than they are long, so that they
// do not compete for the same places of L1.
struct Blocks {
  explicit Blocks(int64_t k) : depth(round_up(k, kDepth)), count(ceil_div(depth, kBlockK)) {}
  int64_t begin(int64_t block) const { return block * kBlockK; }
  int64_t size(int64_t block) const { return std::min(kBlockK, depth - begin(block)); }
  int64_t row(int64_t block) const { return size(block) + kDepth; }
  int64_t depth, count;
};

// A (rows, cols) matrix whose neighbours in a row lie side by side: as it is, or turned round in `copy`.
MatrixView<float> with_plain_rows(int64_t rows, int64_t cols, MatrixView<float> a, float* copy) {
  if (a.col == 1) return a;
  isa::elementwise_micro<float>().transpose(rows, cols, a.data, a.col, copy, cols);
  return {copy, cols, 1};
}

// Rows [0, m) of a as one block of rows, zeros below and behind.
void pack_row_block(const Blocks& blocks, int64_t m, int64_t k, MatrixView<float> a, int64_t rows, Bfloat16* to) {
  const Scratch<float> turned(a.col == 1 ? 0 : m * std::min(k, kBlockK));
  for (int64_t block = 0; block < blocks.count; ++block) {
    const int64_t p = blocks.begin(block), depth = std::min(blocks.size(block), k - p), row = blocks.row(block);
    const MatrixView<float> plain = with_plain_rows(m, depth, {a.data + p * a.col, a.row, a.col}, turned);
    for (int64_t i = 0; i < rows; ++i, to += row) {
      const int64_t there = i < m ? depth : 0;
      if (i < m) isa::bfloat16_micro<float>().round_to_halves(there, plain.data + i * plain.row, to);
      std::fill(to + there, to + row, Bfloat16{0});
    }
  }
}

// Columns [0, n) of b as a panel, zeros beside and below.
void pack_panel(const Blocks& blocks, int64_t n, int64_t k, MatrixView<float> b, Bfloat16* to) {
  const Scratch<float> turned(b.col == 1 ? 0 : kColumns * std::min(k, kBlockK));
  if (n < kColumns || k < blocks.depth) std::fill_n(to, blocks.depth * kColumns, Bfloat16{0});
  for (int64_t p = 0; p < k; p += kBlockK) {
    const int64_t depth = std::min(kBlockK, k - p);
    const MatrixView<float> plain = with_plain_rows(depth, n, {b.data + p * b.row, b.row, b.col}, turned);
    isa::bfloat16_micro<float>().round_to_pairs(depth, n, plain.data, plain.row, to + p * kColumns, kColumns);
  }
}

// c's tile of m rows and n columns; one that is not whole goes by way of the stack.
void tile_of(const unit::Bfloat16Unit& unit, int64_t m, int64_t n, int64_t k, const Bfloat16* a, int64_t a_row,
             const Bfloat16* panel, float* c, int64_t c_row, bool add) {
  if (m == unit.rows && n == kColumns) return unit.tile(k, a, a_row, panel, c, c_row, add);
  float whole[unit::kMostRows * kColumns];
  for (int64_t i = 0; i < m && add; ++i) std::copy_n(c + i * c_row, n, whole + i * kColumns);
  unit.tile(k, a, a_row, panel, whole, kColumns, add);
  for (int64_t i = 0; i < m; ++i) std::copy_n(whole + i * kColumns, n, c + i * c_row);
}

}  // namespace

Bfloat16Panels::Bfloat16Panels(int64_t k, int64_t n, MatrixView<float> b)
    : unit_(*unit::bfloat16_unit()), k_(k), n_(n), panel_(Blocks(k).depth * kColumns), panels_(count() * panel_) {
  parallel_ranges(count(), ceil_div(kPack, panel_), [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) {
      breathe();
      pack_panel(Blocks(k), std::min(kColumns, n - j * kColumns), k, {b.data + j * kColumns * b.col, b.row, b.col},
                 panels_ + j * panel_);
    }
  });
}

int64_t Bfloat16Panels::count() const { return ceil_div(n_, kColumns); }

int64_t Bfloat16Panels::packed_rows(int64_t m) const {
  const Blocks blocks(k_);
  return round_up(m, unit_.rows) * (blocks.depth + blocks.count * kDepth);
}

void Bfloat16Panels::pack_rows(int64_t m, MatrixView<float> a, Bfloat16* to) const {
  for (int64_t i = 0; i < m; i += unit_.rows) {
    pack_row_block(Blocks(k_), std::min<int64_t>(unit_.rows, m - i), k_, {a.data + i * a.row, a.row, a.col}, unit_.rows,
                   to + packed_rows(i));
  }
}

void Bfloat16Panels::multiply_packed(int64_t m, const Bfloat16* rows, int64_t first, int64_t last, float* c,
                                     int64_t c_row, const isa::TileEnd<float>& end) const {
  const Blocks blocks(k_);
  const int64_t row_block = packed_rows(unit_.rows);
  int64_t before = 0;  // elements of a row block in front of the block of k
  for (int64_t block = 0; block < blocks.count; ++block) {
    for (int64_t j = first; j < last; ++j) {
      breathe();
      for (int64_t i = 0; i < m; i += unit_.rows) {
        tile_of(unit_, std::min<int64_t>(unit_.rows, m - i), std::min(kColumns, n_ - j * kColumns), blocks.size(block),
                rows + i / unit_.rows * row_block + before, blocks.row(block),
                panels_ + j * panel_ + blocks.begin(block) * kColumns, c + i * c_row + j * kColumns, c_row,
                end.add || block > 0);
      }
    }
    before += unit_.rows * blocks.row(block);
  }
  const int64_t column = first * kColumns, width = std::min(n_, last * kColumns) - column;
  for (int64_t i = 0; i < m; ++i) {
    float* row = c + i * c_row + column;
    for (int64_t j = 0; j < width && end.bias != nullptr; ++j) row[j] += end.bias[column + j];
    for (int64_t j = 0; j < width && end.relu; ++j) row[j] = row[j] < 0 ? 0 : row[j];  // NaN stays
  }
}

void Bfloat16Panels::multiply(int64_t m, MatrixView<float> a, float* c, int64_t c_row,
                              const isa::TileEnd<float>& end) const {
  const int64_t most = kRowBlocks * unit_.rows;
  const Scratch<Bfloat16> rows(packed_rows(std::min(m, most)));
  for (int64_t i = 0; i < m; i += most) {
    const int64_t count_here = std::min(most, m - i);
    pack_rows(count_here, {a.data + i * a.row, a.row, a.col}, rows);
    multiply_packed(count_here, rows, 0, count(), c + i * c_row, c_row, end);
  }
}

void gemm_bfloat16(int64_t m, int64_t n, int64_t k, MatrixView<float> a, MatrixView<float> b, const float* bias,
                   ActivationSpec activation, float* c) {
  const Bfloat16Panels panels(k, n, b);
  const int64_t rows = panels.tile_rows(), row_blocks = ceil_div(m, rows);
  const Scratch<Bfloat16> left(panels.packed_rows(m));
  parallel_ranges(row_blocks, ceil_div(kPack, panels.packed_rows(rows)), [&](int64_t begin, int64_t end) {
    breathe();
    panels.pack_rows(std::min(m, end * rows) - begin * rows, {a.data + begin * rows * a.row, a.row, a.col},
                     left + panels.packed_rows(begin * rows));
  });
  const int64_t worth = std::max<int64_t>(1, kJobProducts / (rows * kColumns * round_up(k, kDepth)));  // tiles of a job
  const int64_t job_rows = std::min(kRowBlocks, worth) * rows;
  const int64_t job_panels = std::clamp(worth * rows / job_rows, int64_t{2}, kPanels);
  const int64_t across = ceil_div(panels.count(), job_panels);
  const bool relu = activation.kind == Activation::relu;
  parallel_for(ceil_div(m, job_rows) * across, [&](int64_t job) {
    const int64_t row = job / across * job_rows, count = std::min(job_rows, m - row);
    const int64_t first = job % across * job_panels, last = std::min(panels.count(), first + job_panels);
    panels.multiply_packed(count, left + panels.packed_rows(row), first, last, c + row * n, n,
                           {.bias = bias, .add = false, .relu = relu});
    const int64_t column = first * kColumns, width = std::min(n, last * kColumns) - column;
    if (!relu) apply_activation(activation, count, width, c + row * n + column, n);
  });
}

}  // namespace hotloop::cpu
