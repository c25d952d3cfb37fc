#include "cuda/gemm_cut.cuh"

#include <algorithm>

namespace hotloop::cuda {
namespace {

// Round numbers of a large device, in its cycles: only their proportions matter, and those little.
constexpr double kBlockStart = 1500;  // to fill the pipeline and to store the tile
constexpr double kLaunch = 3000;      // of the kernel that adds the parts up
constexpr double kPart = 100;         // latency of one part in it
constexpr double kBytesOfMultiprocessor = 13;
constexpr int kLeastSlabs = 4;  // that a part is worth

}  // namespace

Plan plan_product(const BlockKind& kind, int m, int n, int depth, int batches, int most_splits) {
  const int64_t tiles_m = divide_up(m, kind.m), tiles_n = divide_up(n, kind.n), slabs = divide_up(depth, kSlab);
  const int64_t multiprocessors = device_info().multiprocessors;
  const double slab_cycles = static_cast<double>(kSlab) * kind.m * kind.n / kind.products_per_cycle;
  const double result_bytes = 4.0 * batches * m * n;
  Plan best{};
  for (int64_t wanted = 1; wanted == 1 || (wanted <= most_splits && wanted * kLeastSlabs <= slabs); ++wanted) {
    const int64_t per_split = divide_up(slabs, wanted), splits = per_split > 0 ? divide_up(slabs, per_split) : 1;
    const int64_t rounds = divide_up(batches * tiles_m * tiles_n * splits, multiprocessors);
    double cycles = static_cast<double>(rounds) * (static_cast<double>(per_split) * slab_cycles + kBlockStart);
    if (splits > 1) {
      const double bytes = (2.0 * static_cast<double>(splits) + 1) * result_bytes;
      cycles += kLaunch + kPart * static_cast<double>(splits) +
                bytes / (kBytesOfMultiprocessor * static_cast<double>(multiprocessors));
    }
    if (wanted > 1 && cycles >= best.cycles) continue;
    best = {{m, n, depth, batches, static_cast<int>(tiles_m), static_cast<int>(tiles_n), static_cast<int>(splits),
             static_cast<int>(per_split), nullptr},
            cycles};
  }
  return best;
}

}  // namespace hotloop::cuda
