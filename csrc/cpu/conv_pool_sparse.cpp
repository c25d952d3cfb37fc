#include "cpu/conv_pool_sparse.h"

#include <algorithm>

#include "cpu/isa/elementwise.h"
#include "runtime/threads.h"

namespace hotloop::cpu {
namespace {

constexpr int64_t kShortestRun = 16;  // below, adding up runs one by one does not pay

}  // namespace

template <class T>
bool SparseGrad<T>::suits(const ConvPoolShape& s, const WindowFrame& frame) {
  const Conv2dShape& conv = s.conv;
  return conv.groups == 1 && (conv.dilation_w == 1 ? conv.kw : 1) * conv.c >= kShortestRun &&
         std::max(frame.size(), conv.kh * conv.kw * conv.c * conv.f) < INT32_MAX;
}

template <class T>
SparseGrad<T>::SparseGrad(const ConvPoolShape& s, const WindowFrame& frame, const T* w)
    : s_(s),
      frame_(frame),
      runs_(s.conv),
      depth_(runs_.count * runs_.length),
      windows_(s.oh * s.ow),
      weights_(w != nullptr ? sum_size() : 0) {
  for (int64_t k = 0; k < s.oh * s.ow; ++k) {
    windows_[k] = static_cast<isa::RowOffset<T>>(k / s.ow * frame.window_row + k % s.ow * frame.window_step);
  }
  const int64_t run = runs_.length * s.conv.f;
  for (int64_t r = 0; r < runs_.count && w != nullptr; ++r) {
    isa::elementwise_micro<T>().transpose(s.conv.f, runs_.length, w + r * run, s.conv.f, weights_ + r * run,
                                          runs_.length);
  }
}

template <class T>
SparseGrad<T>::Job::Job(const SparseGrad& grad)
    : offset(grad.list_stride() * grad.s_.conv.f),
      factor(grad.list_stride() * grad.s_.conv.f),
      ends(std::max(grad.s_.conv.f, grad.s_.oh * grad.s_.ow * static_cast<int64_t>(grad.frame_.pixel.size()))),
      padded(grad.frame_.padded ? grad.frame_.size() : 0) {}

template <class T>
void SparseGrad<T>::take_sum(const T* sum, T* dw) const {
  isa::elementwise_micro<T>().transpose(depth_, s_.conv.f, sum, depth_, dw, s_.conv.f);
}

template <class T>
void SparseGrad<T>::add_weight_grad(Job& job, const T* image, const T* slope, const uint8_t* place, T* sum) const {
  const Conv2dShape& conv = s_.conv;
  const auto& micro = isa::sparse_micro<T>();
  const isa::PixelOffsets<T> pixels = {windows_, static_cast<int>(s_.pool_w),
                                       static_cast<isa::RowOffset<T>>(conv.stride_h * frame_.w * conv.c),
                                       static_cast<isa::RowOffset<T>>(conv.stride_w * conv.c)};
  micro.list_by_filter({s_.oh * s_.ow, conv.f, slope, place}, pixels, list_stride(), job.offset, job.factor, job.ends);
  for (int64_t f = 0; f < conv.f; ++f) {
    breathe();
    const int64_t list = f * list_stride();
    for (int64_t r = 0; r < runs_.count; ++r) {
      micro.add_scaled_rows(job.ends[f], job.offset + list, job.factor + list,
                            image + frame_.tap[static_cast<std::size_t>(r * runs_.length)], runs_.length,
                            sum + f * depth_ + r * runs_.length);
    }
  }
}

template <class T>
void SparseGrad<T>::input_grad(Job& job, const T* slope, const uint8_t* place, T* dx) const {
  const auto& micro = isa::sparse_micro<T>();
  T* image = frame_.padded ? job.padded.get() : dx;
  micro.list_by_pixel({s_.oh * s_.ow, s_.conv.f, slope, place}, static_cast<int64_t>(frame_.pixel.size()), runs_.length,
                      job.offset, job.factor, job.ends);
  std::fill_n(image, frame_.size(), T{});
  // Runs outside: one run of all filters' weights is small enough for L1.
  for (int64_t r = 0; r < runs_.count; ++r) {
    T* first = image + frame_.tap[static_cast<std::size_t>(r * runs_.length)];
    const T* weights = weights_ + r * runs_.length * s_.conv.f;
    const int64_t* end = job.ends;
    int64_t begin = 0;
    for (int64_t i = 0; i < s_.oh; ++i) {
      breathe();
      for (int64_t j = 0; j < s_.ow; ++j) {
        T* patch = first + i * frame_.window_row + j * frame_.window_step;
        for (const int64_t pixel : frame_.pixel) {
          micro.add_scaled_rows(*end - begin, job.offset + begin, job.factor + begin, weights, runs_.length,
                                patch + pixel);
          begin = *end++;
        }
      }
    }
  }
  if (frame_.padded) frame_.take_out(s_.conv, image, dx);
}

template class SparseGrad<float>;
template class SparseGrad<double>;

}  // namespace hotloop::cpu
