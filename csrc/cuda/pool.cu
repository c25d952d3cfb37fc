// Pooling: a thread makes one pixel of the result, for one channel or four. Gradients are gathered: every pixel of dx
// reads the windows over it, so that nothing is added up in memory.
#include <cmath>
#include <type_traits>

#include "cuda/divisor.cuh"
#include "cuda/math.cuh"
#include "cuda/quads.cuh"

namespace hotloop::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kBlocks = 3;  // of a multiprocessor, at least: what a thread needs of registers is there

/// The shape, with what its kernels divide by. Jobs are packs of channels of the pixels that are made, in their order.
struct Pool {
  Pool2dShape s;
  Divisor stride_h, stride_w, dilation_h, dilation_w;
  Divisor packs, columns, rows;
  int64_t jobs;

  Pool(const Pool2dShape& shape, int pack, int64_t made_h, int64_t made_w)
      : s(shape),
        stride_h(s.stride_h),
        stride_w(s.stride_w),
        dilation_h(s.dilation_h),
        dilation_w(s.dilation_w),
        packs(s.c / pack),
        columns(made_w),
        rows(made_h),
        jobs(s.n * made_h * made_w * (s.c / pack)) {}
};

struct Pixel {
  int64_t image, row, column, channel;
};

template <int pack>
__device__ Pixel pixel_of(const Pool& p, int64_t job) {
  const Division by_pack = p.packs.split(job), by_column = p.columns.split(by_pack.quotient),
                 by_row = p.rows.split(by_column.quotient);
  return {by_row.quotient, by_row.remainder, by_column.remainder, by_pack.remainder * pack};
}

// ---- forward --------------------------------------------------------------------------------------------------------

// What a window comes to: a state that is told of every tap in order and stores what it came to.

template <int pack_>
struct Max {
  static constexpr int pack = pack_;
  struct Result {
    float* y;
    int32_t* indices;
  };
  Pack<float, pack> best;
  Pack<int32_t, pack> at;

  __device__ Max() {
#pragma unroll
    for (int i = 0; i < pack; ++i) {
      best.v[i] = -INFINITY;
      at.v[i] = -1;
    }
  }
  __device__ void tap(const Pack<float, pack>& value, int32_t place) {
#pragma unroll
    for (int i = 0; i < pack; ++i) {
      const bool stay = stays(best.v[i], value.v[i]) & (at.v[i] >= 0);
      best.v[i] = stay ? best.v[i] : value.v[i];
      at.v[i] = stay ? at.v[i] : place;
    }
  }
  __device__ void end_row() {}
  __device__ void store(const Pool&, const Pixel&, int64_t job, const Result& result) const {
    store_pack(result.y + job * pack, best);
    if (result.indices != nullptr) store_pack(result.indices + job * pack, at);
  }
};

template <int pack_>
struct Mean {
  static constexpr int pack = pack_;
  struct Result {
    float* y;
  };
  // Rows are summed on their own, so that a large window loses fewer digits.
  Pack<float, pack> row = {}, total = {};

  __device__ void tap(const Pack<float, pack>& value, int32_t) {
#pragma unroll
    for (int i = 0; i < pack; ++i) row.v[i] += value.v[i];
  }
  __device__ void end_row() {
#pragma unroll
    for (int i = 0; i < pack; ++i) total.v[i] += row.v[i];
    row = {};
  }
  __device__ void store(const Pool& p, const Pixel& at, int64_t job, const Result& result) const {
    const Pool2dShape& s = p.s;
    const int64_t count = averaged(at.row * s.stride_h - s.pad_top, s.kh, s.h, s.pad_bottom, s.count_include_pad) *
                          averaged(at.column * s.stride_w - s.pad_left, s.kw, s.w, s.pad_right, s.count_include_pad);
    Pack<float, pack> mean;
#pragma unroll
    for (int i = 0; i < pack; ++i) mean.v[i] = total.v[i] / static_cast<float>(count > 0 ? count : 1);
    store_pack(result.y + job * pack, mean);
  }
};

// Taps known when compiling: the whole of a 2 x 2 window, whose loads are then all under way at once.
struct TwoTaps {
  static constexpr int64_t first = 0, last = 2;
};

/// x points to the channel of tap (0, 0), inside the input or not; `origin` is that tap's place in its plane.
template <class State, class Range>
__device__ void scan(const Pool2dShape& s, Range rows, Range columns, const float* x, int64_t origin, State& state) {
  // Copies of a loop whose length is not known would cost registers.
  [[maybe_unused]] constexpr int kUnroll = std::is_same_v<Range, TwoTaps> ? 2 : 1;
#pragma unroll kUnroll
  for (int64_t i = rows.first; i < rows.last; ++i) {
#pragma unroll kUnroll
    for (int64_t j = columns.first; j < columns.last; ++j) {
      const int64_t step = i * s.dilation_h * s.w + j * s.dilation_w;
      state.tap(load_pack<State::pack>(x + step * s.c), static_cast<int32_t>(origin + step));
    }
    state.end_row();
  }
}

template <class State>
__global__ void __launch_bounds__(kThreads, kBlocks)
    forward(Pool p, const float* __restrict__ x, typename State::Result result) {
  const Pool2dShape& s = p.s;
  for (int64_t job = grid_thread(); job < p.jobs; job += grid_threads()) {
    const Pixel at = pixel_of<State::pack>(p, job);
    const int64_t row = at.row * s.stride_h - s.pad_top, column = at.column * s.stride_w - s.pad_left;
    const Taps rows = taps_inside(row, p.dilation_h, s.kh, s.h), columns = taps_inside(column, p.dilation_w, s.kw, s.w);
    const int64_t origin = row * s.w + column;
    const float* from = x + (at.image * s.h * s.w + origin) * s.c + at.channel;
    State state;
    if (s.kh == 2 && s.kw == 2 && rows.last - rows.first == 2 && columns.last - columns.first == 2) {
      scan(s, TwoTaps{}, TwoTaps{}, from, origin, state);
    } else {
      scan(s, rows, columns, from, origin, state);
    }
    state.store(p, at, job, result);
  }
}

// ---- backward -------------------------------------------------------------------------------------------------------

template <int pack>
__global__ void __launch_bounds__(kThreads, kBlocks)
    max_grad(Pool p, const float* __restrict__ dy, const int32_t* __restrict__ indices, float* __restrict__ dx) {
  const Pool2dShape& s = p.s;
  for (int64_t job = grid_thread(); job < p.jobs; job += grid_threads()) {
    const Pixel at = pixel_of<pack>(p, job);
    const Taps rows = covering(at.row, s.oh, p.stride_h, s.pad_top, s.dilation_h * (s.kh - 1) + 1),
               columns = covering(at.column, s.ow, p.stride_w, s.pad_left, s.dilation_w * (s.kw - 1) + 1);
    const auto here = static_cast<int32_t>(at.row * s.w + at.column);
    Pack<float, pack> sum = {};
#pragma unroll 1
    for (int64_t i = rows.first; i < rows.last; ++i) {
      for (int64_t j = columns.first; j < columns.last; ++j) {
        const int64_t window = ((at.image * s.oh + i) * s.ow + j) * s.c + at.channel;
        const auto index = load_pack<pack>(indices + window);
        const auto slope = load_pack<pack>(dy + window);
#pragma unroll
        for (int k = 0; k < pack; ++k) sum.v[k] += index.v[k] == here ? slope.v[k] : 0.0f;
      }
    }
    store_pack(dx + job * pack, sum);
  }
}

template <int pack>
__global__ void __launch_bounds__(kThreads, kBlocks)
    mean_grad(Pool p, const float* __restrict__ dy, float* __restrict__ dx) {
  const Pool2dShape& s = p.s;
  for (int64_t job = grid_thread(); job < p.jobs; job += grid_threads()) {
    const Pixel at = pixel_of<pack>(p, job);
    const Taps rows = covering(at.row, s.oh, p.stride_h, s.pad_top, s.kh),
               columns = covering(at.column, s.ow, p.stride_w, s.pad_left, s.kw);
    Pack<float, pack> sum = {};
#pragma unroll 1
    for (int64_t j = columns.first; j < columns.last; ++j) {
      const float share =
          one_over<float>(averaged(j * s.stride_w - s.pad_left, s.kw, s.w, s.pad_right, s.count_include_pad));
      Pack<float, pack> line = {};
      for (int64_t i = rows.first; i < rows.last; ++i) {
        const float factor =
            share * one_over<float>(averaged(i * s.stride_h - s.pad_top, s.kh, s.h, s.pad_bottom, s.count_include_pad));
        const auto slope = load_pack<pack>(dy + ((at.image * s.oh + i) * s.ow + j) * s.c + at.channel);
#pragma unroll
        for (int k = 0; k < pack; ++k) line.v[k] += factor * slope.v[k];
      }
#pragma unroll
      for (int k = 0; k < pack; ++k) sum.v[k] += line.v[k];
    }
    store_pack(dx + job * pack, sum);
  }
}

/// Whether channels go by fours, in arrays that these point to.
template <class... P>
bool by_quads(const Pool2dShape& s, P*... arrays) {
  return s.c % 4 == 0 && ((reinterpret_cast<uintptr_t>(arrays) % 16 == 0) && ...);
}

template <class State>
Status launch_forward(const char* name, const Pool2dShape& s, const float* x, typename State::Result result) {
  if (s.n * s.oh * s.ow * s.c == 0) return kOk;
  const Pool pool(s, State::pack, s.oh, s.ow);
  return launch(name, forward<State>, grid_for(pool.jobs, kThreads), kThreads, 0, pool, x, result);
}

template <int pack, class... A, class... P>
Status launch_backward(const char* name, void (*kernel)(Pool, P...), const Pool2dShape& s, A... arrays) {
  if (s.n * s.h * s.w * s.c == 0) return kOk;
  const Pool pool(s, pack, s.h, s.w);
  return launch(name, kernel, grid_for(pool.jobs, kThreads), kThreads, 0, pool, arrays...);
}

}  // namespace

Status max_pool2d(const Pool2dShape& s, const float* x, float* y, int32_t* indices) {
  if (by_quads(s, x, y, indices)) return launch_forward<Max<4>>("max_pool2d", s, x, {y, indices});
  return launch_forward<Max<1>>("max_pool2d", s, x, {y, indices});
}

Status max_pool2d_grad(const Pool2dShape& s, const float* dy, const int32_t* indices, float* dx) {
  if (by_quads(s, dy, indices, dx)) return launch_backward<4>("max_pool2d_grad", max_grad<4>, s, dy, indices, dx);
  return launch_backward<1>("max_pool2d_grad", max_grad<1>, s, dy, indices, dx);
}

Status avg_pool2d(const Pool2dShape& s, const float* x, float* y) {
  if (by_quads(s, x, y)) return launch_forward<Mean<4>>("avg_pool2d", s, x, {y});
  return launch_forward<Mean<1>>("avg_pool2d", s, x, {y});
}

Status avg_pool2d_grad(const Pool2dShape& s, const float* dy, float* dx) {
  if (by_quads(s, dy, dx)) return launch_backward<4>("avg_pool2d_grad", mean_grad<4>, s, dy, dx);
  return launch_backward<1>("avg_pool2d_grad", mean_grad<1>, s, dy, dx);
}

}  // namespace hotloop::cuda
