// What a window sees of its input, in integers; included where HL_FORMULA says how a function of it is declared.
#include "shapes.h"

/// Taps first .. last - 1 of a window, none where first >= last.
struct Taps {
  int64_t first, last;
};

// Strides and dilations are integers, or whatever divides integers as they would.

/// The taps that lie in [0, size), where tap i of `count` lies at begin + i * step.
template <class Step>
HL_FORMULA Taps taps_inside(int64_t begin, Step step, int64_t count, int64_t size) {
  const int64_t fit = begin < size ? (size - begin + step - 1) / step : 0;
  return {begin < 0 ? (step - 1 - begin) / step : 0, fit < count ? fit : count};
}

/// The windows of one axis, of `count`, that reach over an element, where window i covers `span` elements from
/// i * stride - pad on.
template <class Step>
HL_FORMULA Taps covering(int64_t element, int64_t count, Step stride, int64_t pad, int64_t span) {
  const int64_t before = element + pad - span, last = (element + pad) / stride + 1;
  return {before < 0 ? 0 : before / stride + 1, last < count ? last : count};
}

/// Elements of one axis that average pooling divides by: of the window at `begin`, those in [0, size), or with
/// include_pad those that are not past the padding behind the input.
HL_FORMULA int64_t averaged(int64_t begin, int64_t window, int64_t size, int64_t pad_after, bool include_pad) {
  const int64_t limit = include_pad ? size + pad_after : size;
  const int64_t end = begin + window < limit ? begin + window : limit;
  return end - (begin < 0 && !include_pad ? 0 : begin);
}

/// The share of each of `count` averaged elements; 0 where there is none.
template <class T>
HL_FORMULA T one_over(int64_t count) {
  return count > 0 ? T{1} / static_cast<T>(count) : T{};
}
