// Elementwise operations: runs of elements, shared out. Operands whose runs are short are laid out beside each other in
// small blocks first, so that the vectors stay full whatever is broadcast.
#include "backend.h"

#include <algorithm>

#include "cpu/isa/elementwise.h"
#include "cpu/strided.h"
#include "runtime/threads.h"

namespace hotloop::cpu {
namespace {

constexpr int64_t kGrain = 16 * 1024;  // elements: a few microseconds of work
constexpr int64_t kBlock = 1024;       // elements laid out at a time: they stay in the first cache
constexpr int64_t kShortRow = 256;     // below this a row costs less laid out than called for

/// An operand, run by run: where it lies if it is a run or one value there, else laid out in a buffer.
template <class T>
class Operand {
 public:
  Operand(const Walk& walk, int number, const T* x, bool must_be_run) : walk_(walk), number_(number), x_(x) {
    const int64_t step = walk.step(number);
    if (must_be_run) {
      kind_ = walk.contiguous(number) ? Kind::run : Kind::laid_out;
    } else if (walk.contiguous(number)) {
      kind_ = Kind::run;
    } else if (step == 0 && walk.repeats(number)) {
      kind_ = Kind::value;
    } else if (walk.row() > kShortRow && (step == 0 || step == 1)) {
      kind_ = Kind::rows;
    } else {
      kind_ = Kind::laid_out;
    }
    step_ = kind_ == Kind::value || (kind_ == Kind::rows && step == 0) ? 0 : 1;
    held_once_ = walk.row() <= kShortRow && walk.repeats(number);
  }

  bool in_place() const { return kind_ != Kind::laid_out; }
  int step() const { return step_; }

  /// Elements [at, at + n) of the walk: within one row, or up to kBlock of them from a row's beginning.
  const T* read(int64_t at, int64_t n) {
    switch (kind_) {
      case Kind::run:
        return x_ + at;
      case Kind::value:
        return x_;
      case Kind::rows:
        return x_ + walk_.row_offset(number_, at / walk_.row()) + at % walk_.row() * step_;
      default:
        break;
    }
    if (!held_once_ || n > held_) gather(walk_, number_, x_, at, n, buffer_);
    held_ = n;
    return buffer_;
  }

 private:
  enum class Kind { run, value, rows, laid_out };

  const Walk& walk_;
  int number_;
  const T* x_;
  Kind kind_;
  int step_;
  bool held_once_;    // every short row reads the same elements: laid out once
  int64_t held_ = 0;  // elements in the buffer
  T buffer_[kBlock];
};

/// f(at, n, a, a_step, b, b_step) over the whole walk in pieces whose bounds depend on it alone.
template <class T, class F>
void for_runs(const Walk& walk, const T* a, const T* b, F&& f) {
  if (walk.total() == 0) return;
  const int64_t row = walk.row();
  const bool short_rows = walk.rank > 1 && row <= kShortRow;
  const int64_t block = short_rows ? kBlock / row * row : kBlock;
  parallel_ranges(walk.total(), (kGrain / block + 1) * block, [&](int64_t begin, int64_t end) {
    Operand<T> left(walk, 0, a, walk.step(0) == 0 && walk.step(1) == 0), right(walk, 1, b, false);
    const bool whole = left.in_place() && right.in_place();
    for (int64_t at = begin; at < end;) {
      int64_t n = std::min(end - at, short_rows ? block : row - at % row);
      if (!whole) n = std::min(n, kBlock);
      f(at, n, left.read(at, n), left.step(), right.read(at, n), right.step());
      at += n;
    }
  });
}

}  // namespace

template <class T>
Status unary(UnaryOp op, int64_t n, const T* x, T* y) {
  parallel_ranges(n, kGrain, [&](int64_t begin, int64_t end) {
    isa::elementwise_micro<T>().unary(op, end - begin, x + begin, y + begin);
  });
  return kOk;
}

template <class T>
Status binary(BinaryOp op, const BroadcastShape& s, const T* a, const T* b, T* y) {
  for_runs(Walk(s), a, b, [&](int64_t at, int64_t n, const T* left, int a_step, const T* right, int b_step) {
    isa::elementwise_micro<T>().binary(op, n, left, a_step, right, b_step, y + at);
  });
  return kOk;
}

template <class T>
Status compare(CompareOp op, const BroadcastShape& s, const T* a, const T* b, uint8_t* y) {
  for_runs(Walk(s), a, b, [&](int64_t at, int64_t n, const T* left, int a_step, const T* right, int b_step) {
    isa::elementwise_micro<T>().compare(op, n, left, a_step, right, b_step, y + at);
  });
  return kOk;
}

template <class T>
Status accumulate(int64_t n, const T* x, T* y) {
  parallel_ranges(n, kGrain, [&](int64_t begin, int64_t end) {
    isa::elementwise_micro<T>().accumulate(end - begin, x + begin, y + begin);
  });
  return kOk;
}

#define HL_INSTANTIATE(T)                                                                     \
  template Status unary<T>(UnaryOp, int64_t, const T*, T*);                                   \
  template Status binary<T>(BinaryOp, const BroadcastShape&, const T*, const T*, T*);         \
  template Status compare<T>(CompareOp, const BroadcastShape&, const T*, const T*, uint8_t*); \
  template Status accumulate<T>(int64_t, const T*, T*);
HL_INSTANTIATE(float)
HL_INSTANTIATE(double)
#undef HL_INSTANTIATE

}  // namespace hotloop::cpu
