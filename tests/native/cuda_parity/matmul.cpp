#include "parity.h"

namespace parity {
namespace {

struct Layout {
  bool a_transposed, b_transposed;
};
constexpr Layout kLayouts[] = {{false, false}, {false, true}, {true, false}, {true, true}};

// Relative errors of one product, and how large a sum's own error is.
double tolerance(Precision precision, int64_t depth) {
  const double one = precision == Precision::tf32 ? 1e-3 : precision == Precision::bfloat16 ? 8e-3 : 3e-7;
  return one * std::sqrt(static_cast<double>(depth) + 1) * 4;
}

void check(const MatmulShape& s, int64_t a_size, int64_t b_size, bool with_bias, Precision precision,
           int64_t offset = 0) {
  if (!has(precision)) return;
  int64_t batches = 1;
  for (int i = 0; i < s.batch_rank; ++i) batches *= s.batch[i];
  Floats a(a_size, offset), b(b_size, offset), bias(s.n), c(batches * s.m * s.n, offset);
  a.fill();
  b.fill();
  bias.fill();
  const float* const no_bias = nullptr;
  require(device().set_precision(precision));
  require(cpu().matmul(s, here(a), here(b), with_bias ? here(bias) : no_bias, here(c)));
  require(cuda().matmul(s, there(a), there(b), with_bias ? there(bias) : no_bias, there(c)));
  require(device().set_precision(Precision::float32));
  compare("matmul " + std::to_string(s.m) + " x " + std::to_string(s.n) + " x " + std::to_string(s.k) + ", strides " +
              std::to_string(s.a_row) + " " + std::to_string(s.a_col) + " " + std::to_string(s.b_row) + " " +
              std::to_string(s.b_col) + ", precision " + std::to_string(static_cast<int>(precision)),
          c, 1e-6, tolerance(precision, s.k));
}

MatmulShape shape(int64_t m, int64_t n, int64_t k, Layout layout) {
  MatmulShape s{};
  s.m = m;
  s.n = n;
  s.k = k;
  s.a_row = layout.a_transposed ? 1 : k;
  s.a_col = layout.a_transposed ? m : 1;
  s.b_row = layout.b_transposed ? 1 : n;
  s.b_col = layout.b_transposed ? k : 1;
  return s;
}

void check_plain(int64_t m, int64_t n, int64_t k, Precision precision, int64_t offset = 0) {
  for (const Layout layout : kLayouts) {
    MatmulShape s = shape(m, n, k, layout);
    s.activation.kind = layout.b_transposed ? Activation::relu : Activation::tanh;
    check(s, m * k, k * n, !layout.a_transposed, precision, offset);
  }
}

const Row small("matmul, odd sizes", [] {
  for (const int64_t m : {1, 2, 3, 17, 65}) {
    for (const int64_t n : {1, 5, 10, 33, 64}) {
      for (const int64_t k : {0, 1, 7, 16, 40}) check_plain(m, n, k, Precision::float32);
    }
  }
  check_plain(0, 4, 4, Precision::float32);
  check_plain(36, 44, 20, Precision::float32, 1);
});

const Row skinny("matmul, vectors", [] {
  for (const int64_t few : {1, 3, 8}) {
    for (const int64_t k : {64, 1000}) {
      check_plain(few, 200, k, Precision::float32);
      check_plain(200, few, k, Precision::float32);
    }
  }
});

const Row split("matmul, split depth", [] {
  check_plain(64, 64, 1024, Precision::float32);
  check_plain(20, 36, 2000, Precision::float32);
  check_plain(128, 10, 1600, Precision::float32);
});

const Row large("matmul, large tiles", [] { check_plain(516, 644, 100, Precision::float32); });

const Row tf32("matmul, tf32", [] {
  check_plain(68, 76, 84, Precision::tf32);
  check_plain(264, 520, 36, Precision::tf32);
});
const Row tf32x3("matmul, tf32x3", [] {
  check_plain(68, 76, 84, Precision::tf32x3);
  check_plain(264, 260, 36, Precision::tf32x3);
});
const Row bfloat16("matmul, bfloat16", [] {
  check_plain(68, 76, 84, Precision::bfloat16);
  check_plain(264, 520, 36, Precision::bfloat16);
  check_plain(260, 517, 301, Precision::bfloat16);  // packed first
});

const Row batched("matmul, batches", [] {
  // a (2, 3, m, k), b (3, k, n), one for both of the first axis.
  for (const int64_t k : {5, 8}) {
    MatmulShape s = shape(12, 20, k, {false, false});
    s.batch_rank = 2;
    s.batch[0] = 2;
    s.batch[1] = 3;
    s.a_batch[0] = 3 * 12 * k;
    s.a_batch[1] = 12 * k;
    s.b_batch[1] = k * 20;
    check(s, 6 * 12 * k, 3 * k * 20, true, Precision::float32);
    // The other way round: a is one for all of the last axis.
    s.a_batch[0] = 12 * k;
    s.a_batch[1] = 0;
    s.b_batch[0] = 3 * k * 20;
    check(s, 2 * 12 * k, 6 * k * 20, false, Precision::tf32);
  }
});

}  // namespace
}  // namespace parity
