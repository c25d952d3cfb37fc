#include "cpu/peak.h"

#include <algorithm>
#include <chrono>

#include "cpu/isa/peak.h"
#include "runtime/memory.h"
#include "runtime/threads.h"

namespace hotloop::cpu {
namespace {

constexpr int64_t kGrain = 16 * 1024;     // as the elementwise kernels cut their work
constexpr double kPatience = 0.3;         // seconds spent on looking for the best run
constexpr int64_t kRounds = 100 * 1000;   // a third of a millisecond or so
constexpr int64_t kChunksPerThread = 16;  // so that a thread that comes late or is held up costs little

// The shortest time of f(), tried for a while.
template <class F>
double shortest(F&& f) {
  using clock = std::chrono::steady_clock;
  const auto seconds = [](clock::duration d) { return std::chrono::duration<double>(d).count(); };
  const auto begin = clock::now();
  double best = 1e30;
  for (int run = 0; run < 5 || seconds(clock::now() - begin) < kPatience; ++run) {
    const auto start = clock::now();
    f();
    best = std::min(best, seconds(clock::now() - start));
  }
  return best;
}

}  // namespace

template <class T>
double peak_operations() {
  const auto& micro = isa::peak_micro<T>();
  const int64_t chunks = kChunksPerThread * num_threads();
  const double best = shortest([&] {
    parallel_for(chunks, [&](int64_t) { [[maybe_unused]] const volatile T result = micro.multiply_add(kRounds); });
  });
  return static_cast<double>(chunks * kRounds * micro.operations) / best;
}

template <class T>
double copy_bandwidth(int64_t n) {
  const Scratch<T> x(n), y(n);
  std::fill_n(x.get(), n, T{1});
  // Copies that are over in a moment are timed by the dozen.
  const int64_t repeats = std::max<int64_t>(1, 4 * kGrain / std::max<int64_t>(n, 1));
  const double best = shortest([&] {
    for (int64_t i = 0; i < repeats; ++i) {
      parallel_ranges(
          n, kGrain, [&](int64_t begin, int64_t end) { isa::peak_micro<T>().copy(end - begin, x + begin, y + begin); });
    }
  });
  return 2.0 * static_cast<double>(sizeof(T)) * static_cast<double>(n * repeats) / best;
}

template double peak_operations<float>();
template double peak_operations<double>();
template double copy_bandwidth<float>(int64_t);
template double copy_bandwidth<double>(int64_t);

}  // namespace hotloop::cpu
