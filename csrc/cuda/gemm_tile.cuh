// Tiles of a product's operands in shared memory, and how threads fetch them.
//
// A product is c (m, n) = sum over depth of a (m, depth) times b (n, depth); an operand is seen as (index, depth) with
// index along m or n. Depth is walked in slabs of 16. Memory is deep where depth runs along it and wide where the index
// does; so are tiles, the `kSize` indices of one slab: rows of 16 floats, or 16 rows. A quad is four neighbouring
// indices, a chunk four depths.
//
// Runs of 16 bytes are permuted within lines of 128, so that what a warp reads or writes at once lies in different
// banks.
#pragma once

#include "cuda/gemm_cut.cuh"
#include "cuda/ptx.cuh"

namespace hotloop::cuda {

/// The tiles that tensor cores read: deep or wide as memory is. At one time a warp reads a chunk of eight rows of every
/// parity of a deep tile (load_matrices), or four depths of 8 or 16 neighbouring indices of a wide one.
template <bool kDeep, int kSize>
struct FragmentTile {
  // Permutations repeat after so many indices and depths.
  static constexpr int kIndexPeriod = kDeep ? 16 : kSize, kDepthPeriod = kDeep ? kSlab : 4;
  static constexpr int kIndexStep = kDeep ? kSlab : 1, kDepthStep = kDeep ? 1 : kSize;

  static __device__ __forceinline__ int offset(int index, int depth) {
    if constexpr (kDeep) {
      const int line = index >> 1, run = (index & 1) << 2 | depth >> 2;
      return line * 32 + ((run ^ (line & 7)) << 2) + (depth & 3);
    } else {
      return depth * kSize + (((index >> 2) ^ (depth & 3) << 1) << 2) + (index & 3);
    }
  }
};

/// The tiles that ordinary arithmetic reads, always wide: eight lanes read eight neighbouring quads at one depth, and
/// write eight depths of one quad where memory is deep.
template <int kSize>
struct WideTile {
  static constexpr int kIndexPeriod = 32, kDepthPeriod = 8;
  static constexpr int kIndexStep = 1, kDepthStep = kSize;

  static __device__ __forceinline__ int offset(int index, int depth) { return quad(index >> 2, depth) + (index & 3); }
  static __device__ __forceinline__ int quad(int quad, int depth) {
    return depth * kSize + ((quad ^ (depth & 7)) << 2);
  }
};

/// A strided matrix as an operand; one stride is 1 where it is fetched by chunks.
struct Matrix {
  const float* data;
  int index_stride, depth_stride;
  int batch_rank;
  int batch_size[kMaxRank];
  int64_t batch_stride[kMaxRank];

  static constexpr bool kKeepsIndices = false;
  using Index = int;
  using Depth = int;
  __device__ __forceinline__ const float* of_batch(int batch) const {
    const float* origin = data;
    for (int axis = batch_rank - 1; axis >= 0; --axis) {
      origin += batch % batch_size[axis] * batch_stride[axis];
      batch /= batch_size[axis];
    }
    return origin;
  }
  __device__ __forceinline__ Index index(int i) const { return i; }
  __device__ __forceinline__ Depth depth(int d) const { return d; }
  __device__ __forceinline__ const float* at(const float* origin, Index i, Depth d) const {
    return origin + static_cast<int64_t>(i) * index_stride + static_cast<int64_t>(d) * depth_stride;
  }
  __device__ __forceinline__ bool inside(Index, Depth) const { return true; }
};

/// Fetches the tiles of one operand for a block of threads, kVector floats at a time (4, or 1 for memory that is not
/// aligned or is not like the tile). Source is Matrix or anything with its members: of_batch() finds one matrix,
/// index() and depth() resolve one coordinate, at() and inside() put the three together.
///
/// Beyond the last index there is the last one again, whose products nobody keeps; beyond the last depth there are
/// zeros.
template <class Source, class Tile, bool kDeepMemory, int kVector, int kSize, int kThreads, bool kRegisters>
class TileLoader {
 public:
  __device__ __forceinline__ TileLoader(const Source& source, int batch, int first, int count, int depth_end)
      : source_(source),
        origin_(source.of_batch(batch)),
        first_(first),
        last_(count - (kDeepMemory ? 1 : kVector)),
        depth_end_(depth_end),
        offset_(Tile::offset(index_in_tile(0), depth_in_tile(0))) {
    if constexpr (kKeeps) {
#pragma unroll
      for (int i = 0; i < kIndices; ++i) kept_[i] = resolve(first, i);
    }
  }

  /// Begins the copy of the slab at depth `first`.
  __device__ __forceinline__ void load(float* tile, int first) const {
    const int first_index = recomputed(first_);
#pragma unroll
    for (int j = 0; j < kDepths; ++j) {
      const int d = first + depth_in_tile(j);
      const typename Source::Depth depth = source_.depth(d);
#pragma unroll
      for (int i = 0; i < kIndices; ++i) {
        typename Source::Index index;
        if constexpr (kKeeps) {
          index = kept_[i];
        } else {
          index = resolve(first_index, i);
        }
        cp_async<4 * kVector>(tile + offset(i, j), source_.at(origin_, index, depth),
                              d < depth_end_ && source_.inside(index, depth));
      }
    }
  }

 private:
  // Lanes go along memory, at most 8 of them where single floats are taken from deep memory: these are then rows of 32
  // bytes, and a warp writes 8 depths of 4 indices. The rest of a slab is fetched in more turns.
  static constexpr int kLanes = kDeepMemory ? (kVector == 1 ? 8 : kSlab / kVector) : kSize / kVector;
  static constexpr int kRows = kThreads / kLanes;
  static constexpr int kTurns = (kDeepMemory ? kSlab : kSize) / kVector / kLanes;
  static constexpr int kRowTurns = (kDeepMemory ? kSize : kSlab) / kRows;
  static_assert(kThreads % kLanes == 0 && (kDeepMemory ? kSize : kSlab) % kRows == 0);
  static constexpr bool kKeeps = kRegisters && Source::kKeepsIndices;
  static constexpr int kIndices = kDeepMemory ? kRowTurns : kTurns, kDepths = kDeepMemory ? kTurns : kRowTurns;

  static __device__ __forceinline__ int along(int turn) {
    return (static_cast<int>(threadIdx.x) % kLanes + turn * kLanes) * kVector;
  }
  static __device__ __forceinline__ int across(int turn) {
    return static_cast<int>(threadIdx.x) / kLanes + turn * kRows;
  }
  static __device__ __forceinline__ int index_in_tile(int i) { return kDeepMemory ? across(i) : along(i); }
  static __device__ __forceinline__ int depth_in_tile(int j) { return kDeepMemory ? along(j) : across(j); }
  // A constant away from the first one where permutations repeat from turn to turn.
  __device__ __forceinline__ int offset(int i, int j) const {
    constexpr int index_step = kDeepMemory ? kRows : kLanes * kVector,
                  depth_step = kDeepMemory ? kLanes * kVector : kRows;
    constexpr bool repeats = (kIndices == 1 || index_step % Tile::kIndexPeriod == 0) &&
                             (kDepths == 1 || depth_step % Tile::kDepthPeriod == 0);
    if constexpr (repeats) return offset_ + i * index_step * Tile::kIndexStep + j * depth_step * Tile::kDepthStep;
    return Tile::offset(index_in_tile(i), depth_in_tile(j));
  }
  __device__ __forceinline__ typename Source::Index resolve(int first, int i) const {
    const int index = first + index_in_tile(i);
    return source_.index(index < last_ ? index : last_);
  }

  const Source& source_;
  const float* origin_;
  int first_, last_, depth_end_, offset_;
  typename Source::Index kept_[kKeeps ? kIndices : 1];
};

}  // namespace hotloop::cuda
