// Division by numbers that are the same for a whole launch. A GPU has no instruction for it, and finding an element's
// place in an array divides once an axis: a product and a shift do, with factors that the host prepares.
#pragma once

#include <bit>
#include <cstdint>

#include <cuda_runtime.h>

namespace hotloop::cuda {

struct Division {
  int64_t quotient, remainder;
};

/// A number >= 1 that divides numbers >= 0, exactly: T. Granlund, P. Montgomery, "Division by invariant integers using
/// multiplication", PLDI 1994. It stands for itself elsewhere.
class Divisor {
 public:
  Divisor() = default;
  explicit Divisor(int64_t value) : value_(value) {
    // The least power of two >= value; magic is 2^(63 + shift) / value, rounded up: below 2^64.
    shift_ = std::bit_width(static_cast<uint64_t>(value) - 1);
    const auto wide = static_cast<unsigned __int128>(1) << (63 + shift_);
    magic_ = static_cast<uint64_t>((wide + static_cast<uint64_t>(value) - 1) / static_cast<uint64_t>(value));
  }

  __host__ __device__ operator int64_t() const { return value_; }

  __device__ friend int64_t operator/(int64_t n, const Divisor& d) {
    return static_cast<int64_t>(__umul64hi(2 * static_cast<uint64_t>(n), d.magic_) >> d.shift_);
  }
  __device__ Division split(int64_t n) const {
    const int64_t quotient = n / *this;
    return {quotient, n - quotient * value_};
  }

 private:
  int64_t value_ = 1;
  uint64_t magic_ = uint64_t{1} << 63;
  int shift_ = 0;
};

struct SmallDivision {
  int quotient, remainder;
};

/// The same for numbers below 2^31, in arithmetic of 32 bits.
class SmallDivisor {
 public:
  SmallDivisor() = default;
  explicit SmallDivisor(int value) : value_(value) {
    shift_ = std::bit_width(static_cast<unsigned>(value) - 1);
    const uint64_t wide = uint64_t{1} << (31 + shift_);
    magic_ = static_cast<uint32_t>((wide + static_cast<unsigned>(value) - 1) / static_cast<unsigned>(value));
  }

  __device__ __forceinline__ SmallDivision split(int n) const {
    const int quotient = static_cast<int>(__umulhi(2 * static_cast<uint32_t>(n), magic_) >> shift_);
    return {quotient, n - quotient * value_};
  }

 private:
  int value_ = 1;
  uint32_t magic_ = uint32_t{1} << 31;
  int shift_ = 0;
};

}  // namespace hotloop::cuda
