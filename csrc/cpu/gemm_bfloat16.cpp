// Both operands are packed once: rows of a in blocks as high as a tile, b in panels of pairs, each in blocks of k.
#include "cpu/gemm_bfloat16.h"

#include <algorithm>

#include "cpu/ceil_div.h"
#include "cpu/isa/bfloat16.h"
#include "cpu/isa/elementwise.h"
#include "cpu/units/units.h"
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

// Rows [0, m) of a as one block of rows, zeros below and behind.
void pack_rows(const Blocks& blocks, int64_t m, int64_t k, MatrixView<float> a, int64_t rows, Bfloat16* to) {
  const Scratch<float> turned(a.col == 1 ? 0 : m * std::min(k, kBlockK));
  for (int64_t block = 0; block < blocks.count; ++block) {
    const int64_t p = blocks.begin(block), depth = std::min(blocks.size(block), k - p), row = blocks.row(block);
    const float* from = a.data + p * a.col;
    int64_t stride = a.row;
    if (a.col != 1) {
      isa::elementwise_micro<float>().transpose(m, depth, from, a.col, turned, depth);
      from = turned;
      stride = depth;
    }
    for (int64_t i = 0; i < rows; ++i, to += row) {
      const int64_t there = i < m ? depth : 0;
      if (i < m) isa::bfloat16_micro<float>().round_to_halves(there, from + i * stride, to);
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
    const float* from = b.data + p * b.row;
    int64_t stride = b.row;
    if (b.col != 1) {
      isa::elementwise_micro<float>().transpose(depth, n, from, b.col, turned, n);
      from = turned;
      stride = n;
    }
    isa::bfloat16_micro<float>().round_to_pairs(depth, n, from, stride, to + p * kColumns, kColumns);
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

void gemm_bfloat16(int64_t m, int64_t n, int64_t k, MatrixView<float> a, MatrixView<float> b, const float* bias,
                   ActivationSpec activation, float* c) {
  const unit::Bfloat16Unit& unit = *unit::bfloat16_unit();
  const Blocks blocks(k);
  const int64_t rows = unit.rows, row_blocks = ceil_div(m, rows), panels = ceil_div(n, kColumns);
  const int64_t row_block = rows * (blocks.depth + blocks.count * kDepth), panel = blocks.depth * kColumns;
  const Scratch<Bfloat16> left(row_blocks * row_block), right(panels * panel);
  parallel_ranges(row_blocks, ceil_div(kPack, row_block), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      breathe();
      pack_rows(blocks, std::min(rows, m - i * rows), k, {a.data + i * rows * a.row, a.row, a.col}, rows,
                left + i * row_block);
    }
  });
  parallel_ranges(panels, ceil_div(kPack, panel), [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) {
      breathe();
      pack_panel(blocks, std::min(kColumns, n - j * kColumns), k, {b.data + j * kColumns * b.col, b.row, b.col},
                 right + j * panel);
    }
  });
  const int64_t worth = std::max<int64_t>(1, kJobProducts / (rows * kColumns * blocks.depth));  // tiles of a job
  const int64_t job_rows = std::min(kRowBlocks, worth), job_panels = std::clamp(worth / job_rows, int64_t{2}, kPanels);
  const int64_t across = ceil_div(panels, job_panels);
  parallel_for(ceil_div(row_blocks, job_rows) * across, [&](int64_t job) {
    const int64_t first_row = job / across * job_rows, last_row = std::min(row_blocks, first_row + job_rows);
    const int64_t first = job % across * job_panels, last = std::min(panels, first + job_panels);
    int64_t before = 0;  // elements of a row block in front of the block of k
    for (int64_t block = 0; block < blocks.count; ++block) {
      for (int64_t j = first; j < last; ++j) {
        breathe();
        for (int64_t i = first_row; i < last_row; ++i) {
          tile_of(unit, std::min(rows, m - i * rows), std::min(kColumns, n - j * kColumns), blocks.size(block),
                  left + i * row_block + before, blocks.row(block), right + j * panel + blocks.begin(block) * kColumns,
                  c + i * rows * n + j * kColumns, n, block > 0);
        }
      }
      before += rows * blocks.row(block);
    }
    const int64_t column = first * kColumns, width = std::min(n, last * kColumns) - column;
    for (int64_t i = first_row * rows; i < std::min(m, last_row * rows); ++i) {
      float* row = c + i * n + column;
      for (int64_t j = 0; j < width && bias != nullptr; ++j) row[j] += bias[column + j];
    }
    apply_activation(activation, std::min(m, last_row * rows) - first_row * rows, width,
                     c + first_row * rows * n + column, n);
  });
}

}  // namespace hotloop::cpu
