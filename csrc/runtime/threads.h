// A small thread pool: every thread has its share of the chunks and then helps the others; rebuilt after fork, no
// pinning.
//
// Work is cut into chunks by shape alone, never by the number of threads, so that results are the same bits for any
// number of them. A call made while the pool is busy (another Python thread, or a chunk itself) runs on its own thread.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

namespace hotloop {

/// A reference to a callable void(int64_t), valid while the callable lives.
class ChunkFunction {
 public:
  template <class F>
    requires(!std::is_same_v<std::remove_cvref_t<F>, ChunkFunction>)
  ChunkFunction(F&& f)
      : object_(const_cast<void*>(static_cast<const void*>(&f))),
        call_([](void* object, int64_t i) { (*static_cast<std::remove_reference_t<F>*>(object))(i); }) {}
  void operator()(int64_t i) const { call_(object_, i); }

 private:
  void* object_;
  void (*call_)(void*, int64_t);
};

/// Who helps: every thread; or, where the work would be done before a sleeping thread is up, those awake. Threads are
/// woken for such work too where call follows upon call.
enum class Helpers { all, awake };

/// Runs f(0) .. f(chunks - 1), each once, in any order, on any thread; returns when all are done.
/// The first exception a chunk throws is rethrown here; the chunks not yet begun are then dropped.
void parallel_for(int64_t chunks, ChunkFunction f, Helpers helpers = Helpers::all);

/// While it lives, kernels on the calling thread call `pause` every 20 ms or so: between chunks, and in breathe(). What
/// a pause throws ends the kernel: its scratch memory is given back, its outputs hold anything.
class Pauses {
 public:
  explicit Pauses(void (*pause)());
  ~Pauses();
  Pauses(const Pauses&) = delete;
  Pauses& operator=(const Pauses&) = delete;
};

/// For loops within a chunk that may take longer than a few milliseconds: pauses where that is due, and throws where
/// the parallel_for that the chunk belongs to has failed meanwhile.
void breathe();

/// Runs f(begin, end) over [0, n) in pieces of `grain`.
template <class F>
void parallel_ranges(int64_t n, int64_t grain, F&& f, Helpers helpers = Helpers::all) {
  if (n <= 0) return;
  if (n <= grain) return f(int64_t{0}, n);
  const auto range = [&](int64_t i) {
    const int64_t begin = i * grain;
    f(begin, begin + grain < n ? begin + grain : n);
  };
  parallel_for((n + grain - 1) / grain, range, helpers);
}

/// Threads in use, the calling one included.
int num_threads();
/// Sets it; 1 <= n <= 1024.
void set_num_threads(int n);
/// Where the default came from: "HOTLOOP_NUM_THREADS", "affinity" or "cgroup quota".
const char* num_threads_reason();

}  // namespace hotloop
