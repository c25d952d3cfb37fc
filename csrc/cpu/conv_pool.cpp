// conv2d + bias + activation + max_pool2d as one: a window's pixels are summed up in registers, where the largest is
// chosen; or Winograd's way, whose tiles are the windows. Nothing is gathered, the unpooled map is never written, and
// pixels that the pool drops are never computed.
#include <algorithm>

#include "backend.h"
#include "cpu/filter_panels.h"
#include "cpu/gemm.h"
#include "cpu/isa/conv_pool.h"
#include "cpu/window_frame.h"
#include "cpu/winograd.h"
#include "runtime/memory.h"
#include "runtime/threads.h"

namespace hotloop::cpu {
namespace {

constexpr int64_t kJobProducts = 1 << 18;  // multiply-adds that repay handing a job to a thread
constexpr int64_t kWantedJobs = 64;

// Pooled rows [first, last) of one image.
template <class T>
void pooled_rows(const ConvPoolShape& s, const WindowFrame& frame, const T* image, const FilterPanels& panels,
                 const T* packed, const T* bias, int64_t first, int64_t last, T* y, uint8_t* argmax) {
  const Conv2dShape& conv = s.conv;
  const Scratch<T> padded(frame.padded ? frame.size() : 0);
  const int64_t row = s.ow * conv.f, below = s.pool_h * conv.stride_h;
  const T* seen =
      frame.around(conv, image, first * below,
                   (last * s.pool_h - 1) * conv.stride_h + (conv.kh - 1) * conv.dilation_h + 1, padded.get());
  // A panel stays in L1 over all rows.
  for (int64_t index = 0; index < panels.count; ++index) {
    const int64_t filter = panels.filter(index);
    for (int64_t i = first; i < last; ++i) {
      breathe();
      isa::conv_pool_micro<T>().max_of_windows(
          frame.row(seen, i, s.ow, panels.group(index)), packed + index * panels.size,
          bias != nullptr ? bias + filter : nullptr, panels.width(index), conv.activation.kind == Activation::relu,
          y + i * row + filter, argmax != nullptr ? argmax + i * row + filter : nullptr, conv.f);
    }
  }
  if (conv.activation.kind != Activation::relu) {
    apply_activation(conv.activation, 1, (last - first) * row, y + first * row, row);
  }
}

template <class T>
void pool_by_windows(const ConvPoolShape& s, const T* x, const T* w, const T* bias, T* y, uint8_t* argmax) {
  const Conv2dShape& conv = s.conv;
  const int64_t row = s.ow * conv.f;
  const WindowFrame frame(s);
  const FilterPanels panels(conv, isa::gemm_micro<T>().columns);
  const Scratch<T> packed(panels.count * panels.size);
  for (int64_t group = 0; group < conv.groups; ++group) {
    pack_panels<T>(panels.size / panels.columns, panels.filters, {w + group * panels.filters, conv.f, 1}, 0,
                   panels.per_group, packed + group * panels.per_group * panels.size, panels.size);
  }
  const int64_t row_products =
      row * static_cast<int64_t>(frame.pixel.size() * std::max<std::size_t>(1, frame.tap.size()));
  const int64_t block =
      std::clamp<int64_t>(std::max(kJobProducts / row_products, conv.n * s.oh / kWantedJobs), 1, s.oh);
  const int64_t blocks = (s.oh + block - 1) / block;
  parallel_for(conv.n * blocks, [&](int64_t job) {
    const int64_t image = job / blocks, first = job % blocks * block;
    pooled_rows<T>(s, frame, x + image * conv.h * conv.w * conv.c, panels, packed, bias, first,
                   std::min(s.oh, first + block), y + image * s.oh * row,
                   argmax != nullptr ? argmax + image * s.oh * row : nullptr);
  });
}

}  // namespace

template <class T>
Status conv2d_max_pool2d(const ConvPoolShape& s, const T* x, const T* w, const T* bias, T* y, uint8_t* argmax) {
  const Conv2dShape& conv = s.conv;
  const int64_t pooled = s.oh * s.ow * conv.f;
  if (conv.n * pooled == 0) return kOk;
  if (!suits_winograd(conv) || s.pool_h != 2 || s.pool_w != 2) {
    pool_by_windows(s, x, w, bias, y, argmax);
    return kOk;
  }
  // The tiles of 2 x 2 results are the windows.
  const Correlation seen = {conv.n, conv.h, conv.w, conv.c, 2 * s.oh, 2 * s.ow, conv.f, conv.pad_top, conv.pad_left};
  ConvPoolShape one = s;
  one.conv.n = 1;
  for (const int64_t n :
       winograd_max_pool<T>(seen, x, {w, conv.c * conv.f, conv.f, 1}, bias, conv.activation, y, argmax)) {
    pool_by_windows(one, x + n * conv.h * conv.w * conv.c, w, bias, y + n * pooled,
                    argmax != nullptr ? argmax + n * pooled : nullptr);
  }
  return kOk;
}

template Status conv2d_max_pool2d<float>(const ConvPoolShape&, const float*, const float*, const float*, float*,
                                         uint8_t*);
template Status conv2d_max_pool2d<double>(const ConvPoolShape&, const double*, const double*, const double*, double*,
                                          uint8_t*);

}  // namespace hotloop::cpu
