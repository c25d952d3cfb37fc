// Philox4x32-10, a generator of random bits without a state: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random
// numbers: as easy as 1, 2, 3", SC 2011. Shared by every compiler that runs it.
//
// W is an unsigned 64-bit integer or a vector of them. Each holds a 32-bit word in its low half; the high half is of no
// meaning. The including file provides multiply_words(W, W), the 64-bit products of the low halves, and HL_FORMULA.

template <class W>
struct PhiloxBlock {
  W word[4];
};

/// Random words from 128 bits of counter and 64 of key.
template <class W>
HL_FORMULA PhiloxBlock<W> philox(PhiloxBlock<W> counter, uint64_t key) {
  const W multiplier_a = W{} + 0xD2511F53u, multiplier_b = W{} + 0xCD9E8D57u;
  uint32_t key_a = static_cast<uint32_t>(key), key_b = static_cast<uint32_t>(key >> 32);
  auto [a, b, c, d] = counter.word;
#if defined(__CUDA_ARCH__)
#  pragma unroll
#elif defined(__GNUC__) && !defined(__CUDACC__)
#  pragma GCC unroll 10
#endif
  for (int round = 0; round < 10; ++round) {
    const W product_a = multiply_words(a, multiplier_a), product_b = multiply_words(c, multiplier_b);
    a = (product_b >> 32) ^ b ^ (W{} + key_a);
    b = product_b;
    c = (product_a >> 32) ^ d ^ (W{} + key_b);
    d = product_a;
    key_a += 0x9E3779B9u;
    key_b += 0xBB67AE85u;
  }
  return {{a, b, c, d}};
}

/// Dropout's use of it: element 64 t + 16 w + l takes word w of block 16 t + l, so that runs of elements are runs of
/// blocks for vectors and threads of any width. The counter is the block's number and the call's.
inline constexpr int kDropoutBlocks = 16;
inline constexpr int kDropoutTile = 4 * kDropoutBlocks;

template <class W>
HL_FORMULA PhiloxBlock<W> dropout_words(W block, uint64_t call, uint64_t seed) {
  return philox<W>({{block, block >> 32, W{} + call, W{} + (call >> 32)}}, seed);
}
