#include <array>

#include "parity.h"

namespace parity {
namespace {

const Row gather_rows("gather_rows", [] {
  for (const int64_t row_bytes : {0, 1, 3, 8, 12, 16, 784}) {
    for (const int64_t count : {0, 1, 300}) {
      for (const int64_t offset : {0, 4, 1}) {
        const int64_t rows = 97;
        Twin<uint8_t> x(rows * row_bytes, offset), y(count * row_bytes);
        Twin<int64_t> indices(count);
        for (uint8_t& v : x.host) v = static_cast<uint8_t>(below(256));
        for (int64_t& i : indices.host) i = below(rows);
        x.upload();
        indices.upload();
        require(cpu().gather_rows(count, row_bytes, here(indices), here(x), here(y)));
        require(cuda().gather_rows(count, row_bytes, there(indices), there(x), there(y)));
        compare_exactly("gather_rows", y);
      }
    }
  }
});

const Row gather_rows_grad("gather_rows_grad", [] {
  for (const auto& [rows, count, row] : {std::array<int64_t, 3>{0, 0, 4},
                                         {5, 0, 3},
                                         {5, 7, 0},
                                         {1, 3000, 1},
                                         {100, 2500, 3},
                                         {37, 500, 64},
                                         {3000, 1100, 300}}) {
    Floats dy(count * row), dx(rows * row);
    Twin<int64_t> indices(count);
    dy.fill();
    // Some rows are named often, others never.
    for (int64_t& i : indices.host) i = below(3) == 0 ? rows - 1 : below(rows);
    indices.upload();
    require(cpu().gather_rows_grad(rows, count, row, here(indices), here(dy), here(dx)));
    require(cuda().gather_rows_grad(rows, count, row, there(indices), there(dy), there(dx)));
    compare("gather_rows_grad", dx, 0, 0);
  }
});

const Row rescale_bytes("rescale_bytes", [] {
  for (const int64_t n : {0, 1, 1029, 70001}) {
    for (const int64_t offset : {0, 1}) {
      Twin<uint8_t> x(n, offset);
      Floats y(n);
      for (uint8_t& v : x.host) v = static_cast<uint8_t>(below(256));
      x.upload();
      require(cpu().rescale_bytes(n, here(x), 1.0 / 255, -0.5, here(y)));
      require(cuda().rescale_bytes(n, there(x), 1.0 / 255, -0.5, there(y)));
      compare("rescale_bytes", y, 1e-6, 1e-7);
    }
  }
});

}  // namespace
}  // namespace parity
