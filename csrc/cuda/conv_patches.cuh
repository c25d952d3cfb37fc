// Convolutions as products: operands that are read out of images, and images that results are written to.
//
// Pixel (i, j) of a result sees rows row_first + i * row_step + r * tap_row of a source, columns alike, zeros outside;
// a patch is what one pixel sees, tap by tap and channel by channel. The output's patches are of x; those of the input
// gradient are of dy, a set of pixels for each row and column modulo the stride, since these meet the same taps. Groups
// are the batches of a product.
#pragma once

#include <climits>

#include "cuda/divisor.cuh"
#include "cuda/gemm.cuh"

namespace hotloop::cuda {

struct Patches {
  const float* data;  // (n, h, w, c)
  int h, w, c;
  int rows, columns;  // of pixels in an image
  int row_first, row_step, tap_row;
  int column_first, column_step, tap_column;
  int channels;  // of a group
  SmallDivisor by_pixels, by_columns, by_channels, by_taps;

  /// Where a pixel's patch begins, in pixels of all images, and what a tap and channel of it adds, in elements.
  struct Place {
    int origin;
    int row, column;
  };
  struct Tap {
    int offset;
    int row, column;
  };

  __device__ __forceinline__ const float* of_group(int group) const { return data + group * channels; }
  __device__ __forceinline__ Place place(int image, int i, int j) const {
    const int row = row_first + i * row_step, column = column_first + j * column_step;
    return {(image * h + row) * w + column, row, column};
  }
  __device__ __forceinline__ Place pixel(int p) const {
    const SmallDivision image = by_pixels.split(p), row = by_columns.split(image.remainder);
    return place(image.quotient, row.quotient, row.remainder);
  }
  __device__ __forceinline__ Tap tap(int d) const {
    const SmallDivision tap = by_channels.split(d), row = by_taps.split(tap.quotient);
    const int down = row.quotient * tap_row, right = row.remainder * tap_column;
    return {(down * w + right) * c + tap.remainder, down, right};
  }
  __device__ __forceinline__ bool inside(const Place& p, const Tap& t) const {
    return static_cast<unsigned>(p.row + t.row) < static_cast<unsigned>(h) &&
           static_cast<unsigned>(p.column + t.column) < static_cast<unsigned>(w);
  }
};

/// The operand (pixel, patch), whose memory is deep.
struct PatchRows : Patches {
  static constexpr bool kKeepsIndices = true;
  using Index = Place;
  using Depth = Tap;
  __device__ __forceinline__ const float* of_batch(int group) const { return of_group(group); }
  __device__ __forceinline__ Index index(int i) const { return pixel(i); }
  __device__ __forceinline__ Depth depth(int d) const { return tap(d); }
  __device__ __forceinline__ const float* at(const float* origin, const Index& i, const Depth& d) const {
    return origin + static_cast<int64_t>(i.origin) * c + d.offset;
  }
};

/// The operand (patch, pixel), whose memory is wide.
struct PatchColumns : Patches {
  static constexpr bool kKeepsIndices = true;
  using Index = Tap;
  using Depth = Place;
  __device__ __forceinline__ const float* of_batch(int group) const { return of_group(group); }
  __device__ __forceinline__ Index index(int i) const { return tap(i); }
  __device__ __forceinline__ Depth depth(int d) const { return pixel(d); }
  __device__ __forceinline__ const float* at(const float* origin, const Index& i, const Depth& d) const {
    return origin + static_cast<int64_t>(d.origin) * c + i.offset;
  }
  __device__ __forceinline__ bool inside(const Index& i, const Depth& d) const { return Patches::inside(d, i); }
};

/// Weights (kh, kw, c / groups, f) as the operand (channel, (tap, filter)) beside patches of dy; memory is deep.
struct TapWeights {
  const float* data;
  int filters, all_filters;              // of a group, of all
  int first_tap, row_taps, column_taps;  // the taps: a constant step apart in each direction
  int tap_size;                          // channels * all_filters
  SmallDivisor by_filters, by_taps;

  static constexpr bool kKeepsIndices = false;
  using Index = int;
  using Depth = int;
  __device__ __forceinline__ const float* of_batch(int group) const { return data + group * filters; }
  __device__ __forceinline__ Index index(int i) const { return i * all_filters; }
  __device__ __forceinline__ Depth depth(int d) const {
    const SmallDivision tap = by_filters.split(d), row = by_taps.split(tap.quotient);
    return (first_tap + row.quotient * row_taps + row.remainder * column_taps) * tap_size + tap.remainder;
  }
  __device__ __forceinline__ const float* at(const float* origin, Index i, Depth d) const { return origin + i + d; }
  __device__ __forceinline__ bool inside(Index, Depth) const { return true; }
};

/// Where an input gradient goes: every stride-th pixel of an image, from a first one on.
struct EveryPixel {
  float* data;  // (n, h, w, c), at the first pixel
  int64_t image;
  int row, column;  // elements between neighbours
  int channels;
  SmallDivisor by_pixels, by_columns;

  __device__ __forceinline__ float* row_of(int group, int m) const {
    const SmallDivision at = by_pixels.split(m), line = by_columns.split(at.remainder);
    return data + group * channels + at.quotient * image + static_cast<int64_t>(line.quotient) * row +
           static_cast<int64_t>(line.remainder) * column;
  }
};

/// What output pixels see of x: a group's patches have kh * kw * c / groups elements.
Patches output_patches(const Conv2dShape& s, const float* x);

/// A matrix (depth, columns) whose columns are shared out among groups, as the operand (column, depth) of each.
inline Matrix grouped_columns(const float* data, int64_t columns, int64_t groups) {
  Matrix matrix{data, 1, static_cast<int>(columns), 1, {}, {}};
  matrix.batch_size[0] = static_cast<int>(groups);
  matrix.batch_stride[0] = columns / groups;
  return matrix;
}

/// Whether all sizes that kernels hold in 32 bits fit; the text of what does not.
Status check_sizes(const Conv2dShape& s);

/// 1 x 1, one step, nothing around: a product of matrices.
bool is_pointwise(const Conv2dShape& s);

inline bool aligned16(const void* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; }

}  // namespace hotloop::cuda
