#include "parity.h"

namespace parity {
namespace {

// Rows of every shape they are held in, long ones whose beginnings are not aligned, columns short and long.
constexpr AxisShape kShapes[] = {
    {0, 5, 1},   {3, 0, 1},    {3, 5, 0},   {1, 1, 1},    {37, 10, 1},   {5, 16, 1},   {33, 31, 1},
    {9, 100, 1}, {9, 201, 1},  {5, 512, 1}, {3, 1000, 1}, {4, 1025, 1},  {3, 5003, 1}, {2, 20001, 1},
    {3, 7, 5},   {2, 31, 300}, {3, 32, 3},  {2, 257, 33}, {1, 1000, 65}, {70, 3, 2},
};

int64_t total(const AxisShape& s) { return s.outer * s.length * s.inner; }

/// Rows with an infinity, with NaN, all -inf, and with large numbers.
void spoil(Floats& x, const AxisShape& s) {
  const auto at = [&](int64_t outer, int64_t k, int64_t inner) -> float& {
    return x.host[static_cast<std::size_t>((outer * s.length + k) * s.inner + inner)];
  };
  const int64_t last = s.length - 1, columns = s.outer * s.inner;
  for (int64_t column = 0; column < columns; ++column) {
    const int64_t outer = column / s.inner, inner = column % s.inner;
    switch (columns < 7 ? 6 : column % 7) {
      case 1:
        at(outer, last / 2, inner) = NAN;
        break;
      case 2:
        at(outer, last, inner) = INFINITY;
        break;
      case 3:
        for (int64_t k = 0; k < s.length; ++k) at(outer, k, inner) = -INFINITY;
        break;
      case 4:
        for (int64_t k = 0; k < last; ++k) at(outer, k, inner) = -INFINITY;
        break;
      case 5:
        for (int64_t k = 0; k < s.length; ++k) at(outer, k, inner) *= 1e30f;
        break;
      default:
        at(outer, 0, inner) = -INFINITY;
        break;
    }
  }
  x.upload();
}

const Row forward("softmax", [] {
  for (const AxisShape& s : kShapes) {
    for (const bool logarithm : {false, true}) {
      for (const int64_t offset : {0, 1}) {
        Floats x(total(s), offset), y(total(s));
        x.fill(-8.0f, 8.0f);
        if (total(s) > 0) spoil(x, s);
        require(cpu().softmax(s, logarithm, here(x), here(y)));
        require(cuda().softmax(s, logarithm, there(x), there(y)));
        compare("softmax of " + std::to_string(s.length), y, 1e-5, logarithm ? 1e-6 : 1e-37);
      }
    }
  }
});

const Row backward("softmax_grad", [] {
  for (const AxisShape& s : kShapes) {
    for (const bool logarithm : {false, true}) {
      Floats x(total(s)), y(total(s)), dy(total(s), 1), dx(total(s));
      x.fill(-4.0f, 4.0f);
      dy.fill();
      require(cpu().softmax(s, logarithm, here(x), here(y)));
      y.upload();
      require(cpu().softmax_grad(s, logarithm, here(y), here(dy), here(dx)));
      require(cuda().softmax_grad(s, logarithm, there(y), there(dy), there(dx)));
      compare("softmax_grad of " + std::to_string(s.length), dx, 1e-5, logarithm ? 1e-5 : 1e-6);
    }
  }
});

}  // namespace
}  // namespace parity
