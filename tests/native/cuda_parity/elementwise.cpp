#include <algorithm>

#include "parity.h"

namespace parity {
namespace {

constexpr UnaryOp kUnary[] = {
#define HL_OP(name) UnaryOp::name,
    HL_UNARY_OPS(HL_OP)
#undef HL_OP
};
constexpr BinaryOp kBinary[] = {
#define HL_OP(name) BinaryOp::name,
    HL_BINARY_OPS(HL_OP)
#undef HL_OP
};
constexpr CompareOp kCompare[] = {
#define HL_OP(name) CompareOp::name,
    HL_COMPARE_OPS(HL_OP)
#undef HL_OP
};

using Sizes = std::vector<int64_t>;

int64_t product(const Sizes& sizes) {
  int64_t n = 1;
  for (const int64_t size : sizes) n *= size;
  return n;
}

/// The strides of an operand of these sizes, 0 for axes of size 1.
void contiguous_strides(const Sizes& sizes, int64_t* strides) {
  int64_t stride = 1;
  for (std::size_t axis = sizes.size(); axis-- > 0;) {
    strides[axis] = sizes[axis] == 1 ? 0 : stride;
    stride *= sizes[axis];
  }
}

struct Broadcast {
  Sizes a, b;
  BroadcastShape shape() const {
    BroadcastShape s{};
    s.rank = static_cast<int>(a.size());
    for (std::size_t axis = 0; axis < a.size(); ++axis) s.size[axis] = a[axis] == 1 ? b[axis] : a[axis];
    contiguous_strides(a, s.a_stride);
    contiguous_strides(b, s.b_stride);
    return s;
  }
  int64_t total() const {
    const BroadcastShape s = shape();
    int64_t n = 1;
    for (int axis = 0; axis < s.rank; ++axis) n *= s.size[axis];
    return n;
  }
};

const Broadcast kBroadcasts[] = {
    {{}, {}},
    {{0}, {0}},
    {{5, 0}, {1, 0}},
    {{1031}, {1031}},
    {{70001}, {1}},
    {{1}, {70001}},
    {{33, 64}, {1, 64}},
    {{33, 64}, {33, 1}},
    {{7, 5, 3}, {1, 5, 1}},
    {{41, 1, 3}, {1, 29, 3}},
    {{2, 3, 1, 5, 1, 7}, {1, 3, 4, 1, 6, 7}},
};

const Row unary("unary", [] {
  for (const UnaryOp op : kUnary) {
    for (const int64_t n : {0, 3, 70001}) {
      for (const int64_t offset : {0, 1}) {
        Floats x(n, offset), y(n);
        x.fill_with_extremes();
        require(cpu().unary(op, n, here(x), here(y)));
        require(cuda().unary(op, n, there(x), there(y)));
        compare("unary " + std::to_string(static_cast<int>(op)), y, 5e-6, 1e-43);
      }
    }
  }
});

const Row binary("binary", [] {
  for (const BinaryOp op : kBinary) {
    for (const Broadcast& shape : kBroadcasts) {
      Floats a(product(shape.a)), b(product(shape.b)), y(shape.total());
      a.fill_with_extremes();
      b.fill_with_extremes();
      std::reverse(b.host.begin(), b.host.end());
      b.upload();
      require(cpu().binary(op, shape.shape(), here(a), here(b), here(y)));
      require(cuda().binary(op, shape.shape(), there(a), there(b), there(y)));
      compare("binary " + std::to_string(static_cast<int>(op)), y, 5e-6, 1e-43);
    }
  }
});

const Row power("power with one exponent", [] {
  for (const float exponent : {0.0f, 1.0f, 2.0f, 3.0f, 8.0f, 9.0f, -1.0f, -2.0f, 0.5f, 2.5f, INFINITY, NAN}) {
    Floats x(1029), e(1), y(1029);
    x.fill_with_extremes();
    e.fill(exponent, exponent);
    e.host[0] = exponent;
    e.upload();
    const BroadcastShape s = Broadcast{{1029}, {1}}.shape();
    require(cpu().binary(BinaryOp::power, s, here(x), here(e), here(y)));
    require(cuda().binary(BinaryOp::power, s, there(x), there(e), there(y)));
    compare("power " + std::to_string(exponent), y, 5e-6, 1e-43);
  }
});

const Row in_place("binary in place", [] {
  Floats a(33 * 64), b(64);
  a.fill();
  b.fill();
  const BroadcastShape s = Broadcast{{33, 64}, {1, 64}}.shape();
  require(cpu().binary(BinaryOp::subtract, s, here(a), here(b), here(a)));
  require(cuda().binary(BinaryOp::subtract, s, there(a), there(b), there(a)));
  compare("binary in place", a, 0, 0);
});

const Row comparison("compare", [] {
  for (const CompareOp op : kCompare) {
    for (const Broadcast& shape : kBroadcasts) {
      Floats a(product(shape.a)), b(product(shape.b));
      Twin<uint8_t> y(shape.total());
      a.fill_with_extremes();
      b.fill_with_extremes();
      for (std::size_t i = 0; i < a.host.size() && i < b.host.size(); i += 3) b.host[i] = a.host[i];
      b.upload();
      require(cpu().compare(op, shape.shape(), here(a), here(b), here(y)));
      require(cuda().compare(op, shape.shape(), there(a), there(b), there(y)));
      compare_exactly("compare " + std::to_string(static_cast<int>(op)), y);
    }
  }
});

const StridedShape kStrided[] = {
    {1, {1029}, {1}},
    {1, {1029}, {3}},
    {1, {1029}, {0}},
    {2, {0, 5}, {5, 1}},
    {2, {70, 45}, {1, 70}},              // transposed
    {2, {3, 500}, {1, 3}},               // the same, too narrow for tiles
    {2, {30, 20}, {60, 2}},              // every second column
    {3, {5, 33, 40}, {33 * 40, 1, 33}},  // a batch of transposes
    {4, {2, 19, 9, 35}, {9 * 19 * 35, 1, 19 * 35, 19}},
    {4, {3, 9, 17, 18}, {1, 3 * 18, 9 * 3 * 18, 3}},
    {3, {4, 6, 7}, {0, 1, 6}},  // broadcast and transposed
};

const Row copy_strided("copy_strided", [] {
  for (const StridedShape& s : kStrided) {
    int64_t last = 0, n = 1;
    for (int axis = 0; axis < s.rank; ++axis) {
      last += s.stride[axis] * (s.size[axis] - 1);
      n *= s.size[axis];
    }
    Floats x(n == 0 ? 0 : last + 1), y(n);
    x.fill();
    require(cpu().copy_strided(s, here(x), here(y)));
    require(cuda().copy_strided(s, there(x), there(y)));
    compare("copy_strided", y, 0, 0);
  }
});

const Row accumulate("accumulate", [] {
  for (const int64_t n : {0, 1, 1031}) {
    Floats x(n, 1), y(n);
    x.fill();
    y.fill();
    require(cpu().accumulate(n, here(x), here(y)));
    require(cuda().accumulate(n, there(x), there(y)));
    compare("accumulate", y, 0, 0);
  }
});

const Row select("select", [] {
  for (const int64_t n : {0, 1, 1029, 70001}) {
    for (const auto& [a_whole, b_whole] : {std::pair{true, true}, {true, false}, {false, true}, {false, false}}) {
      Twin<uint8_t> condition(n, 1);
      Floats a(a_whole ? n : 1, 3), b(b_whole ? n : 1), y(n);
      for (uint8_t& v : condition.host) v = static_cast<uint8_t>(below(2));
      condition.upload();
      a.fill_with_extremes();
      b.fill();
      const SelectShape s{n, a_whole, b_whole};
      require(cpu().select(s, here(condition), here(a), here(b), here(y)));
      require(cuda().select(s, there(condition), there(a), there(b), there(y)));
      compare("select", y, 0, 0);
    }
  }
});

const Row full("full", [] {
  for (const int64_t n : {0, 1, 1029, 70001}) {
    Floats y(n, 1);
    require(cpu().full(n, 0.1, here(y)));
    require(cuda().full(n, 0.1, there(y)));
    compare("full", y, 0, 0);
  }
});

}  // namespace
}  // namespace parity
