// Pooling: rows of the result, or whole images, shared out.
#include <algorithm>

#include "backend.h"
#include "cpu/isa/pool.h"
#include "runtime/memory.h"
#include "runtime/threads.h"

namespace hotloop::cpu {
namespace {

constexpr int64_t kGrain = 16 * 1024;  // elements read

// f(image, row) for all rows of n images, where a row reads `work` elements.
template <class F>
void for_rows(int64_t n, int64_t rows, int64_t work, F&& f) {
  parallel_ranges(n * rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, work)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) f(i / rows, i % rows);
  });
}

}  // namespace

template <class T>
Status max_pool2d(const Pool2dShape& s, const T* x, T* y, int32_t* indices) {
  const int64_t in = s.h * s.w * s.c, out = s.oh * s.ow * s.c;
  for_rows(s.n, s.oh, s.kh * s.kw * s.ow * s.c, [&](int64_t image, int64_t oy) {
    isa::pool_micro<T>().max_row(s, oy, x + image * in, y + image * out,
                                 indices != nullptr ? indices + image * out : nullptr);
  });
  return kOk;
}

template <class T>
Status max_pool2d_grad(const Pool2dShape& s, const T* dy, const int32_t* indices, T* dx) {
  const int64_t in = s.h * s.w * s.c, out = s.oh * s.ow * s.c;
  const auto& micro = isa::pool_grad_micro<T>();
  if (s.c >= micro.row_channels) {
    for_rows(s.n, s.h, s.w * s.c, [&](int64_t image, int64_t iy) {
      micro.max_grad_row(s, iy, dy + image * out, indices + image * out, dx + image * in);
    });
  } else {
    for_rows(s.n, 1, in, [&](int64_t image, int64_t) {
      micro.max_grad_image(s, dy + image * out, indices + image * out, dx + image * in);
    });
  }
  return kOk;
}

template <class T>
Status avg_pool2d(const Pool2dShape& s, const T* x, T* y) {
  const int64_t in = s.h * s.w * s.c, out = s.oh * s.ow * s.c;
  for_rows(s.n, s.oh, s.kh * s.kw * s.ow * s.c,
           [&](int64_t image, int64_t oy) { isa::pool_micro<T>().avg_row(s, oy, x + image * in, y + image * out); });
  return kOk;
}

template <class T>
Status avg_pool2d_grad(const Pool2dShape& s, const T* dy, T* dx) {
  const int64_t in = s.h * s.w * s.c, line = s.ow * s.c, work = std::max<int64_t>(1, s.w * s.c);
  const auto& micro = isa::pool_grad_micro<T>();
  const Scratch<T> scales(line);
  micro.avg_scales(s, scales);
  parallel_ranges(s.n * s.h, std::max<int64_t>(1, kGrain / work), [&](int64_t begin, int64_t end) {
    const Scratch<T> sums(line);
    for (int64_t i = begin; i < end; ++i) {
      micro.avg_grad_row(s, i % s.h, dy + i / s.h * s.oh * line, scales, sums, dx + i / s.h * in);
    }
  });
  return kOk;
}

template Status max_pool2d<float>(const Pool2dShape&, const float*, float*, int32_t*);
template Status max_pool2d<double>(const Pool2dShape&, const double*, double*, int32_t*);
template Status max_pool2d_grad<float>(const Pool2dShape&, const float*, const int32_t*, float*);
template Status max_pool2d_grad<double>(const Pool2dShape&, const double*, const int32_t*, double*);
template Status avg_pool2d<float>(const Pool2dShape&, const float*, float*);
template Status avg_pool2d<double>(const Pool2dShape&, const double*, double*);
template Status avg_pool2d_grad<float>(const Pool2dShape&, const float*, float*);
template Status avg_pool2d_grad<double>(const Pool2dShape&, const double*, double*);

}  // namespace hotloop::cpu
