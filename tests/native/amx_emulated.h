// AMX's instructions in C++, as Intel's manual describes them: lets any machine run csrc/cpu/isa/units/amx.cpp.
#pragma once

#include <bit>
#include <cassert>
#include <cstdint>
#include <cstring>

namespace amx_emulated {

struct Tile {
  alignas(64) unsigned char row[16][64];
};
inline Tile tiles[8];
inline bool configured = false;

inline float widened(uint16_t half) { return std::bit_cast<float>(static_cast<uint32_t>(half) << 16); }

inline Tile& at(int tile) {
  assert(configured && tile >= 0 && tile < 8);
  return tiles[tile];
}

}  // namespace amx_emulated

// Takes the one configuration that the unit makes: eight whole tiles.
inline void _tile_loadconfig(const void* config) {
  unsigned char bytes[64];
  std::memcpy(bytes, config, sizeof(bytes));
  assert(bytes[0] == 1 && bytes[1] == 0);
  for (int i = 2; i < 16; ++i) assert(bytes[i] == 0);
  for (int tile = 0; tile < 16; ++tile) {
    assert(bytes[16 + 2 * tile] == (tile < 8 ? 64 : 0) && bytes[17 + 2 * tile] == 0);
    assert(bytes[48 + tile] == (tile < 8 ? 16 : 0));
  }
  amx_emulated::configured = true;
}

inline void _tile_release() { amx_emulated::configured = false; }

inline void _tile_zero(int tile) { amx_emulated::at(tile) = {}; }

inline void _tile_loadd(int tile, const void* from, int64_t stride) {
  for (int i = 0; i < 16; ++i) {
    std::memcpy(amx_emulated::at(tile).row[i], static_cast<const unsigned char*>(from) + i * stride, 64);
  }
}

inline void _tile_stored(int tile, void* to, int64_t stride) {
  for (int i = 0; i < 16; ++i) {
    std::memcpy(static_cast<unsigned char*>(to) + i * stride, amx_emulated::at(tile).row[i], 64);
  }
}

inline void _tile_dpbf16ps(int sums, int left, int right) {
  for (int m = 0; m < 16; ++m) {
    float row[16];
    std::memcpy(row, amx_emulated::at(sums).row[m], sizeof(row));
    for (int k = 0; k < 16; ++k) {
      uint16_t a[2], b[32];
      std::memcpy(a, amx_emulated::at(left).row[m] + 4 * k, sizeof(a));
      std::memcpy(b, amx_emulated::at(right).row[k], sizeof(b));
      for (int n = 0; n < 16; ++n) {
        for (int half = 0; half < 2; ++half) {
          row[n] += amx_emulated::widened(a[half]) * amx_emulated::widened(b[2 * n + half]);
        }
      }
    }
    std::memcpy(amx_emulated::at(sums).row[m], row, sizeof(row));
  }
}
