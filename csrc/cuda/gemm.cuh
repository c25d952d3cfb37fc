// One product of two operands (gemm_tile.cuh) on the arithmetic of a block (gemm_simt.cuh, gemm_tensor.cuh): what
// matmul and the convolutions share. Where the tiles of the result are too few to fill the device, depth is split among
// blocks and a second kernel adds the parts up in order.
#pragma once

#include <type_traits>

#include "cuda/gemm_cut.cuh"
#include "cuda/gemm_simt.cuh"
#include "cuda/gemm_tensor.cuh"

namespace hotloop::cuda {

/// Where results go: rows that are a constant step apart.
struct Rows {
  float* data;
  int64_t row_stride, batch_stride;

  __device__ __forceinline__ float* row_of(int batch, int m) const {
    return data + batch * batch_stride + m * row_stride;
  }
};

/// What happens to a sum before it is stored; bias is (batches * n) where `bias_per_batch`, else (n), or null.
struct Finish {
  const float* bias;
  bool bias_per_batch;
  bool relu;

  __device__ __forceinline__ float apply(float sum, int batch, int n, int columns) const {
    if (bias != nullptr) sum += bias[(bias_per_batch ? batch * columns : 0) + n];
    return relu && sum < 0.0f ? 0.0f : sum;
  }
};

template <class Block>
struct Stages {
  float a[Block::kStages][Block::kM * kSlab];
  float b[Block::kStages][Block::kN * kSlab];
};

/// This block's tile: neighbouring blocks take tiles of 8 rows of tiles, so that what they read is shared in L2.
struct TilePlace {
  int batch, split, m, n;
};
__device__ __forceinline__ TilePlace tile_place(const Cut& cut) {
  const int tiles = cut.tiles_m * cut.tiles_n;
  const int rest = static_cast<int>(blockIdx.x) / tiles, tile = static_cast<int>(blockIdx.x) % tiles;
  const int band = 8 * cut.tiles_n, first = tile / band * 8;
  const int rows = cut.tiles_m - first < 8 ? cut.tiles_m - first : 8;
  return {rest / cut.splits, rest % cut.splits, first + tile % band % rows, tile % band / rows};
}

/// Sums the slabs [first, last) of a tile into `block`, several slabs in flight.
template <class Block, bool kDeepA, bool kDeepB, class LoadA, class LoadB>
__device__ __forceinline__ void sum_slabs(const LoadA& a, const LoadB& b, int first, int last, Block& block) {
  auto& stages = shared_memory<Stages<Block>>();
  const auto load = [&](int slab, int stage) {
    if (slab < last) {
      a.load(stages.a[stage], slab * kSlab);
      b.load(stages.b[stage], slab * kSlab);
    }
    cp_async_commit();
  };
#pragma unroll
  for (int stage = 0; stage < Block::kStages - 1; ++stage) load(first + stage, stage);
  int full = 0, free = Block::kStages - 1;
#pragma unroll 1
  for (int slab = first; slab < last; ++slab) {
    cp_async_wait<Block::kStages - 2>();
    // Also: everybody is done with the slab before this one, whose place the next load takes.
    __syncthreads();
    load(slab + Block::kStages - 1, free);
    block.template add<kDeepA, kDeepB>(stages.a[full], stages.b[full]);
    free = full;
    full = full + 1 == Block::kStages ? 0 : full + 1;
  }
}

/// Stores v, or the first `left` of it; at once where memory is aligned.
template <int kCount>
__device__ __forceinline__ void store_run(float* to, const float (&v)[kCount], int left) {
  static_assert(kCount == 2 || kCount == 4);
  if (left >= kCount && (reinterpret_cast<uintptr_t>(to) & (4 * kCount - 1)) == 0) {
    if constexpr (kCount == 4) {
      *reinterpret_cast<float4*>(to) = make_float4(v[0], v[1], v[2], v[3]);
    } else {
      *reinterpret_cast<float2*>(to) = make_float2(v[0], v[1]);
    }
    return;
  }
#pragma unroll
  for (int j = 0; j < kCount; ++j) {
    if (j < left) to[j] = v[j];
  }
}

/// Finishes and stores one run of results of row m, or keeps it as a part of a split sum.
template <int kCount, class Out>
__device__ __forceinline__ void store_results(const Out& out, const Finish& finish, const Cut& cut,
                                              const TilePlace& place, int m, int n, const float (&sums)[kCount]) {
  const int left = cut.n - n;
  if (m >= cut.m || left <= 0) return;
  if (cut.parts != nullptr) {
    const int64_t part = static_cast<int64_t>(place.split) * cut.batches + place.batch;
    store_run(cut.parts + (part * cut.m + m) * cut.n + n, sums, left);
    return;
  }
  float v[kCount];
#pragma unroll
  for (int j = 0; j < kCount; ++j) v[j] = j < left ? finish.apply(sums[j], place.batch, n + j, cut.n) : 0.0f;
  store_run(out.row_of(place.batch, m) + n, v, left);
}

/// The whole tile of this block, or its part of a split one.
template <class Block, bool kDeepA, bool kDeepB, bool kAligned, class A, class B>
__device__ __forceinline__ void sum_tile(const A& a, const B& b, const Cut& cut, const TilePlace& place, Block& block) {
  constexpr int kVectorA = kAligned ? Block::template kVector<kDeepA> : 1;
  constexpr int kVectorB = kAligned ? Block::template kVector<kDeepB> : 1;
  using TileA = typename Block::template Tile<kDeepA, Block::kM>;
  using TileB = typename Block::template Tile<kDeepB, Block::kN>;
  const int first = place.split * cut.slabs_per_split;
  const int slabs = (cut.depth + kSlab - 1) / kSlab;
  const int last = first + cut.slabs_per_split < slabs ? first + cut.slabs_per_split : slabs;
  const TileLoader<A, TileA, kDeepA, kVectorA, Block::kM, Block::kThreads, Block::kRegisters> load_a(
      a, place.batch, place.m * Block::kM, cut.m, cut.depth);
  const TileLoader<B, TileB, kDeepB, kVectorB, Block::kN, Block::kThreads, Block::kRegisters> load_b(
      b, place.batch, place.n * Block::kN, cut.n, cut.depth);
  sum_slabs<Block, kDeepA, kDeepB>(load_a, load_b, first, last, block);
}

template <class Block, bool kDeepA, bool kDeepB, bool kAligned, class A, class B, class Out>
__global__ void __launch_bounds__(Block::kThreads, Block::kBlocksPerMultiprocessor)
    product(const __grid_constant__ A a, const __grid_constant__ B b, const Out out, const Finish finish,
            const Cut cut) {
  const TilePlace place = tile_place(cut);
  Block block;
  sum_tile<Block, kDeepA, kDeepB, kAligned>(a, b, cut, place, block);
  block.for_blocks([&](int row, int column, const auto& sums) {
#pragma unroll
    for (int i = 0; i < Block::kRows; ++i) {
      store_results(out, finish, cut, place, place.m * Block::kM + row + i, place.n * Block::kN + column, sums[i]);
    }
  });
}

/// The second kernel of a split product.
template <class Out>
__global__ void __launch_bounds__(256) add_parts(const Out out, const Finish finish, const Cut cut) {
  const int64_t size = static_cast<int64_t>(cut.batches) * cut.m * cut.n;
  for (int64_t i = grid_thread(); i < size; i += grid_threads()) {
    float sum = 0.0f;
#pragma unroll 8
    for (int split = 0; split < cut.splits; ++split) sum += cut.parts[split * size + i];
    const int n = static_cast<int>(i % cut.n);
    const int64_t row = i / cut.n;
    const int batch = static_cast<int>(row / cut.m);
    out.row_of(batch, static_cast<int>(row % cut.m))[n] = finish.apply(sum, batch, n, cut.n);
  }
}

template <class Block>
inline constexpr BlockKind kKind = {Block::kM, Block::kN, Block::kProductsPerCycle};

/// out = finish(a times b) on one kind of block.
template <class Block, bool kDeepA, bool kDeepB, bool kAligned, class A, class B, class Out>
Status run_product(const char* name, const A& a, const B& b, const Out& out, const Finish& finish, Cut cut) {
  const int64_t size = int64_t{cut.batches} * cut.m * cut.n;
  const Scratch<float> parts(cut.splits > 1 ? cut.splits * size : 0);
  HL_TRY(parts.status());
  cut.parts = parts.get();
  const int64_t blocks = int64_t{cut.batches} * cut.tiles_m * cut.tiles_n * cut.splits;
  if (blocks > 0x7FFFFFFF) return "the product has too many tiles for one launch";
  HL_TRY(launch(name, product<Block, kDeepA, kDeepB, kAligned, A, B, Out>, dim3(static_cast<unsigned>(blocks)),
                Block::kThreads, sizeof(Stages<Block>), a, b, out, finish, cut));
  if (cut.splits == 1) return kOk;
  return launch(name, add_parts<Out>, grid_for(size, 256), 256, 0, out, finish, cut);
}

using SimtLarge = Simt<2, 3, 100>;
using SimtSmall = Simt<1, 4, 64>;
using Tf32Large = Tensor<Tf32, 2, 4, 4, 8, 4, 1, 550>;
using Tf32Small = Tensor<Tf32, 2, 2, 2, 4, 4, 3, 250>;
using Tf32x3Large = Tensor<Tf32x3, 2, 4, 4, 4, 4, 1, 220>;
using Tf32x3Small = Tensor<Tf32x3, 2, 2, 2, 4, 4, 3, 120>;
using Bfloat16Large = Tensor<Bfloat16, 2, 4, 4, 8, 4, 1, 700>;
using Bfloat16Small = Tensor<Bfloat16, 2, 2, 2, 4, 4, 3, 300>;

/// Calls f(block, aligned, cut) with the kind of block and whether operands come in chunks as types: in the library's
/// precision, the kind that should be done first. Operands that are not aligned for chunks of four are fetched one by
/// one, and multiplied in float32 in every precision.
template <class F>
Status with_block(bool aligned, int m, int n, int depth, int batches, int most_splits, F&& f) {
  const auto plan = [&](auto kind) {
    return plan_product(kKind<typename decltype(kind)::type>, m, n, depth, batches, most_splits);
  };
  const auto faster = [&](auto large, auto small) -> Status {
    const Plan with_large = plan(large), with_small = plan(small);
    return with_large.cycles <= with_small.cycles ? f(large, std::true_type{}, with_large.cut)
                                                  : f(small, std::true_type{}, with_small.cut);
  };
  if (!aligned) {
    const std::type_identity<SimtSmall> only;
    return f(only, std::false_type{}, plan(only).cut);
  }
  switch (precision()) {
    case Precision::tf32:
      return faster(std::type_identity<Tf32Large>{}, std::type_identity<Tf32Small>{});
    case Precision::tf32x3:
      return faster(std::type_identity<Tf32x3Large>{}, std::type_identity<Tf32x3Small>{});
    case Precision::bfloat16:
      return faster(std::type_identity<Bfloat16Large>{}, std::type_identity<Bfloat16Small>{});
    default:
      return faster(std::type_identity<SimtLarge>{}, std::type_identity<SimtSmall>{});
  }
}

/// out = finish(a times b) in the library's precision.
template <bool kDeepA, bool kDeepB, class A, class B, class Out>
Status run_precise(const char* name, bool aligned, const A& a, const B& b, const Out& out, const Finish& finish, int m,
                   int n, int depth, int batches) {
  return with_block(aligned, m, n, depth, batches, kMostSplits, [&](auto block, auto in_chunks, const Cut& cut) {
    return run_product<typename decltype(block)::type, kDeepA, kDeepB, decltype(in_chunks)::value>(name, a, b, out,
                                                                                                   finish, cut);
  });
}

}  // namespace hotloop::cuda
