// Stress of the thread pool and the memory pool, built with -fsanitize=thread by .ci/run: several threads call
// parallel_for at once, chunks throw, the size changes, blocks are made and freed on different threads.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <thread>
#include <vector>

#include "runtime/memory.h"
#include "runtime/threads.h"

namespace {

void require(bool ok, const char* what) {
  if (!ok) {
    std::fprintf(stderr, "failed: %s\n", what);
    std::exit(1);
  }
}

void every_chunk_runs_once() {
  for (const auto helpers : {hotloop::Helpers::all, hotloop::Helpers::awake}) {
    for (int64_t chunks : {0, 1, 2, 3, 17, 1000}) {
      std::vector<int> seen(static_cast<std::size_t>(chunks), 0);
      const auto see = [&](int64_t i) { ++seen[static_cast<std::size_t>(i)]; };
      hotloop::parallel_for(chunks, see, helpers);
      for (const int count : seen) require(count == 1, "every chunk runs exactly once");
    }
  }
}

void exceptions_reach_the_caller() {
  bool caught = false;
  try {
    hotloop::parallel_for(64, [](int64_t i) {
      if (i == 13) throw std::runtime_error("chunk 13");
    });
  } catch (const std::runtime_error&) {
    caught = true;
  }
  require(caught, "an exception of a chunk reaches the caller");
}

// Chunks that never end by themselves, on every thread or on the last one that still works.
void a_pause_ends_a_kernel(bool all_chunks) {
  static std::atomic<int> count;
  count = 0;
  bool caught = false;
  {
    const hotloop::Pauses pauses([] {
      every_chunk_runs_once();  // as a signal's handler may
      if (++count == 2) throw std::runtime_error("stop");
    });
    try {
      hotloop::parallel_for(64, [&](int64_t i) {
        const hotloop::Scratch<int> scratch(1000);
        while (all_chunks || i == 63) {
          hotloop::breathe();
          std::this_thread::sleep_for(std::chrono::microseconds(100));
        }
      });
    } catch (const std::runtime_error&) {
      caught = true;
    }
  }
  require(caught && count == 2, "what a pause throws ends the kernel");
  hotloop::breathe();  // nothing to do any more
  every_chunk_runs_once();
}

void callers_at_once(int callers, int rounds) {
  std::vector<std::thread> threads;
  std::atomic<int64_t> total{0};
  for (int t = 0; t < callers; ++t) {
    threads.emplace_back([&] {
      for (int round = 0; round < rounds; ++round) {
        const hotloop::Scratch<int64_t> sums(64);
        hotloop::parallel_for(64, [&](int64_t i) { sums[i] = i; });
        int64_t sum = 0;
        for (int i = 0; i < 64; ++i) sum += sums[i];
        total += sum;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  require(total == int64_t{64 * 63 / 2} * callers * rounds, "callers at once get their own results");
}

}  // namespace

int main() {
  int passed = 0;
  for (const int threads : {1, 2, 3, 4, 8}) {
    hotloop::set_num_threads(threads);
    every_chunk_runs_once();
    exceptions_reach_the_caller();
    a_pause_ends_a_kernel(true);
    a_pause_ends_a_kernel(false);
    callers_at_once(4, 500);
    for (int i = 0; i < 2000; ++i) every_chunk_runs_once();
    ++passed;
  }
  hotloop::pool_empty_cache();
  require(hotloop::pool_stats().bytes_in_use == 0, "every block came back");
  std::printf("%d passed, 0 failed\n", passed);
}
