// AMX: tiles of 16 rows of 64 bytes; 2 x 2 of them are sums, so that every operand that is loaded is used twice.
#ifdef HL_AMX_EMULATED
#  include "amx_emulated.h"
#else
#  include <immintrin.h>
#endif

#include "cpu/isa/units/units.h"

namespace hotloop::unit {
namespace {

constexpr int kRows = 32;
constexpr int64_t kTileRows = 16, kTileColumns = 16;

// The layout that the processor reads: eight tiles of 16 rows of 64 bytes.
struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
constexpr TileConfig kConfig;

// Tiles 0 to 3 are sums, 4 and 5 rows of a, 6 and 7 columns of the panel. Numbers of tiles are part of instructions.
void tile(int64_t k, const Bfloat16* a, int64_t a_row, const Bfloat16* panel, float* c, int64_t c_row, bool add) {
  const auto a_bytes = static_cast<int64_t>(sizeof(Bfloat16)) * a_row;
  constexpr int64_t panel_bytes = 2 * kColumns * static_cast<int64_t>(sizeof(Bfloat16));
  const auto c_bytes = static_cast<int64_t>(sizeof(float)) * c_row;
  float* const below = c + kTileRows * c_row;
  _tile_loadconfig(&kConfig);
  if (add) {
    _tile_loadd(0, c, c_bytes);
    _tile_loadd(1, c + kTileColumns, c_bytes);
    _tile_loadd(2, below, c_bytes);
    _tile_loadd(3, below + kTileColumns, c_bytes);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  for (int64_t p = 0; p < k; p += kDepth, panel += kDepth * kColumns) {
    _tile_loadd(4, a + p, a_bytes);
    _tile_loadd(6, panel, panel_bytes);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, panel + 2 * kTileColumns, panel_bytes);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, a + kTileRows * a_row + p, a_bytes);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, c, c_bytes);
  _tile_stored(1, c + kTileColumns, c_bytes);
  _tile_stored(2, below, c_bytes);
  _tile_stored(3, below + kTileColumns, c_bytes);
  _tile_release();  // a thread that holds none is cheaper to switch
}

}  // namespace

const Bfloat16Unit kAmx = {"AMX", true, kRows, tile};

}  // namespace hotloop::unit
