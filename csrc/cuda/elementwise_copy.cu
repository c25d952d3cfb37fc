// Copies of transposed, sliced and broadcast arrays into contiguous memory. A transpose goes through shared memory in
// tiles, so that memory is both read and written in runs.
#include "cuda/device.cuh"
#include "cuda/ptx.cuh"
#include "cuda/walk.cuh"

namespace hotloop::cuda {
namespace {

__global__ void __launch_bounds__(kQuadThreads) gather(DeviceWalk walk, int64_t n, const float* x, float* y) {
  for_quads(n, [&](int64_t i, int64_t left) {
    Quad quad[1];
    walk.read<1>(i, left, {x}, quad);
    store_quad(y + i, quad[0], left);
  });
}

constexpr int kTile = 32;
constexpr int kTileThreads = 256;
constexpr int kTileRows = kTileThreads / kTile;  // that all threads move at once
constexpr int64_t kNarrow = 8;                   // below this the tiles are mostly empty

struct Tile {
  float v[kTile][kTile + 1];  // one more, so that columns lie in different banks
};

/// Transposes of (rows, cols), one for every position in the other axes; x runs along rows, y along cols.
struct Transposes {
  int64_t rows, cols;
  int64_t x_stride, y_stride;  // between columns of x, rows of y
  Divisor row_tiles, col_tiles;
  int others = 0;
  Divisor size[kMaxRank];
  int64_t from[kMaxRank], to[kMaxRank];  // strides of the other axes

  Transposes(const Walk& walk, int axis) {
    const int last = walk.rank - 1;
    rows = walk.size[axis];
    cols = walk.size[last];
    x_stride = walk.stride[0][last];
    row_tiles = Divisor(divide_up(rows, kTile));
    col_tiles = Divisor(divide_up(cols, kTile));
    int64_t stride = 1;
    for (int a = last; a >= 0; --a) {
      if (a == axis) {
        y_stride = stride;
      } else if (a != last) {
        size[others] = Divisor(walk.size[a]);
        from[others] = walk.stride[0][a];
        to[others++] = stride;
      }
      stride *= walk.size[a];
    }
  }
};

__global__ void __launch_bounds__(kTileThreads)
    transpose(Transposes t, int64_t jobs, const float* __restrict__ x, float* __restrict__ y) {
  auto& tile = shared_memory<Tile>().v;
  const int lane = static_cast<int>(threadIdx.x) % kTile, first = static_cast<int>(threadIdx.x) / kTile;
  for (int64_t job = blockIdx.x; job < jobs; job += gridDim.x) {
    const Division by_column = t.col_tiles.split(job), by_row = t.row_tiles.split(by_column.quotient);
    const int64_t row = by_row.remainder * kTile, col = by_column.remainder * kTile;
    int64_t from = row + col * t.x_stride, to = row * t.y_stride + col, rest = by_row.quotient;
    for (int a = 0; a < t.others; ++a) {
      const Division at = t.size[a].split(rest);
      from += at.remainder * t.from[a];
      to += at.remainder * t.to[a];
      rest = at.quotient;
    }
    for (int i = first; i < kTile; i += kTileRows) {
      if (row + lane < t.rows && col + i < t.cols) tile[i][lane] = x[from + lane + i * t.x_stride];
    }
    __syncthreads();
    for (int i = first; i < kTile; i += kTileRows) {
      if (row + i < t.rows && col + lane < t.cols) y[to + i * t.y_stride + lane] = tile[lane][i];
    }
    __syncthreads();
  }
}

}  // namespace

Status copy_strided(const StridedShape& s, const float* x, float* y) {
  const Walk walk(s);
  const int64_t n = walk.total();
  if (n == 0) return kOk;
  if (walk.contiguous(0)) return copy(y, x, n * static_cast<int64_t>(sizeof(float)));
  const int axis = walk.transposed_axis();
  if (axis >= 0 && walk.size[axis] >= kNarrow && walk.row() >= kNarrow) {
    const Transposes t(walk, axis);
    const int64_t jobs = n / (t.rows * t.cols) * t.row_tiles * t.col_tiles;
    return launch("copy_strided", transpose, grid_for(jobs, 1), kTileThreads, sizeof(Tile), t, jobs, x, y);
  }
  return launch("copy_strided", gather, quad_grid(n), kQuadThreads, 0, DeviceWalk(walk), n, x, y);
}

}  // namespace hotloop::cuda
