// csrc/cpu/isa/units/amx.cpp on emulated instructions, against sums made one by one: small integers, so that all are
// exact. g++ -std=c++20 -DHL_AMX_EMULATED -Icsrc -Itests/native tests/native/amx.cpp csrc/cpu/isa/units/amx.cpp &&
// ./a.out
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "amx_emulated.h"
#include "cpu/isa/units/units.h"

namespace {

using hotloop::unit::Bfloat16, hotloop::unit::kAmx, hotloop::unit::kColumns, hotloop::unit::kDepth;

Bfloat16 small_integer() {
  return static_cast<Bfloat16>(std::bit_cast<uint32_t>(static_cast<float>(std::rand() % 17 - 8)) >> 16);
}

bool is_right(int64_t k, int64_t a_row, int64_t c_row, bool add) {
  const int64_t rows = kAmx.rows;
  std::vector<Bfloat16> a(static_cast<std::size_t>(rows * a_row)), panel(static_cast<std::size_t>(k * kColumns));
  std::vector<float> c(static_cast<std::size_t>(rows * c_row));
  for (auto& value : a) value = small_integer();
  for (auto& value : panel) value = small_integer();
  for (auto& value : c) value = static_cast<float>(std::rand() % 100);
  std::vector<float> wanted = c;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < kColumns; ++j) {
      float& sum = wanted[static_cast<std::size_t>(i * c_row + j)];
      if (!add) sum = 0;
      for (int64_t p = 0; p < k; ++p) {
        sum += amx_emulated::widened(a[static_cast<std::size_t>(i * a_row + p)]) *
               amx_emulated::widened(panel[static_cast<std::size_t>((p / 2 * kColumns + j) * 2 + p % 2)]);
      }
    }
  }
  kAmx.tile(k, a.data(), a_row, panel.data(), c.data(), c_row, add);
  return c == wanted && !amx_emulated::configured;
}

}  // namespace

int main() {
  int failed = 0, done = 0;
  for (const int64_t k : {kDepth, 2 * kDepth, 7 * kDepth}) {
    for (const int64_t gap : {int64_t{0}, kDepth}) {
      for (const int64_t c_row : {kColumns, kColumns + 5}) {
        for (const bool add : {false, true}) {
          ++done;
          if (is_right(k, k + gap, c_row, add)) continue;
          ++failed;
          std::printf("wrong: k %ld, a_row %ld, c_row %ld, add %d\n", k, k + gap, c_row, add);
        }
      }
    }
  }
  std::printf("amx: %d of %d wrong\n", failed, done);
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
