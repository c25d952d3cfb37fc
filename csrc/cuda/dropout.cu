// Dropout: a thread makes one block of random words, which are for four elements of a tile. Each element's fate follows
// from its place alone.
#include "cuda/device.cuh"

#define HL_FORMULA __host__ __device__ inline

namespace hotloop::cuda {
namespace {

HL_FORMULA uint64_t multiply_words(uint64_t a, uint64_t b) { return (a & 0xFFFFFFFFu) * (b & 0xFFFFFFFFu); }

#include "philox.h"

constexpr int kThreads = 256;
constexpr int kWords = kDropoutTile / kDropoutBlocks;

struct Rule {
  uint64_t seed, call;
  uint32_t threshold;  // words below it drop their element
  float scale;
};

__global__ void __launch_bounds__(kThreads)
    keep(int64_t n, Rule rule, const StepState* state, const float* x, float* y) {
  const uint64_t call = rule.call + (state != nullptr ? static_cast<uint64_t>(state->step) : 0);
  for (int64_t block = grid_thread();; block += grid_threads()) {
    const int64_t first = block / kDropoutBlocks * kDropoutTile + block % kDropoutBlocks;
    if (first >= n) return;
    const auto random = dropout_words(static_cast<uint64_t>(block), call, rule.seed);
#pragma unroll
    for (int word = 0; word < kWords; ++word) {
      const int64_t i = first + word * kDropoutBlocks;
      if (i >= n) return;
      y[i] = static_cast<uint32_t>(random.word[word]) < rule.threshold ? 0.0f : x[i] * rule.scale;
    }
  }
}

}  // namespace

Status dropout(const DropoutSpec& s, const StepState* state, const float* x, float* y) {
  const int64_t bytes = s.n * static_cast<int64_t>(sizeof(float));
  if (s.rate >= 1) return fill(y, 0, bytes);
  if (s.rate <= 0) return x == y ? kOk : copy(y, x, bytes);
  const Rule rule{s.seed, s.counter, static_cast<uint32_t>(s.rate * 0x1p32), static_cast<float>(1 / (1 - s.rate))};
  const int64_t blocks = divide_up(s.n, kDropoutTile) * kDropoutBlocks;
  return launch("dropout", keep, grid_for(blocks, kThreads), kThreads, 0, s.n, rule, state, x, y);
}

}  // namespace hotloop::cuda
