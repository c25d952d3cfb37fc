// Gradients of a pooled convolution from their non-zeros alone.
//
// The gradient of the unpooled map has at most one non-zero per window and channel: each adds one scaled row of patches
// to the weight gradient, and one scaled row of weights to the input gradient. Both are runs of channels that lie side
// by side in memory.
#pragma once

#include "cpu/isa/sparse.h"
#include "cpu/window_frame.h"
#include "runtime/memory.h"

namespace hotloop::cpu {

/// A patch is `count` runs of `length` elements that lie side by side in the frame.
struct PatchRuns {
  int64_t length, count;

  explicit PatchRuns(const Conv2dShape& conv)
      : length((conv.dilation_w == 1 ? conv.kw : 1) * conv.c), count(conv.kh * conv.kw * conv.c / length) {}
};

/// What all images of a call have in common.
template <class T>
class SparseGrad {
 public:
  /// w may be null where no input gradient is wanted.
  SparseGrad(const ConvPoolShape& s, const WindowFrame& frame, const T* w);

  /// Whether runs are long enough, and offsets short enough.
  static bool suits(const ConvPoolShape& s, const WindowFrame& frame);

  /// What a thread needs for one image.
  struct Job {
    explicit Job(const SparseGrad& grad);
    Scratch<isa::RowOffset<T>> offset;
    Scratch<T> factor;
    Scratch<int64_t> ends;
    Scratch<T> padded;
  };

  /// Elements of a sum of weight gradients, (f, depth); and dw from one.
  int64_t sum_size() const { return depth_ * s_.conv.f; }
  void take_sum(const T* sum, T* dw) const;
  /// sum += the weight gradient of one image, seen through the frame.
  void add_weight_grad(Job& job, const T* image, const T* slope, const uint8_t* place, T* sum) const;
  /// dx = the input gradient of one image.
  void input_grad(Job& job, const T* slope, const uint8_t* place, T* dx) const;

 private:
  int64_t list_stride() const { return s_.oh * s_.ow + isa::kListSlack; }

  const ConvPoolShape& s_;
  const WindowFrame& frame_;
  PatchRuns runs_;
  int64_t depth_;
  Scratch<isa::RowOffset<T>> windows_;  // where each window's first patch begins
  Scratch<T> weights_;                  // (runs, f, length)
};

}  // namespace hotloop::cpu
