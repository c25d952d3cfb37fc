// Matrix products in bfloat16, on the unit that multiplies such; there is one. It takes denormal numbers for zeros.
#pragma once

#include "cpu/gemm.h"
#include "cpu/isa/units/units.h"
#include "runtime/memory.h"

namespace hotloop::cpu {

/// b (k, n), rounded and packed for the unit; no size is 0.
class Bfloat16Panels {
 public:
  /// Packs on all threads.
  Bfloat16Panels(int64_t k, int64_t n, MatrixView<float> b);

  int64_t count() const;
  int64_t tile_rows() const { return unit_.rows; }
  /// Numbers that m rows take, rounded and packed; a multiple of tile_rows() of them begin where so many end.
  int64_t packed_rows(int64_t m) const;
  void pack_rows(int64_t m, MatrixView<float> a, unit::Bfloat16* to) const;
  /// The columns of panels [first, last) of c (m, n) = packed rows @ b, on the calling thread, finished by `end`.
  void multiply_packed(int64_t m, const unit::Bfloat16* rows, int64_t first, int64_t last, float* c, int64_t c_row,
                       const isa::TileEnd<float>& end) const;
  /// c (m, n) = a (m, k) @ b, on the calling thread, finished by `end`; rows of c are c_row apart.
  void multiply(int64_t m, MatrixView<float> a, float* c, int64_t c_row, const isa::TileEnd<float>& end) const;

 private:
  const unit::Bfloat16Unit& unit_;
  int64_t k_, n_, panel_;
  Scratch<unit::Bfloat16> panels_;
};

/// c (m, n) = act(a (m, k) @ b (k, n) + bias (n) or null) of operands rounded to bfloat16, on all threads; no size is
/// 0.
void gemm_bfloat16(int64_t m, int64_t n, int64_t k, MatrixView<float> a, MatrixView<float> b, const float* bias,
                   ActivationSpec activation, float* c);

}  // namespace hotloop::cpu
