// Gradients through conv2d + activation + max_pool2d, from the pooled gradient and the places of the maxima: image by
// image, so that all three find what they share in cache. The gradient of the unpooled map is never made where its
// non-zeros can be added up one by one (conv_pool_sparse.h). With few channels the runs are too short for that: the
// weight gradient then picks each window's pixels in registers, and the input gradient goes through the plain kernels.
#include <algorithm>

#include "backend.h"
#include "cpu/conv_pool_sparse.h"
#include "cpu/filter_panels.h"
#include "cpu/gemm.h"
#include "cpu/isa/activation.h"
#include "cpu/isa/conv_pool.h"
#include "cpu/isa/reduce.h"
#include "runtime/memory.h"
#include "runtime/threads.h"

namespace hotloop::cpu {
namespace {

constexpr int64_t kMaxParts = 16;

// Images that share one sum; the parts' sums are added up in order.
struct Parts {
  Parts(int64_t images, int64_t most)
      : images(images), size((images + most - 1) / most), count((images + size - 1) / size) {}
  int64_t begin(int64_t part) const { return std::min(images, part * size); }
  int64_t images, size, count;
};

// With few channels every product of the dense weight gradient is made, but the gradient itself only in registers.
template <class T>
class WindowedGrad {
 public:
  WindowedGrad(const ConvPoolShape& s, const WindowFrame& frame, const T* w)
      : s_(s), frame_(frame), w_(w), panels_(s.conv, isa::gemm_micro<T>().columns) {}

  struct Job {
    explicit Job(const WindowedGrad& grad)
        : dense(grad.w_ != nullptr ? grad.s_.conv.oh * grad.s_.conv.ow * grad.s_.conv.f : 0) {}
    Scratch<T> dense;
  };

  // A (depth, columns) panel for so many filters.
  int64_t sum_size() const { return panels_.count * panels_.size; }

  void take_sum(const T* sum, T* dw) const {
    for (int64_t index = 0; index < panels_.count; ++index) {
      const T* from = sum + index * panels_.size;
      for (int64_t d = 0; d < panels_.size / panels_.columns; ++d, from += panels_.columns) {
        std::copy_n(from, panels_.width(index), dw + d * s_.conv.f + panels_.filter(index));
      }
    }
  }

  void add_weight_grad(Job&, const T* image, const T* slope, const uint8_t* place, T* sum) const {
    for (int64_t index = 0; index < panels_.count; ++index) {
      for (int64_t i = 0; i < s_.oh; ++i) {
        breathe();
        const int64_t at = i * s_.ow * s_.conv.f + panels_.filter(index);
        isa::conv_pool_micro<T>().add_weight_grad(frame_.row(image, i, s_.ow, panels_.group(index)), slope + at,
                                                  place + at, s_.conv.f, panels_.width(index),
                                                  sum + index * panels_.size);
      }
    }
  }

  void input_grad(Job& job, const T* slope, const uint8_t* place, T* dx) const {
    Conv2dShape one = s_.conv;
    one.n = 1;
    expand(slope, place, job.dense);
    conv2d_input_grad<T>(one, job.dense, w_, dx);
  }

 private:
  // One image's gradient of the unpooled map (conv.oh, conv.ow, f).
  void expand(const T* slope, const uint8_t* place, T* dense) const {
    const int64_t filters = s_.conv.f, cols = s_.conv.ow;
    std::fill_n(dense, s_.conv.oh * cols * filters, T{});
    for (int64_t i = 0; i < s_.oh; ++i) {
      for (int64_t j = 0; j < s_.ow; ++j, slope += filters, place += filters) {
        T* window = dense + (i * s_.pool_h * cols + j * s_.pool_w) * filters;
        for (int64_t f = 0; f < filters; ++f) {
          window[(place[f] / s_.pool_w * cols + place[f] % s_.pool_w) * filters + f] = slope[f];
        }
      }
    }
  }

  const ConvPoolShape& s_;
  const WindowFrame& frame_;
  const T* w_;
  FilterPanels panels_;
};

// The three gradients, each or null. `Grad` is a way to the first two.
template <class Grad, class T>
void image_by_image(const ConvPoolShape& s, const WindowFrame& frame, const Grad& grad, const T* x, const T* y,
                    const uint8_t* argmax, const T* dy, T* dx, T* dw, T* db) {
  const Conv2dShape& conv = s.conv;
  const int64_t windows = s.oh * s.ow, pooled = windows * conv.f, image = conv.h * conv.w * conv.c;
  const bool is_linear = conv.activation.kind == Activation::none;
  const int64_t size = dw != nullptr ? grad.sum_size() : 0, biases = db != nullptr ? conv.f : 0;
  const Parts parts(conv.n, size + biases > 0 ? kMaxParts : conv.n);
  const Scratch<T> sums(parts.count * size), bias_sums(parts.count * biases);
  parallel_for(parts.count, [&](int64_t part) {
    T* sum = sums + part * size;
    T* bias_sum = bias_sums + part * biases;
    std::fill_n(sum, size, T{});
    std::fill_n(bias_sum, biases, T{});
    typename Grad::Job job(grad);
    const Scratch<T> slopes(is_linear ? 0 : pooled), padded(frame.padded ? frame.size() : 0), bias(biases);
    for (int64_t n = parts.begin(part); n < parts.begin(part + 1); ++n) {
      const T* slope = dy + n * pooled;
      const uint8_t* place = argmax + n * pooled;
      if (!is_linear) {
        isa::activation_micro<T>().backward(conv.activation, pooled, y + n * pooled, slope, slopes);
        slope = slopes;
      }
      if (db != nullptr) {
        isa::reduce_micro<T>().columns(ReduceOp::sum, windows, conv.f, slope, conv.f, bias);
        for (int64_t f = 0; f < conv.f; ++f) bias_sum[f] += bias[f];
      }
      if (dw != nullptr) {
        grad.add_weight_grad(job, frame.around(conv, x + n * image, 0, frame.h, padded.get()), slope, place, sum);
      }
      if (dx != nullptr) grad.input_grad(job, slope, place, dx + n * image);
    }
  });
  if (db != nullptr) add_parts<T>(parts.count, biases, bias_sums, db);
  if (dw != nullptr) {
    const Scratch<T> total(size);
    add_parts<T>(parts.count, size, sums, total.get());
    grad.take_sum(total, dw);
  }
}

}  // namespace

template <class T>
Status conv2d_max_pool2d_grad(const ConvPoolShape& s, const T* x, const T* w, const T* y, const uint8_t* argmax,
                              const T* dy, T* dx, T* dw, T* db) {
  const Conv2dShape& conv = s.conv;
  if (conv.n * s.oh * s.ow * conv.f == 0) {
    if (dx != nullptr) std::fill_n(dx, conv.n * conv.h * conv.w * conv.c, T{});
    if (dw != nullptr) std::fill_n(dw, conv.kh * conv.kw * (conv.c / conv.groups) * conv.f, T{});
    if (db != nullptr) std::fill_n(db, conv.f, T{});
    return kOk;
  }
  if (conv.c == 0) dx = dw = nullptr;  // of no elements
  const WindowFrame frame(s);
  const T* weights = dx != nullptr ? w : nullptr;
  if (SparseGrad<T>::suits(s, frame)) {
    image_by_image(s, frame, SparseGrad<T>(s, frame, weights), x, y, argmax, dy, dx, dw, db);
  } else {
    image_by_image(s, frame, WindowedGrad<T>(s, frame, weights), x, y, argmax, dy, dx, dw, db);
  }
  return kOk;
}

#define HL_INSTANTIATE(T)                                                                                       \
  template Status conv2d_max_pool2d_grad<T>(const ConvPoolShape&, const T*, const T*, const T*, const uint8_t*, \
                                            const T*, T*, T*, T*);
HL_INSTANTIATE(float)
HL_INSTANTIATE(double)

}  // namespace hotloop::cpu
