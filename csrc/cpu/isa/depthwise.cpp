// A product wants two loads, so that loads set the pace: sums stay in registers over all taps, or over all pixels.
#include "cpu/isa/depthwise.h"

#include "cpu/isa/vec.h"

namespace hotloop::isa::HL_TIER {
namespace {

template <class T>
void forward(const TapRun& run, const T* x, const T* w, const T* bias, T* y) {
  for (int64_t pixel = 0; pixel < run.pixels; ++pixel, x += run.x_step, y += run.channels) {
    map_vectors<T>(run.channels, y, [&](int64_t c, auto width) {
      Vec<T> sum = bias != nullptr ? load_width(bias + c, width) : Vec<T>{};
      for (int64_t t = 0; t < run.taps; ++t) {
        sum += load_width(x + run.x_offset[t] + c, width) * load_width(w + run.w_offset[t] + c, width);
      }
      for (int64_t t = run.taps; t < run.all_taps; ++t) sum += Vec<T>{} * load_width(w + run.w_offset[t] + c, width);
      return sum;
    });
  }
}

template <class T>
void weight_grad(const TapRun& run, const T* x, const T* dy, T* dw) {
  for (int64_t t = 0; t < run.all_taps; ++t) {
    T* sum = dw + run.w_offset[t];
    map_vectors<T>(run.channels, sum, [&](int64_t c, auto width) {
      Vec<T> total = load_width(sum + c, width);
      for (int64_t p = 0; p < run.pixels; ++p) {
        const Vec<T> seen = t < run.taps ? load_width(x + run.x_offset[t] + p * run.x_step + c, width) : Vec<T>{};
        total += seen * load_width(dy + p * run.channels + c, width);
      }
      return total;
    });
  }
}

}  // namespace

template <class T>
const DepthwiseMicro<T>& depthwise_table() {
  static constexpr DepthwiseMicro<T> table = {forward<T>, weight_grad<T>};
  return table;
}

template const DepthwiseMicro<float>& depthwise_table<float>();
template const DepthwiseMicro<double>& depthwise_table<double>();

}  // namespace hotloop::isa::HL_TIER
