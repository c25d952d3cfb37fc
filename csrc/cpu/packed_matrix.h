// b packed once, for the products of many blocks of rows with it: panels for the tiles, or in bfloat16 for the unit.
#pragma once

#include <optional>
#include <type_traits>

#include "cpu/ceil_div.h"
#include "cpu/gemm_bfloat16.h"
#include "runtime/threads.h"

namespace hotloop::cpu {

template <class T>
class PackedMatrix {
 public:
  /// Packs b (k, n) on all threads; in_bfloat16 asks for the unit, which is there, and sizes that are not 0.
  PackedMatrix(int64_t k, int64_t n, MatrixView<T> b, bool in_bfloat16)
      : k_(k), n_(n), panels_(in_bfloat16 ? 0 : packed_size<T>(k, n)) {
    if constexpr (std::is_same_v<T, float>) {
      if (in_bfloat16) halves_.emplace(k, n, b);
    }
    if (in_bfloat16) return;
    parallel_ranges(ceil_div(n, columns()), ceil_div(kPack, k * columns() + 1),
                    [&](int64_t begin, int64_t end) { pack_panels<T>(k, n, b, begin, end, panels_, k * columns()); });
  }

  /// c (m, n) = a (m, k) @ b, on the calling thread, finished by `end`; rows of c are c_row apart.
  void multiply(int64_t m, MatrixView<T> a, T* c, int64_t c_row, const isa::TileEnd<T>& end) const {
    if constexpr (std::is_same_v<T, float>) {
      if (halves_) return halves_->multiply(m, a, c, c_row, end);
    }
    gemm_block<T>(m, n_, k_, a, {panels_, k_ * columns(), columns()}, c, c_row, end);
  }

 private:
  static constexpr int64_t kPack = 16 * 1024;  // elements that repay handing panels to a thread
  static int64_t columns() { return isa::gemm_micro<T>().columns; }

  int64_t k_, n_;
  Scratch<T> panels_;
  std::optional<Bfloat16Panels> halves_;
};

}  // namespace hotloop::cpu
