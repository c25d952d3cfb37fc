#include "cpu/patches.h"

#include <algorithm>
#include <cstring>

namespace hotloop::cpu {
namespace {

constexpr int64_t kTileElements = 32 * 1024;  // 128 KB of float32
constexpr int64_t kMaxTilePixels = 512;

template <class T>
void copy(const T* from, int64_t count, T* to) {
  // Short runs are common (three channels) and a call costs more than they do.
  if (count >= 16) {
    std::memcpy(to, from, static_cast<std::size_t>(count) * sizeof(T));
  } else {
    for (int64_t i = 0; i < count; ++i) to[i] = from[i];
  }
}

// Rows of out are patches: neighbouring taps are one run of memory where the columns step by one pixel.
template <class T>
void gather_rows(const PatchPlan& plan, const T* image, int64_t i, int64_t j0, int64_t count, T* out,
                 int64_t pixel_stride) {
  const int64_t taps = static_cast<int64_t>(plan.col.size());
  const bool one_run = plan.channels == plan.c && (taps == 1 || plan.col[1] == plan.col[0] + 1);
  for (std::size_t r = 0; r < plan.row.size(); ++r) {
    const int64_t source_row = plan.row[r] + i * plan.row_step;
    T* to = out + static_cast<int64_t>(r) * taps * plan.channels;
    if (source_row < 0 || source_row >= plan.h) {
      for (int64_t p = 0; p < count; ++p) std::fill_n(to + p * pixel_stride, taps * plan.channels, T{});
      continue;
    }
    const T* row = image + source_row * plan.w * plan.c + plan.first_channel;
    for (int64_t p = 0; p < count; ++p, to += pixel_stride) {
      const int64_t shift = (j0 + p) * plan.col_step;
      if (one_run) {
        const int64_t first = plan.col[0] + shift;
        const int64_t begin = std::clamp<int64_t>(-first, 0, taps),
                      end = std::clamp<int64_t>(plan.w - first, begin, taps);
        std::fill(to, to + begin * plan.c, T{});
        copy(row + (first + begin) * plan.c, (end - begin) * plan.c, to + begin * plan.c);
        std::fill(to + end * plan.c, to + taps * plan.c, T{});
        continue;
      }
      for (int64_t s = 0; s < taps; ++s) {
        const int64_t column = plan.col[static_cast<std::size_t>(s)] + shift;
        if (column < 0 || column >= plan.w) {
          std::fill_n(to + s * plan.channels, plan.channels, T{});
        } else {
          copy(row + column * plan.c, plan.channels, to + s * plan.channels);
        }
      }
    }
  }
}

// Rows of out are taps: for one tap and channel, neighbouring pixels step through the source row.
template <class T>
void gather_columns(const PatchPlan& plan, const T* image, int64_t i, int64_t j0, int64_t count, T* out,
                    int64_t depth_stride) {
  for (const int64_t row : plan.row) {
    const int64_t source_row = row + i * plan.row_step;
    const bool inside = source_row >= 0 && source_row < plan.h;
    for (const int64_t col : plan.col) {
      // Pixels [begin, end) see a column inside the source.
      const int64_t first = col + j0 * plan.col_step, step = plan.col_step;
      int64_t begin = 0, end = 0;
      if (inside) {
        begin = std::clamp<int64_t>(first < 0 ? (-first + step - 1) / step : 0, 0, count);
        end = std::clamp<int64_t>(plan.w > first ? (plan.w - first + step - 1) / step : 0, begin, count);
      }
      const T* from = image + (source_row * plan.w + first) * plan.c + plan.first_channel;
      for (int64_t channel = 0; channel < plan.channels; ++channel, out += depth_stride) {
        std::fill(out, out + begin, T{});
        if (step * plan.c == 1) {
          copy(from + begin, end - begin, out + begin);
        } else {
          for (int64_t p = begin; p < end; ++p) out[p] = from[p * step * plan.c + channel];
        }
        std::fill(out + end, out + count, T{});
      }
    }
  }
}

}  // namespace

PatchPlan output_patches(const Conv2dShape& s, int64_t group) {
  const int64_t channels = s.c / s.groups;
  PatchPlan plan{{}, {}, s.stride_h, s.stride_w, s.h, s.w, s.c, group * channels, channels};
  for (int64_t r = 0; r < s.kh; ++r) plan.row.push_back(r * s.dilation_h - s.pad_top);
  for (int64_t q = 0; q < s.kw; ++q) plan.col.push_back(q * s.dilation_w - s.pad_left);
  return plan;
}

PatchPlan input_patches(const Conv2dShape& s, int64_t group, int64_t phase_row, int64_t phase_col,
                        std::vector<int64_t>& tap_rows, std::vector<int64_t>& tap_cols) {
  const int64_t channels = s.f / s.groups;
  PatchPlan plan{{}, {}, 1, 1, s.oh, s.ow, s.f, group * channels, channels};
  // From the last tap to the first: the columns of dy they see then rise.
  const auto collect = [](int64_t taps, int64_t dilation, int64_t pad, int64_t stride, int64_t phase,
                          std::vector<int64_t>& origin, std::vector<int64_t>& kept) {
    kept.clear();
    for (int64_t tap = taps - 1; tap >= 0; --tap) {
      const int64_t reach = phase + pad - tap * dilation;
      if (((reach % stride) + stride) % stride != 0) continue;
      kept.push_back(tap);
      origin.push_back(reach / stride);
    }
  };
  collect(s.kh, s.dilation_h, s.pad_top, s.stride_h, phase_row, plan.row, tap_rows);
  collect(s.kw, s.dilation_w, s.pad_left, s.stride_w, phase_col, plan.col, tap_cols);
  return plan;
}

template <class T>
void gather_patches(const PatchPlan& plan, const T* image, int64_t i, int64_t j0, int64_t count, T* out,
                    int64_t pixel_stride, int64_t depth_stride) {
  if (depth_stride == 1) {
    gather_rows(plan, image, i, j0, count, out, pixel_stride);
  } else {
    gather_columns(plan, image, i, j0, count, out, depth_stride);
  }
}

template <class T>
void gather_pixels(const PatchPlan& plan, int64_t oh, int64_t ow, const T* x, int64_t begin, int64_t end, T* out,
                   int64_t pixel_stride, int64_t depth_stride) {
  for (int64_t pixel = begin; pixel < end;) {
    const int64_t j = pixel % ow, i = pixel / ow % oh, image = pixel / (ow * oh);
    const int64_t count = std::min(ow - j, end - pixel);
    gather_patches(plan, x + image * plan.h * plan.w * plan.c, i, j, count, out + (pixel - begin) * pixel_stride,
                   pixel_stride, depth_stride);
    pixel += count;
  }
}

bool pixels_side_by_side(const PatchPlan& plan) { return plan.channels * static_cast<int64_t>(plan.col.size()) < 8; }

int64_t tile_pixels(const PatchPlan& plan) {
  return std::clamp<int64_t>(kTileElements / std::max<int64_t>(1, plan.depth()), 24, kMaxTilePixels);
}

#define HL_INSTANTIATE(T)                                                                                       \
  template void gather_patches<T>(const PatchPlan&, const T*, int64_t, int64_t, int64_t, T*, int64_t, int64_t); \
  template void gather_pixels<T>(const PatchPlan&, int64_t, int64_t, const T*, int64_t, int64_t, T*, int64_t, int64_t);
HL_INSTANTIATE(float)
HL_INSTANTIATE(double)

}  // namespace hotloop::cpu
