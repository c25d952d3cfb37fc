// A thread makes a few neighbouring results: four pixels of a row, or the four of a 2 x 2 window, for four filters or
// one. Lanes stand side by side along filters, so that weights and results are read and written whole, and all lanes of
// a pixel read the same x.
#include "cuda/conv_direct.cuh"

#include "cuda/divisor.cuh"
#include "cuda/math.cuh"
#include "cuda/quads.cuh"

namespace hotloop::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kBlocks = 4;  // of a multiprocessor, at least: without a wish ptxas takes too few registers on sm_120
constexpr int kPixels = 4;  // of a thread

// Sizes in 32 bits, and what a job's number is divided by: packs of filters, then groups of pixels along a row, rows.
struct Direct {
  int h, w, c, kh, kw, f;
  int channels, filters;  // of a group
  int stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w;
  int oh, ow;  // of y
  int64_t jobs;
  Divisor packs, runs, rows;
  bool relu;

  Direct(const Conv2dShape& s, int pack, int64_t rows_, int64_t columns, int64_t pixels_together, bool relu_)
      : h(static_cast<int>(s.h)),
        w(static_cast<int>(s.w)),
        c(static_cast<int>(s.c)),
        kh(static_cast<int>(s.kh)),
        kw(static_cast<int>(s.kw)),
        f(static_cast<int>(s.f)),
        channels(static_cast<int>(s.c / s.groups)),
        filters(static_cast<int>(s.f / s.groups)),
        stride_h(static_cast<int>(s.stride_h)),
        stride_w(static_cast<int>(s.stride_w)),
        pad_top(static_cast<int>(s.pad_top)),
        pad_left(static_cast<int>(s.pad_left)),
        dilation_h(static_cast<int>(s.dilation_h)),
        dilation_w(static_cast<int>(s.dilation_w)),
        oh(static_cast<int>(rows_)),
        ow(static_cast<int>(columns)),
        packs(s.f / pack),
        runs(divide_up(columns, pixels_together)),
        rows(rows_),
        relu(relu_) {
    jobs = s.n * rows_ * runs * packs;
  }
};

struct Job {
  int64_t image;
  int row, run, filter;
};

template <int pack>
__device__ Job job_of(const Direct& d, int64_t job) {
  const Division by_pack = d.packs.split(job), by_run = d.runs.split(by_pack.quotient),
                 by_row = d.rows.split(by_run.quotient);
  return {by_row.quotient, static_cast<int>(by_row.remainder), static_cast<int>(by_run.remainder),
          static_cast<int>(by_pack.remainder) * pack};
}

// The sums of four output pixels (row[p], column[p]) and the filters of a pack.
template <int pack>
__device__ void sum_pixels(const Direct& d, const float* image, const float* w, int filter, const int (&row)[kPixels],
                           const int (&column)[kPixels], float (&sum)[kPixels][pack]) {
  const float* const first = image + filter / d.filters * d.channels;
  for (int r = 0; r < d.kh; ++r) {
    for (int s = 0; s < d.kw; ++s) {
      for (int channel = 0; channel < d.channels; ++channel) {
        const Pack<float, pack> weight =
            load_pack<pack>(w + static_cast<int64_t>((r * d.kw + s) * d.channels + channel) * d.f + filter);
#pragma unroll
        for (int p = 0; p < kPixels; ++p) {
          const int i = row[p] * d.stride_h - d.pad_top + r * d.dilation_h;
          const int j = column[p] * d.stride_w - d.pad_left + s * d.dilation_w;
          const bool inside = static_cast<unsigned>(i) < static_cast<unsigned>(d.h) &&
                              static_cast<unsigned>(j) < static_cast<unsigned>(d.w);
          const float value = inside ? first[(i * d.w + j) * d.c + channel] : 0.0f;
#pragma unroll
          for (int q = 0; q < pack; ++q) sum[p][q] += value * weight.v[q];
        }
      }
    }
  }
}

template <int pack>
__device__ void finish(const Direct& d, const float* bias, int filter, float (&v)[pack]) {
#pragma unroll
  for (int q = 0; q < pack; ++q) {
    if (bias != nullptr) v[q] += bias[filter + q];
    if (d.relu) v[q] = activate<Activation::relu>(v[q], 0.0f);
  }
}

template <int pack>
__global__ void __launch_bounds__(kThreads, kBlocks)
    pixels_of_rows(const Direct d, const float* x, const float* w, const float* bias, float* y) {
  for (int64_t i = grid_thread(); i < d.jobs; i += grid_threads()) {
    const Job job = job_of<pack>(d, i);
    int row[kPixels], column[kPixels];
#pragma unroll
    for (int p = 0; p < kPixels; ++p) {
      row[p] = job.row;
      column[p] = job.run * kPixels + p;
    }
    float sum[kPixels][pack] = {};
    sum_pixels<pack>(d, x + job.image * d.h * d.w * d.c, w, job.filter, row, column, sum);
    float* const out = y + ((job.image * d.oh + job.row) * d.ow + column[0]) * d.f + job.filter;
#pragma unroll
    for (int p = 0; p < kPixels; ++p) {
      if (column[p] >= d.ow) break;
      Pack<float, pack> result;
#pragma unroll
      for (int q = 0; q < pack; ++q) result.v[q] = sum[p][q];
      finish<pack>(d, bias, job.filter, result.v);
      store_pack(out + static_cast<int64_t>(p) * d.f, result);
    }
  }
}

template <int pack>
__global__ void __launch_bounds__(kThreads)
    pixels_of_windows(const Direct d, const float* x, const float* w, const float* bias, float* y, uint8_t* argmax) {
  for (int64_t i = grid_thread(); i < d.jobs; i += grid_threads()) {
    const Job job = job_of<pack>(d, i);
    int row[kPixels], column[kPixels];
#pragma unroll
    for (int p = 0; p < kPixels; ++p) {
      row[p] = 2 * job.row + p / 2;
      column[p] = 2 * job.run + p % 2;
    }
    float sum[kPixels][pack] = {};
    sum_pixels<pack>(d, x + job.image * d.h * d.w * d.c, w, job.filter, row, column, sum);
    Pack<float, pack> best;
    Pack<uint8_t, pack> at;
#pragma unroll
    for (int q = 0; q < pack; ++q) {
      best.v[q] = sum[0][q];
      at.v[q] = 0;
#pragma unroll
      for (int p = 1; p < kPixels; ++p) {
        const bool stay = stays(best.v[q], sum[p][q]);
        best.v[q] = stay ? best.v[q] : sum[p][q];
        at.v[q] = stay ? at.v[q] : static_cast<uint8_t>(p);
      }
    }
    finish<pack>(d, bias, job.filter, best.v);
    const int64_t out = ((job.image * d.oh + job.row) * d.ow + job.run) * d.f + job.filter;
    store_pack(y + out, best);
    if (argmax != nullptr) store_pack(argmax + out, at);
  }
}

// Four filters at a time where packs stay within a group and memory is aligned.
bool in_packs(const Conv2dShape& s, const void* w, const void* y, const void* argmax) {
  return s.f / s.groups % 4 == 0 && reinterpret_cast<uintptr_t>(w) % 16 == 0 &&
         reinterpret_cast<uintptr_t>(y) % 16 == 0 && reinterpret_cast<uintptr_t>(argmax) % 4 == 0;
}

}  // namespace

Status direct_conv(const Conv2dShape& s, const float* x, const float* w, const float* bias, bool relu, float* y) {
  const bool packed = in_packs(s, w, y, nullptr);
  const Direct d(s, packed ? 4 : 1, s.oh, s.ow, kPixels, relu);
  return launch("conv2d", packed ? pixels_of_rows<4> : pixels_of_rows<1>, grid_for(d.jobs, kThreads), kThreads, 0, d, x,
                w, bias, y);
}

Status direct_conv_pool(const ConvPoolShape& s, const float* x, const float* w, const float* bias, bool relu, float* y,
                        uint8_t* argmax) {
  const bool packed = in_packs(s.conv, w, y, argmax);
  const Direct d(s.conv, packed ? 4 : 1, s.oh, s.ow, 1, relu);
  return launch("conv2d_max_pool2d", packed ? pixels_of_windows<4> : pixels_of_windows<1>, grid_for(d.jobs, kThreads),
                kThreads, 0, d, x, w, bias, y, argmax);
}

}  // namespace hotloop::cuda
