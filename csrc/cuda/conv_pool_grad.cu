// Gradients through conv2d + activation + max_pool2d. Of the unpooled map's gradient at most one element a window and
// channel is not zero. Tensor cores and tiles are so much faster on dense operands that the map is made all the same,
// in scratch memory, but for patches of few elements (conv_direct_grad.cu), whose weight gradient reads dy as it is.
#include "cuda/conv_direct.cuh"
#include "cuda/conv_patches.cuh"
#include "cuda/quads.cuh"

namespace hotloop::cuda {
namespace {

// dense (n, oh * pool_h, ow * pool_w, f): a thread the positions of one window, for a pack of filters.
template <int pack>
__global__ void __launch_bounds__(kQuadThreads)
    spread(const float* dy, const uint8_t* argmax, int64_t count, const Divisor by_packs, const Divisor by_columns,
           int pool_h, int pool_w, float* dense) {
  const int64_t f = by_packs * pack, columns = by_columns * pool_w;
  for (int64_t i = grid_thread(); i < count; i += grid_threads()) {
    const Division pixel = by_packs.split(i), row = by_columns.split(pixel.quotient);
    const Pack<float, pack> value = load_pack<pack>(dy + i * pack);
    const Pack<uint8_t, pack> at = load_pack<pack>(argmax + i * pack);
    float* const first =
        dense + (row.quotient * pool_h * columns + row.remainder * pool_w) * f + pixel.remainder * pack;
    for (int p = 0; p < pool_h * pool_w; ++p) {
      Pack<float, pack> here;
#pragma unroll
      for (int q = 0; q < pack; ++q) here.v[q] = at.v[q] == p ? value.v[q] : 0.0f;
      store_pack(first + (p / pool_w * columns + p % pool_w) * f, here);
    }
  }
}

// The unpooled map's gradient and the convolution that it belongs to.
struct Dense {
  Conv2dShape conv;
  Scratch<float> map;
  Status status;

  Dense(const ConvPoolShape& s, const float* dy, const uint8_t* argmax)
      : conv(s.conv), map(s.conv.n * s.oh * s.pool_h * s.ow * s.pool_w * s.conv.f), status(map.status()) {
    conv.oh = s.oh * s.pool_h;
    conv.ow = s.ow * s.pool_w;
    if (status != kOk) return;
    const bool packed = conv.f % 4 == 0 && aligned16(dy) && quad_aligned(argmax);
    const int64_t count = conv.n * s.oh * s.ow * conv.f / (packed ? 4 : 1);
    status = launch("conv2d_max_pool2d_grad", packed ? spread<4> : spread<1>, grid_for(count, kQuadThreads),
                    kQuadThreads, 0, dy, argmax, count, Divisor(conv.f / (packed ? 4 : 1)), Divisor(s.ow),
                    static_cast<int>(s.pool_h), static_cast<int>(s.pool_w), map.get());
  }
};

}  // namespace

Status conv2d_max_pool2d_input_grad(const ConvPoolShape& s, const float* dy, const uint8_t* argmax, const float* w,
                                    float* dx) {
  const Conv2dShape& conv = s.conv;
  const int64_t size = conv.n * conv.h * conv.w * conv.c;
  if (size == 0) return kOk;
  if (s.oh * s.ow * conv.f == 0) return fill(dx, 0, size * static_cast<int64_t>(sizeof(float)));
  HL_TRY(check_sizes(conv));
  const Dense dense(s, dy, argmax);
  HL_TRY(dense.status);
  return conv2d_input_grad(dense.conv, dense.map.get(), w, dx);
}

Status conv2d_max_pool2d_weight_grad(const ConvPoolShape& s, const float* x, const float* dy, const uint8_t* argmax,
                                     float* dw) {
  const Conv2dShape& conv = s.conv;
  const int64_t size = conv.kh * conv.kw * (conv.c / conv.groups) * conv.f;
  if (size == 0) return kOk;
  if (conv.n * s.oh * s.ow == 0) return fill(dw, 0, size * static_cast<int64_t>(sizeof(float)));
  HL_TRY(check_sizes(conv));
  if (has_small_patches(conv)) return direct_weight_grad(s, x, dy, argmax, dw);
  const Dense dense(s, dy, argmax);
  HL_TRY(dense.status);
  return conv2d_weight_grad(dense.conv, x, dense.map.get(), dw);
}

}  // namespace hotloop::cuda
