// How a product is cut into the tiles of blocks, and its depth into parts where tiles are too few to fill the device.
#pragma once

#include "cuda/common.cuh"

namespace hotloop::cuda {

inline constexpr int kSlab = 16;  // depths that a block takes at a time
inline constexpr int kMostSplits = 64;

/// The size of a product and how it is cut.
struct Cut {
  int m, n, depth;
  int batches;
  int tiles_m, tiles_n;
  int splits, slabs_per_split;
  float* parts;  // (splits, batches, m, n) where split, else null
};

/// A kind of block: its tile, and about how many products a multiprocessor full of them makes a cycle.
struct BlockKind {
  int m, n;
  int products_per_cycle;
};

/// The cut that should take least time, by a rough model, and its cycles.
struct Plan {
  Cut cut;
  double cycles;
};
Plan plan_product(const BlockKind& kind, int m, int n, int depth, int batches, int most_splits);

}  // namespace hotloop::cuda
