// Sums in double that the blocks of a launch begin, each over a run of jobs cut by their number alone, and that a
// second launch of one block ends: their bits do not depend on the device.
#pragma once

#include "cuda/collectives.cuh"

namespace hotloop::cuda {

/// Jobs 0 .. count - 1 in runs of `span`, a block each; a block does at_once of them at the same time.
struct Cut {
  int64_t count, span;

  /// With few jobs one block does all, and ends the sum itself.
  Cut(int64_t jobs, int64_t at_once, bool few) : count(jobs) {
    constexpr int64_t kBlocks = 1024, kMostRounds = 64;
    const int64_t wanted = jobs / (at_once * kBlocks), rounds = few ? divide_up(jobs, at_once) : wanted;
    span = at_once * (rounds < 1 ? 1 : !few && rounds > kMostRounds ? kMostRounds : rounds);
  }
  /// At least one, so that a sum over nothing is there.
  int64_t blocks() const { return count > span ? divide_up(count, span) : 1; }
  bool one_block() const { return blocks() == 1; }

  __device__ int64_t begin() const { return blockIdx.x * span; }
  __device__ int64_t end() const { return begin() + span < count ? begin() + span : count; }
};

/// What a sum is divided by: a number, or one that is in device memory by then.
struct SumDivisor {
  double value = 1.0;
  const double* computed = nullptr;
  __device__ double get() const { return computed != nullptr ? *computed : value; }
};

/// Where a sum goes: `partial` has room for a double a block where there are several; `total` gets sum / divisor.
template <class E>
struct SumTarget {
  double* partial;
  E* total;
  SumDivisor divisor;
};

/// A block's share of the sum; whole blocks of threads call it. shared: kMostWarps doubles.
template <class E>
__device__ void add_to_sum(double mine, const SumTarget<E>& target, double* shared) {
  const double sum = fold_block(mine, Add(), shared);
  if (threadIdx.x != 0) return;
  if (gridDim.x == 1) {
    *target.total = static_cast<E>(sum / target.divisor.get());
  } else {
    target.partial[blockIdx.x] = sum;
  }
}

/// The second launch, where the first was of several blocks.
Status end_sum(const char* name, const Cut& cut, const SumTarget<float>& target);
Status end_sum(const char* name, const Cut& cut, const SumTarget<double>& target);

struct SumMemory {
  double part[kMostWarps];
};

}  // namespace hotloop::cuda
