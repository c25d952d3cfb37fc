// Patches: what each pixel of a convolution's output sees, gathered tile by tile into rows that a matrix product can
// read (implicit GEMM: a tile stays in cache, the whole patch matrix is never made).
//
// The same gathering serves three products: the output from x, the input gradient from dy, the weight gradient from x.
#pragma once

#include <vector>

#include "shapes.h"

namespace hotloop::cpu {

/// The pixel (i, j) of the result sees source rows row[r] + i * row_step and columns col[s] + j * col_step, for every
/// r and s; outside the source it sees zeros. Only channels [first_channel, first_channel + channels) are read.
struct PatchPlan {
  std::vector<int64_t> row, col;
  int64_t row_step, col_step;
  int64_t h, w, c;  // the source image
  int64_t first_channel, channels;
  int64_t depth() const { return static_cast<int64_t>(row.size() * col.size()) * channels; }
};

/// What output pixels of group `group` see of x.
PatchPlan output_patches(const Conv2dShape& s, int64_t group);

/// What input pixels whose row is `phase_row` modulo stride_h, and column alike, see of dy; the taps that contribute
/// at all are left in tap_rows, tap_cols (indices into kh and kw), in the order of the plan's rows and columns.
PatchPlan input_patches(const Conv2dShape& s, int64_t group, int64_t phase_row, int64_t phase_col,
                        std::vector<int64_t>& tap_rows, std::vector<int64_t>& tap_cols);

/// The patches of pixels (i, j0) .. (i, j0 + count - 1) of `image`.
/// Element (pixel, d) goes to out[pixel * pixel_stride + d * depth_stride]; one of the strides is 1.
template <class T>
void gather_patches(const PatchPlan& plan, const T* image, int64_t i, int64_t j0, int64_t count, T* out,
                    int64_t pixel_stride, int64_t depth_stride);

/// The same for pixels [begin, end) of all images x, counted through (image, i, j) of an (oh, ow) result.
template <class T>
void gather_pixels(const PatchPlan& plan, int64_t oh, int64_t ow, const T* x, int64_t begin, int64_t end, T* out,
                   int64_t pixel_stride, int64_t depth_stride);

/// True where patches are so shallow that pixels, not channels, had better stand side by side.
bool pixels_side_by_side(const PatchPlan& plan);

/// Pixels a tile should have, so that its patches stay in L2.
int64_t tile_pixels(const PatchPlan& plan);

}  // namespace hotloop::cpu
