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

Status conv2d_max_pool2d_grad(const ConvPoolShape& s, const float* x, const float* w, const float* y,
                              const uint8_t* argmax, const float* dy, float* dx, float* dw, float* db) {
  const Conv2dShape& conv = s.conv;
  const int64_t pooled = conv.n * s.oh * s.ow * conv.f, weights = conv.kh * conv.kw * (conv.c / conv.groups) * conv.f;
  const auto clear = [](float* to, int64_t size) {
    return to != nullptr && size > 0 ? fill(to, 0, size * static_cast<int64_t>(sizeof(float))) : kOk;
  };
  if (pooled == 0) {
    HL_TRY(clear(dx, conv.n * conv.h * conv.w * conv.c));
    HL_TRY(clear(dw, weights));
    return clear(db, conv.f);
  }
  const bool is_linear = conv.activation.kind == Activation::none;
  const Scratch<float> before(is_linear ? 0 : pooled);
  HL_TRY(before.status());
  const float* const slope = is_linear ? dy : before.get();
  if (!is_linear) HL_TRY(activation_grad(conv.activation, pooled, y, dy, before.get()));
  if (db != nullptr) HL_TRY(reduce(ReduceOp::sum, {2, {conv.n * s.oh * s.ow, conv.f}, 1}, slope, db));
  if (conv.c == 0 || (dx == nullptr && dw == nullptr)) return kOk;
  HL_TRY(check_sizes(conv));
  const bool direct = dw != nullptr && has_small_patches(conv);
  if (direct) HL_TRY(direct_weight_grad(s, x, slope, argmax, dw));
  if (dx == nullptr && direct) return kOk;
  const Dense dense(s, slope, argmax);
  HL_TRY(dense.status);
  if (dw != nullptr && !direct) HL_TRY(conv2d_weight_grad(dense.conv, x, dense.map.get(), dw));
  return dx != nullptr ? conv2d_input_grad(dense.conv, dense.map.get(), w, dx) : kOk;
}

}  // namespace hotloop::cuda
