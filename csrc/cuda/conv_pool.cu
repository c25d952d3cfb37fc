// conv2d + bias + activation + max_pool2d. Windows of 2 x 2 are pooled where their sums are, in registers: a product's
// rows are dealt out such that a thread holds whole windows. The maximum is taken of the bare sums, as on the CPU,
// since bias and activation are monotone. Other windows are pooled out of a scratch map that holds no pixel the pool
// drops.
#include "cuda/conv_direct.cuh"
#include "cuda/conv_patches.cuh"
#include "cuda/math.cuh"
#include "cuda/quads.cuh"

namespace hotloop::cuda {
namespace {

// The operand (row of a product, patch): rows are positions of windows in the order in which a Block holds them.
template <class Block>
struct WindowRows : Patches {
  int windows;
  SmallDivisor by_windows, by_window_columns;

  static constexpr bool kKeepsIndices = true;
  using Index = Place;
  using Depth = Tap;
  __device__ __forceinline__ const float* of_batch(int group) const { return of_group(group); }
  __device__ __forceinline__ Index index(int i) const {
    const int window = Block::window_of(i), position = Block::position_of(i);
    const SmallDivision image = by_windows.split(window < windows ? window : windows - 1),
                        row = by_window_columns.split(image.remainder);
    return place(image.quotient, 2 * row.quotient + position / 2, 2 * row.remainder + position % 2);
  }
  __device__ __forceinline__ Depth depth(int d) const { return tap(d); }
  __device__ __forceinline__ const float* at(const float* origin, const Index& i, const Depth& d) const {
    return origin + static_cast<int64_t>(i.origin) * c + d.offset;
  }
};

// y and argmax (windows, f), argmax or null.
struct Pooled {
  float* y;
  uint8_t* argmax;
  int windows, f;
};

// The maximum so far, told of one position after the other.
struct Best {
  float value;
  uint8_t at;
  __device__ __forceinline__ void tell(float next, int position) {
    const bool stay = stays(value, next);
    value = stay ? value : next;
    at = stay ? at : static_cast<uint8_t>(position);
  }
};

template <int kCount>
__device__ __forceinline__ void store_places(uint8_t* to, const uint8_t (&at)[kCount], int left) {
  if constexpr (kCount == 4) {
    if (left >= 4 && quad_aligned(to)) {
      store_pack(to, Pack<uint8_t, 4>{{at[0], at[1], at[2], at[3]}});
      return;
    }
  }
#pragma unroll
  for (int j = 0; j < kCount; ++j) {
    if (j < left) to[j] = at[j];
  }
}

template <class Block, bool kAligned>
__global__ void __launch_bounds__(Block::kThreads, Block::kBlocksPerMultiprocessor)
    product_of_windows(const __grid_constant__ WindowRows<Block> a, const __grid_constant__ Matrix b, const Pooled out,
                       const Finish finish, const Cut cut) {
  const TilePlace place = tile_place(cut);
  Block block;
  sum_tile<Block, true, false, kAligned>(a, b, cut, place, block);
  block.for_windows([&](int window_in_tile, int column, const auto& positions) {
    constexpr int kCount = std::extent_v<std::remove_cvref_t<decltype(positions)>, 1>;
    const int window = place.m * Block::kM / 4 + window_in_tile, n = place.n * Block::kN + column;
    const int left = cut.n - n;
    if (window >= out.windows || left <= 0) return;
    float v[kCount];
    uint8_t at[kCount];
#pragma unroll
    for (int j = 0; j < kCount; ++j) {
      Best best = {positions[0][j], 0};
#pragma unroll
      for (int p = 1; p < 4; ++p) best.tell(positions[p][j], p);
      v[j] = j < left ? finish.apply(best.value, place.batch, n + j, cut.n) : 0.0f;
      at[j] = best.at;
    }
    const int64_t to = static_cast<int64_t>(window) * out.f + place.batch * cut.n + n;
    store_run(out.y + to, v, left);
    if (out.argmax != nullptr) store_places(out.argmax + to, at, left);
  });
}

Status pool_in_registers(const ConvPoolShape& s, const float* x, const float* w, const Finish& finish,
                         const Pooled& out) {
  const Conv2dShape& conv = s.conv;
  const int channels = static_cast<int>(conv.c / conv.groups), filters = static_cast<int>(conv.f / conv.groups);
  const int depth = static_cast<int>(conv.kh * conv.kw) * channels, groups = static_cast<int>(conv.groups);
  const Matrix weights = grouped_columns(w, conv.f, conv.groups);
  const bool aligned = aligned16(x) && aligned16(w) && conv.c % 4 == 0 && channels % 4 == 0 && filters % 4 == 0;
  // A tensor core's block holds windows by eights.
  const int m = 32 * static_cast<int>(divide_up(out.windows, 8));
  return with_block(aligned, m, filters, depth, groups, 1, [&](auto kind, auto in_chunks, const Cut& cut) {
    using Block = typename decltype(kind)::type;
    const WindowRows<Block> rows = {output_patches(conv, x), out.windows, SmallDivisor(static_cast<int>(s.oh * s.ow)),
                                    SmallDivisor(static_cast<int>(s.ow))};
    const int64_t blocks = int64_t{groups} * cut.tiles_m * cut.tiles_n;
    return launch("conv2d_max_pool2d", product_of_windows<Block, decltype(in_chunks)::value>,
                  dim3(static_cast<unsigned>(blocks)), Block::kThreads, sizeof(Stages<Block>), rows, weights, out,
                  finish, cut);
  });
}

// A thread an element of y, out of sums (n, oh * pool_h, ow * pool_w, f).
__global__ void __launch_bounds__(kQuadThreads)
    pool_sums(const float* sums, int64_t count, const Divisor by_filters, const Divisor by_columns, int pool_h,
              int pool_w, const Finish finish, const Pooled out) {
  const int64_t f = by_filters;
  for (int64_t i = grid_thread(); i < count; i += grid_threads()) {
    const Division pixel = by_filters.split(i), row = by_columns.split(pixel.quotient);
    const int64_t columns = by_columns * pool_w;
    const float* const first = sums + (row.quotient * pool_h * columns + row.remainder * pool_w) * f + pixel.remainder;
    Best best = {*first, 0};
    for (int p = 1; p < pool_h * pool_w; ++p) best.tell(first[(p / pool_w * columns + p % pool_w) * f], p);
    out.y[i] = finish.apply(best.value, 0, static_cast<int>(pixel.remainder), out.f);
    if (out.argmax != nullptr) out.argmax[i] = best.at;
  }
}

Status pool_from_scratch(const ConvPoolShape& s, const float* x, const float* w, const Finish& finish,
                         const Pooled& out) {
  Conv2dShape conv = s.conv;
  conv.oh = s.oh * s.pool_h;
  conv.ow = s.ow * s.pool_w;
  conv.activation = {};
  const Scratch<float> sums(conv.n * conv.oh * conv.ow * conv.f);
  HL_TRY(sums.status());
  HL_TRY(conv2d(conv, x, w, nullptr, sums.get()));
  const int64_t count = int64_t{out.windows} * conv.f;
  return launch("conv2d_max_pool2d", pool_sums, grid_for(count, kQuadThreads), kQuadThreads, 0, sums.get(), count,
                Divisor(conv.f), Divisor(s.ow), static_cast<int>(s.pool_h), static_cast<int>(s.pool_w), finish, out);
}

}  // namespace

Status conv2d_max_pool2d(const ConvPoolShape& s, const float* x, const float* w, const float* bias, float* y,
                         uint8_t* argmax) {
  const Conv2dShape& conv = s.conv;
  const int64_t windows = conv.n * s.oh * s.ow;
  if (windows * conv.f == 0) return kOk;
  HL_TRY(check_sizes(conv));
  const bool relu = conv.activation.kind == Activation::relu;
  const Pooled out = {y, argmax, static_cast<int>(windows), static_cast<int>(conv.f)};
  if (s.pool_h != 2 || s.pool_w != 2 || conv.c == 0) {
    HL_TRY(pool_from_scratch(s, x, w, {bias, false, relu}, out));
  } else if (conv.c / conv.groups <= kMostDirectChannels) {
    HL_TRY(direct_conv_pool(s, x, w, bias, relu, y, argmax));
  } else {
    HL_TRY(pool_in_registers(s, x, w, {bias, true, relu}, out));
  }
  if (relu || conv.activation.kind == Activation::none) return kOk;
  return activation(conv.activation, windows * conv.f, y, y);
}

}  // namespace hotloop::cuda
