#include "parity.h"

namespace parity {
namespace {

constexpr Pool2dShape kShapes[] = {
    {.n = 2, .h = 8, .w = 8, .c = 32, .kh = 2, .kw = 2, .oh = 4, .ow = 4, .stride_h = 2, .stride_w = 2},
    {.n = 3, .h = 13, .w = 11, .c = 3, .kh = 2, .kw = 2, .oh = 6, .ow = 5, .stride_h = 2, .stride_w = 2},
    {.n = 2,
     .h = 9,
     .w = 7,
     .c = 8,
     .kh = 3,
     .kw = 3,
     .oh = 9,
     .ow = 7,
     .stride_h = 1,
     .stride_w = 1,
     .pad_top = 1,
     .pad_left = 1,
     .pad_bottom = 1,
     .pad_right = 1},
    // padded on one side, windows that leave gaps, the last of them reaching past the input (ceil mode)
    {.n = 2,
     .h = 10,
     .w = 12,
     .c = 5,
     .kh = 2,
     .kw = 3,
     .oh = 4,
     .ow = 3,
     .stride_h = 3,
     .stride_w = 5,
     .pad_top = 1,
     .pad_left = 0,
     .pad_bottom = 0,
     .pad_right = 2},
    {.n = 1,
     .h = 12,
     .w = 15,
     .c = 4,
     .kh = 3,
     .kw = 2,
     .oh = 8,
     .ow = 12,
     .stride_h = 1,
     .stride_w = 1,
     .dilation_h = 2,
     .dilation_w = 3},
    // windows that see nothing but padding
    {.n = 1,
     .h = 3,
     .w = 3,
     .c = 2,
     .kh = 2,
     .kw = 2,
     .oh = 4,
     .ow = 4,
     .stride_h = 2,
     .stride_w = 2,
     .pad_top = 2,
     .pad_left = 2,
     .pad_bottom = 3,
     .pad_right = 3},
    // one window over all
    {.n = 3, .h = 17, .w = 19, .c = 12, .kh = 17, .kw = 19, .oh = 1, .ow = 1, .stride_h = 17, .stride_w = 19},
    {.n = 0, .h = 4, .w = 4, .c = 4, .kh = 2, .kw = 2, .oh = 2, .ow = 2, .stride_h = 2, .stride_w = 2},
    {.n = 1, .h = 4, .w = 4, .c = 0, .kh = 2, .kw = 2, .oh = 2, .ow = 2, .stride_h = 2, .stride_w = 2},
    // no room for a window: gradients are 0
    {.n = 1, .h = 2, .w = 3, .c = 4, .kh = 3, .kw = 3, .oh = 0, .ow = 1, .stride_h = 1, .stride_w = 1},
};

int64_t in(const Pool2dShape& s) { return s.n * s.h * s.w * s.c; }
int64_t out(const Pool2dShape& s) { return s.n * s.oh * s.ow * s.c; }

// Many ties and some NaN.
void fill_with_ties(Floats& x) {
  for (float& v : x.host) v = below(50) == 0 ? NAN : below(9) == 0 ? -INFINITY : static_cast<float>(below(5));
  x.upload();
}

const Row max_pool("max_pool2d", [] {
  for (const Pool2dShape& s : kShapes) {
    for (const int64_t offset : {0, 1}) {
      for (const bool with_indices : {true, false}) {
        Floats x(in(s), offset), y(out(s));
        Twin<int32_t> indices(out(s)), *named = with_indices ? &indices : nullptr;
        fill_with_ties(x);
        require(cpu().max_pool2d(s, here(x), here(y), here(named)));
        require(cuda().max_pool2d(s, there(x), there(y), there(named)));
        compare("max_pool2d", y, 0, 0);
        compare_exactly("max_pool2d's indices", indices);
      }
    }
  }
});

const Row max_pool_grad("max_pool2d_grad", [] {
  for (const Pool2dShape& s : kShapes) {
    for (const int64_t offset : {0, 1}) {
      Floats x(in(s)), y(out(s)), dy(out(s), offset), dx(in(s));
      Twin<int32_t> indices(out(s));
      fill_with_ties(x);
      require(cpu().max_pool2d(s, here(x), here(y), here(indices)));
      indices.upload();
      dy.fill();
      require(cpu().max_pool2d_grad(s, here(dy), here(indices), here(dx)));
      require(cuda().max_pool2d_grad(s, there(dy), there(indices), there(dx)));
      compare("max_pool2d_grad", dx, 1e-6, 1e-6);
    }
  }
});

const Row avg_pool("avg_pool2d", [] {
  for (Pool2dShape s : kShapes) {
    if (s.dilation_h != 1 || s.dilation_w != 1) continue;
    for (const bool include_pad : {false, true}) {
      s.count_include_pad = include_pad;
      Floats x(in(s)), y(out(s)), dy(out(s)), dx(in(s));
      x.fill();
      dy.fill();
      require(cpu().avg_pool2d(s, here(x), here(y)));
      require(cuda().avg_pool2d(s, there(x), there(y)));
      compare("avg_pool2d", y, 1e-6, 1e-6);
      require(cpu().avg_pool2d_grad(s, here(dy), here(dx)));
      require(cuda().avg_pool2d_grad(s, there(dy), there(dx)));
      compare("avg_pool2d_grad", dx, 1e-6, 1e-6);
    }
  }
});

}  // namespace
}  // namespace parity
