// Batches: rows gathered by index, bytes turned into numbers.
#include <algorithm>
#include <cstring>

#include "backend.h"
#include "cpu/isa/batch.h"
#include "runtime/threads.h"

namespace hotloop::cpu {
namespace {

constexpr int64_t kGrain = 16 * 1024;       // elements: a few microseconds of work
constexpr int64_t kGrainBytes = 64 * 1024;  // the same for copies
constexpr int64_t kParts = 16;
constexpr int64_t kIndices = 16 * 1024;  // looked through between two looks for a reason to stop

int64_t rows_a_grain(int64_t grain, int64_t row) { return std::max<int64_t>(1, grain / std::max<int64_t>(1, row)); }

// Rows of one number each are copied as such: calling memcpy would cost more than the copy.
template <class Word>
void gather_words(int64_t count, const int64_t* indices, const uint8_t* x, uint8_t* y) {
  for (int64_t i = 0; i < count; ++i) std::memcpy(y + i * sizeof(Word), x + indices[i] * sizeof(Word), sizeof(Word));
}

void gather(int64_t count, int64_t row_bytes, const int64_t* indices, const uint8_t* x, uint8_t* y) {
  switch (row_bytes) {
    case 1:
      return gather_words<uint8_t>(count, indices, x, y);
    case 2:
      return gather_words<uint16_t>(count, indices, x, y);
    case 4:
      return gather_words<uint32_t>(count, indices, x, y);
    case 8:
      return gather_words<uint64_t>(count, indices, x, y);
    default:
      for (int64_t i = 0; i < count; ++i) {
        std::memcpy(y + i * row_bytes, x + indices[i] * row_bytes, static_cast<std::size_t>(row_bytes));
      }
  }
}

}  // namespace

template <class T>
Status gather_rows(int64_t count, int64_t row_bytes, const int64_t* indices, const uint8_t* x, uint8_t* y) {
  parallel_ranges(count, rows_a_grain(kGrainBytes, row_bytes), [&](int64_t begin, int64_t end) {
    gather(end - begin, row_bytes, indices + begin, x, y + begin * row_bytes);
  });
  return kOk;
}

// Each part owns some rows of dx and looks through all indices for them, so that a row's sum has one order.
template <class T>
Status gather_rows_grad(int64_t rows, int64_t count, int64_t row, const int64_t* indices, const T* dy, T* dx) {
  const int64_t parts = std::clamp<int64_t>((rows + count) * row / kGrain, 1, kParts);
  parallel_ranges(rows, (rows + parts - 1) / parts, [&](int64_t begin, int64_t end) {
    std::fill(dx + begin * row, dx + end * row, T{0});
    for (int64_t i = 0; i < count; ++i) {
      if (i % kIndices == 0) breathe();
      if (indices[i] < begin || indices[i] >= end) continue;
      isa::batch_micro<T>().add(row, dy + i * row, dx + indices[i] * row);
    }
  });
  return kOk;
}

template <class T>
Status rescale_bytes(int64_t n, const uint8_t* x, double factor, double offset, T* y) {
  parallel_ranges(n, kGrain, [&](int64_t begin, int64_t end) {
    isa::batch_micro<T>().rescale(end - begin, x + begin, factor, offset, y + begin);
  });
  return kOk;
}

template Status gather_rows<float>(int64_t, int64_t, const int64_t*, const uint8_t*, uint8_t*);
template Status gather_rows<double>(int64_t, int64_t, const int64_t*, const uint8_t*, uint8_t*);
template Status gather_rows_grad<float>(int64_t, int64_t, int64_t, const int64_t*, const float*, float*);
template Status gather_rows_grad<double>(int64_t, int64_t, int64_t, const int64_t*, const double*, double*);
template Status rescale_bytes<float>(int64_t, const uint8_t*, double, double, float*);
template Status rescale_bytes<double>(int64_t, const uint8_t*, double, double, double*);

}  // namespace hotloop::cpu
