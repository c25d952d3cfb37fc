#include "parity.h"

namespace parity {
namespace {

constexpr ReduceOp kOps[] = {
#define HL_OP(name) ReduceOp::name,
    HL_REDUCE_OPS(HL_OP)
#undef HL_OP
};

constexpr ReduceShape kShapes[] = {
    {0, {}, 0},
    {1, {1}, 1},
    {1, {17}, 0},
    {1, {0}, 1},
    {2, {0, 3}, 0b01},
    {2, {0, 3}, 0b10},
    {1, {1024}, 1},
    {1, {1025}, 1},
    {1, {20000}, 1},
    {1, {300000}, 1},
    {2, {333, 3}, 0b10},
    {2, {50, 7}, 0b10},
    {2, {50, 13}, 0b10},
    {2, {19, 500}, 0b10},
    {2, {3, 5000}, 0b10},
    {2, {20, 333}, 0b01},
    {2, {20, 3}, 0b01},
    {2, {5000, 3}, 0b01},
    {2, {20001, 100}, 0b01},
    {2, {6000, 128}, 0b01},
    {2, {4500, 129}, 0b01},
    {3, {7, 200, 33}, 0b010},
    {4, {3, 40, 5, 70}, 0b0101},
    {4, {3, 40, 5, 70}, 0b1010},
    {5, {2, 3, 1, 5, 9}, 0b10101},
};

const Row reduce("reduce", [] {
  for (const ReduceOp op : kOps) {
    for (const ReduceShape& s : kShapes) {
      for (const bool special : {false, true}) {
        int64_t total = 1, kept = 1;
        for (int axis = 0; axis < s.rank; ++axis) {
          total *= s.size[axis];
          if ((s.reduced >> axis & 1) == 0) kept *= s.size[axis];
        }
        if (special && (total == 0 || kept > total)) continue;
        Floats x(total, 1), y(kept);
        x.fill();
        if (special) {
          x.host[static_cast<std::size_t>(below(total))] = NAN;
          x.host[static_cast<std::size_t>(below(total))] = INFINITY;
          x.host[static_cast<std::size_t>(below(total))] = -INFINITY;
          x.upload();
        }
        require(cpu().reduce(op, s, here(x), here(y)));
        require(cuda().reduce(op, s, there(x), there(y)));
        const bool selects = op == ReduceOp::max || op == ReduceOp::min;
        const double count = kept > 0 ? static_cast<double>(total) / static_cast<double>(kept) : 0;
        const double error = 1e-6 * std::sqrt(count) / (op == ReduceOp::mean && count > 0 ? count : 1);
        compare("reduce " + std::to_string(static_cast<int>(op)) + " of " + std::to_string(total), y,
                selects ? 0 : 1e-6, selects ? 0 : error);
      }
    }
  }
});

const Row argmax("argmax", [] {
  for (const auto& [rows, cols] : {std::pair<int64_t, int64_t>{0, 3},
                                   {5, 1},
                                   {1000, 10},
                                   {33, 700},
                                   {3, 1025},
                                   {2, 16384},
                                   {5, 50257},
                                   {1, 300001}}) {
    for (const int kind : {0, 1, 2, 3}) {
      Floats x(rows * cols);
      Twin<int64_t> y(rows);
      // Distinct numbers, many ties, ties and NaN, nothing but -inf.
      for (float& v : x.host) {
        v = kind == 0 ? uniform(-1, 1) : kind == 3 ? -INFINITY : static_cast<float>(below(5));
        if (kind == 2 && below(cols) == 0) v = NAN;
      }
      x.upload();
      require(cpu().argmax(rows, cols, here(x), here(y)));
      require(cuda().argmax(rows, cols, there(x), there(y)));
      compare_exactly("argmax", y);
    }
  }
});

const Row argmax_grad("argmax_grad", [] {
  for (const auto& [rows, cols] : {std::pair<int64_t, int64_t>{0, 3}, {3, 0}, {1, 1}, {7, 10}, {129, 300}}) {
    Twin<int64_t> index(rows);
    Floats dy(rows), dx(rows * cols);
    for (int64_t& i : index.host) i = cols > 0 ? below(cols) : 0;
    index.upload();
    dy.fill_with_extremes();
    require(cpu().argmax_grad(rows, cols, here(index), here(dy), here(dx)));
    require(cuda().argmax_grad(rows, cols, there(index), there(dy), there(dx)));
    compare("argmax_grad", dx, 0, 0);
  }
});

const Row count_equal("count_equal", [] {
  for (const int64_t n : {0, 1, 128, 1000}) {
    Twin<int64_t> a(n), b(n);
    Floats count(1);
    for (int64_t& i : a.host) i = below(3);
    for (int64_t& i : b.host) i = below(3);
    a.upload();
    b.upload();
    require(cpu().count_equal(n, here(a), here(b), here(count)));
    require(cuda().count_equal(n, there(a), there(b), there(count)));
    compare("count_equal", count, 0, 0);
  }
});

}  // namespace
}  // namespace parity
