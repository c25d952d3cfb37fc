// Gradients of convolutions with few channels. Input gradient: a thread an element of dx, over the taps and filters
// that reach it. Weight gradient: a lane a filter, with up to nine elements of its patch as sums in registers; warps
// share out the pixels, and parts are added up in order.
#include "cuda/conv_direct.cuh"
#include "cuda/conv_patches.cuh"

namespace hotloop::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / kWarp;
constexpr int kSums = 9;  // elements of a patch that a thread sums

// ---- input gradient -------------------------------------------------------------------------------------------------

struct Gather {
  int kh, kw, f, filters, channels;
  int stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w;
  int oh, ow;
  int64_t count;
  Divisor by_channels, by_columns, by_rows;  // all of x
};

__global__ void __launch_bounds__(kThreads) gather_input(const Gather g, const float* dy, const float* w, float* dx) {
  for (int64_t i = grid_thread(); i < g.count; i += grid_threads()) {
    const Division channel = g.by_channels.split(i), column = g.by_columns.split(channel.quotient),
                   row = g.by_rows.split(column.quotient);
    const int group = static_cast<int>(channel.remainder) / g.channels;
    const int channel_in_group = static_cast<int>(channel.remainder) % g.channels;
    float sum = 0.0f;
    for (int r = 0; r < g.kh; ++r) {
      const int down = static_cast<int>(row.remainder) + g.pad_top - r * g.dilation_h;
      if (down < 0 || down % g.stride_h != 0 || down / g.stride_h >= g.oh) continue;
      for (int s = 0; s < g.kw; ++s) {
        const int right = static_cast<int>(column.remainder) + g.pad_left - s * g.dilation_w;
        if (right < 0 || right % g.stride_w != 0 || right / g.stride_w >= g.ow) continue;
        const int64_t pixel = (row.quotient * g.oh + down / g.stride_h) * g.ow + right / g.stride_w;
        const float* const d = dy + pixel * g.f + group * g.filters;
        const float* const v =
            w + static_cast<int64_t>((r * g.kw + s) * g.channels + channel_in_group) * g.f + group * g.filters;
        for (int filter = 0; filter < g.filters; ++filter) sum += d[filter] * v[filter];
      }
    }
    dx[i] = sum;
  }
}

// ---- weight gradient ------------------------------------------------------------------------------------------------

// Sites are windows, or pixels where argmax is null; parts share them out.
struct Sites {
  int count, per_part;
  int pool_h, pool_w;
  SmallDivisor by_image, by_columns;
  int f, filters, patch;
};

struct Work {
  Patches::Tap tap[kSums];
  float sum[kWarps][kSums][kWarp];
};

__global__ void __launch_bounds__(kThreads)
    sum_small_patches(const __grid_constant__ Patches patches, const Sites sites, const float* dy,
                      const uint8_t* argmax, float* parts) {
  auto& work = shared_memory<Work>();
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const int first = static_cast<int>(blockIdx.z) * kSums, filter = static_cast<int>(blockIdx.y) * kWarp + lane;
  const int sums = sites.patch - first < kSums ? sites.patch - first : kSums;
  if (static_cast<int>(threadIdx.x) < kSums) {
    // The last sums may have no element: theirs is read again and dropped.
    const int d = first + static_cast<int>(threadIdx.x);
    work.tap[threadIdx.x] = patches.tap(d < sites.patch ? d : sites.patch - 1);
  }
  __syncthreads();
  float sum[kSums] = {};
  if (filter < sites.f) {
    const float* const x = patches.of_group(filter / sites.filters);
    const int begin = static_cast<int>(blockIdx.x) * sites.per_part;
    const int end = begin + sites.per_part < sites.count ? begin + sites.per_part : sites.count;
    for (int site = begin + warp; site < end; site += kWarps) {
      const int64_t at = static_cast<int64_t>(site) * sites.f + filter;
      const float gradient = dy[at];
      const int position = argmax != nullptr ? argmax[at] : 0;
      const SmallDivision image = sites.by_image.split(site), row = sites.by_columns.split(image.remainder);
      const Patches::Place place = patches.place(image.quotient, row.quotient * sites.pool_h + position / sites.pool_w,
                                                 row.remainder * sites.pool_w + position % sites.pool_w);
      const float* const from = x + static_cast<int64_t>(place.origin) * patches.c;
#pragma unroll
      for (int d = 0; d < kSums; ++d) {
        const Patches::Tap tap = work.tap[d];
        if (patches.inside(place, tap)) sum[d] += gradient * from[tap.offset];
      }
    }
  }
#pragma unroll
  for (int d = 0; d < kSums; ++d) work.sum[warp][d][lane] = sum[d];
  __syncthreads();
  if (filter >= sites.f) return;
  for (int d = warp; d < sums; d += kWarps) {
    float total = 0.0f;
#pragma unroll
    for (int i = 0; i < kWarps; ++i) total += work.sum[i][d][lane];
    parts[(static_cast<int64_t>(blockIdx.x) * sites.patch + first + d) * sites.f + filter] = total;
  }
}

}  // namespace

bool has_small_patches(const Conv2dShape& s) {
  const int64_t channels = s.c / s.groups;
  return channels > 0 && channels <= kMostDirectChannels &&
         (s.kh * s.kw * channels <= 4 * kSums || s.f / s.groups < 16);
}

Status direct_input_grad(const Conv2dShape& s, const float* dy, const float* w, float* dx) {
  const auto i = [](int64_t size) { return static_cast<int>(size); };
  const Gather g = {i(s.kh),         i(s.kw),       i(s.f),       i(s.f / s.groups),     i(s.c / s.groups),
                    i(s.stride_h),   i(s.stride_w), i(s.pad_top), i(s.pad_left),         i(s.dilation_h),
                    i(s.dilation_w), i(s.oh),       i(s.ow),      s.n * s.h * s.w * s.c, Divisor(s.c),
                    Divisor(s.w),    Divisor(s.h)};
  return launch("conv2d_input_grad", gather_input, grid_for(g.count, kThreads), kThreads, 0, g, dy, w, dx);
}

Status direct_weight_grad(const ConvPoolShape& s, const float* x, const float* dy, const uint8_t* argmax, float* dw) {
  const Conv2dShape& conv = s.conv;
  const int patch = static_cast<int>(conv.kh * conv.kw * (conv.c / conv.groups)), f = static_cast<int>(conv.f);
  const int count = static_cast<int>(conv.n * s.oh * s.ow);
  const int64_t filter_blocks = divide_up(f, kWarp), sum_blocks = divide_up(patch, kSums);
  if (filter_blocks > 0xFFFF) return "more than 2^21 filters";
  // Two blocks a multiprocessor, each warp with some sites to do.
  const int64_t wanted = divide_up(int64_t{4} * device_info().multiprocessors, filter_blocks * sum_blocks);
  const int64_t per_part = divide_up(count, wanted < 1 ? 1 : wanted);
  const int rounded = static_cast<int>(divide_up(per_part < 64 ? 64 : per_part, kWarps) * kWarps);
  const Sites sites = {count,
                       rounded,
                       static_cast<int>(s.pool_h),
                       static_cast<int>(s.pool_w),
                       SmallDivisor(static_cast<int>(s.oh * s.ow)),
                       SmallDivisor(static_cast<int>(s.ow)),
                       f,
                       static_cast<int>(conv.f / conv.groups),
                       patch};
  Cut cut = {patch, f, 0, 1, 1, 1, static_cast<int>(divide_up(count, rounded)), 0, nullptr};
  const Scratch<float> parts(int64_t{cut.splits} * patch * f);
  HL_TRY(parts.status());
  cut.parts = parts.get();
  const dim3 grid(static_cast<unsigned>(cut.splits), static_cast<unsigned>(filter_blocks),
                  static_cast<unsigned>(sum_blocks));
  HL_TRY(launch("conv2d_weight_grad", sum_small_patches, grid, kThreads, sizeof(Work), output_patches(conv, x), sites,
                dy, argmax, cut.parts));
  return launch("conv2d_weight_grad", add_parts<Rows>, grid_for(int64_t{patch} * f, 256), 256, 0, Rows{dw, f, 0},
                Finish{}, cut);
}

}  // namespace hotloop::cuda
