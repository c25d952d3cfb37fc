#include "runtime/threads.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <limits>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace hotloop {
namespace {

constexpr int kMaxThreads = 1024;
// A worker that finds no work watches for this long before it sleeps: the pause between two kernels of a training step
// is shorter than waking a thread.
constexpr std::chrono::microseconds kWatch{60};

constexpr int64_t kPauseEvery = 20'000'000;  // nanoseconds

// What the thread is to do in breathe().
struct Turn {
  void (*pause)() = nullptr;
  int64_t due = 0;                            // when the next pause is
  const std::atomic<bool>* failed = nullptr;  // whether the parallel_for that it works for is over
};
constinit thread_local Turn turn;

// Ends a chunk whose parallel_for holds the error already.
struct Dropped {};

// A clock of a few milliseconds' steps that takes a few nanoseconds to read.
int64_t coarse_now() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
  return t.tv_sec * int64_t{1'000'000'000} + t.tv_nsec;
}

// std::atomic::wait knows no time limit. Waits while the value is `old`, at most for so long; may wake for no reason.
void wait_at_most(std::atomic<int>& value, int old, int64_t nanoseconds) {
  static_assert(sizeof(value) == sizeof(int) && std::atomic<int>::is_always_lock_free);
  const timespec limit{0, static_cast<long>(nanoseconds)};
  syscall(SYS_futex, &value, FUTEX_WAIT_PRIVATE, old, &limit, nullptr, 0);
}

void wake_all(std::atomic<int>& value) {
  syscall(SYS_futex, &value, FUTEX_WAKE_PRIVATE, std::numeric_limits<int>::max(), nullptr, nullptr, 0);
}

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Moves the calling thread off a CPU, and lets it go anywhere again: the scheduler may wake a worker where its caller
// runs and take milliseconds to notice that another CPU is idle.
void leave_cpu(int cpu) {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0 || !CPU_ISSET(cpu, &allowed) || CPU_COUNT(&allowed) < 2) {
    return;
  }
  cpu_set_t others = allowed;
  CPU_CLR(cpu, &others);
  if (sched_setaffinity(0, sizeof(others), &others) == 0) sched_setaffinity(0, sizeof(allowed), &allowed);
}

class Pool {
 public:
  explicit Pool(int threads) : shares_(static_cast<std::size_t>(threads)) {
    workers_.reserve(shares_.size() - 1);
    try {
      for (std::size_t i = 1; i < shares_.size(); ++i) workers_.emplace_back([this, i] { work(i); });
    } catch (...) {
      end();  // the threads that did start
      throw;
    }
  }

  ~Pool() { end(); }

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  void run(int64_t chunks, const ChunkFunction& f, Helpers helpers) {
    function_ = &f;
    error_ = nullptr;
    caller_cpu_ = sched_getcpu();
    const auto count = static_cast<int64_t>(shares_.size());
    for (int64_t i = 0; i < count; ++i) {
      Share& share = shares_[static_cast<std::size_t>(i)];
      share.next.store(chunks * i / count, std::memory_order_relaxed);
      share.end = chunks * (i + 1) / count;
    }
    failed_.store(false, std::memory_order_relaxed);
    open_.store(true);
    generation_.fetch_add(1);
    if (helpers == Helpers::all || std::chrono::steady_clock::now() - last_brief_ < kWatch) generation_.notify_all();
    const std::atomic<bool>* const outer = std::exchange(turn.failed, &failed_);
    take_chunks(0);
    // Either a late worker sees the job closed, or its entry is seen here.
    open_.store(false);
    wait_for_workers();
    turn.failed = outer;
    if (helpers == Helpers::awake) last_brief_ = std::chrono::steady_clock::now();
    if (error_) std::rethrow_exception(error_);
  }

 private:
  // A thread's own chunks: the same ones call after call, so that what it wrote last time is still in its cache.
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };

  void wait_for_workers() {
    for (int spins = 0; spins < 4000; ++spins) {
      if (active_.load() == 0) return;
      relax();
    }
    // Either the last worker sees that somebody waits, or it is seen here that it was the last.
    waiting_.store(true);
    for (int active; (active = active_.load()) != 0;) {
      wait_at_most(active_, active, kPauseEvery);
      if (failed_.load(std::memory_order_relaxed)) continue;
      try {
        breathe();
      } catch (...) {
        drop_the_rest(std::current_exception());
      }
    }
    waiting_.store(false);
  }

  void end() {
    stop_.store(true);
    generation_.fetch_add(1);
    generation_.notify_all();
    for (auto& worker : workers_) worker.join();
  }

  void work(std::size_t self) {
    turn.failed = &failed_;
    uint32_t seen = 0;
    for (;;) {
      watch(seen);
      seen = generation_.load();
      if (stop_.load()) return;
      active_.fetch_add(1);
      if (open_.load()) {
        if (sched_getcpu() == caller_cpu_) leave_cpu(caller_cpu_);
        take_chunks(self);
      }
      if (active_.fetch_sub(1) == 1 && waiting_.load()) wake_all(active_);
    }
  }

  void watch(uint32_t seen) {
    const auto end = std::chrono::steady_clock::now() + kWatch;
    do {
      for (int i = 0; i < 32; ++i) {
        if (generation_.load(std::memory_order_acquire) != seen) return;
        relax();
      }
    } while (std::chrono::steady_clock::now() < end);
    generation_.wait(seen);
  }

  // The thread's own chunks first, then those that others have not come to.
  void take_chunks(std::size_t self) {
    for (std::size_t turn = 0; turn < shares_.size(); ++turn) {
      Share& share = shares_[(self + turn) % shares_.size()];
      for (;;) {
        const int64_t i = share.next.fetch_add(1, std::memory_order_relaxed);
        if (i >= share.end) break;
        try {
          breathe();
          (*function_)(i);
        } catch (...) {
          drop_the_rest(std::current_exception());
        }
      }
    }
  }

  void drop_the_rest(std::exception_ptr error) {
    const std::lock_guard lock(error_mutex_);
    if (!error_) error_ = std::move(error);
    failed_.store(true, std::memory_order_relaxed);
    for (Share& share : shares_) share.next.store(share.end, std::memory_order_relaxed);
  }

  const ChunkFunction* function_ = nullptr;
  int caller_cpu_ = -1;
  std::chrono::steady_clock::time_point last_brief_;  // when the last brief work was done
  std::vector<Share> shares_;
  std::exception_ptr error_;
  std::mutex error_mutex_;
  alignas(64) std::atomic<uint32_t> generation_{0};
  std::atomic<bool> open_{false};
  std::atomic<bool> stop_{false};
  alignas(64) std::atomic<int> active_{0};
  std::atomic<bool> waiting_{false};  // whether the caller sleeps until active_ is 0
  std::atomic<bool> failed_{false};   // whether error_ is set
  std::vector<std::thread> workers_;
};

/// CPUs allowed by the cgroup's quota (version 2, then 1), or 0 where there is none.
double cgroup_quota() {
  double quota = 0, period = 0;
  if (FILE* file = std::fopen("/sys/fs/cgroup/cpu.max", "r")) {
    const int read = std::fscanf(file, "%lf %lf", &quota, &period);
    std::fclose(file);
    return read == 2 && period > 0 ? quota / period : 0;
  }
  const auto number_in = [](const char* path) {
    double value = 0;
    if (FILE* file = std::fopen(path, "r")) {
      if (std::fscanf(file, "%lf", &value) != 1) value = 0;
      std::fclose(file);
    }
    return value;
  };
  quota = number_in("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
  period = number_in("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  return quota > 0 && period > 0 ? quota / period : 0;
}

struct Default {
  int threads;
  const char* reason;
};

Default default_threads() {
  if (const char* text = std::getenv("HOTLOOP_NUM_THREADS")) {
    const int n = std::atoi(text);
    if (n >= 1 && n <= kMaxThreads) return {n, "HOTLOOP_NUM_THREADS"};
  }
  int cpus = static_cast<int>(std::thread::hardware_concurrency());
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) cpus = CPU_COUNT(&set);
  cpus = std::clamp(cpus, 1, kMaxThreads);
  const double quota = cgroup_quota();
  if (quota > 0 && quota < cpus) return {std::max(1, static_cast<int>(std::ceil(quota))), "cgroup quota"};
  return {cpus, "affinity"};
}

struct Claim {
  explicit Claim(std::atomic<bool>& flag) : flag_(flag), held(!flag.exchange(true, std::memory_order_acquire)) {}
  ~Claim() {
    if (held) flag_.store(false, std::memory_order_release);
  }
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;

 private:
  std::atomic<bool>& flag_;

 public:
  const bool held;
};

struct State {
  std::atomic<bool> busy{false};  // while a parallel_for runs; a second one then runs on its own thread
  std::unique_ptr<Pool> pool;
  std::atomic<int> threads{0};
  std::atomic<const char*> reason{""};
};

State* make_state() {
  auto* state = new State;
  const Default chosen = default_threads();
  state->threads = chosen.threads;
  state->reason = chosen.reason;
  return state;
}

// Never destroyed, so that no static destructor can wait for threads that exit() has already stopped.
std::atomic<State*> current_state{nullptr};

State& state() {
  State* found = current_state.load(std::memory_order_acquire);
  if (found != nullptr) return *found;
  State* made = make_state();
  if (current_state.compare_exchange_strong(found, made)) return *made;
  delete made;
  return *found;
}

// The child has none of the parent's threads: it starts over with a pool of its own, of the same size. What the
// parent's pool held stays where it is: its threads can be neither joined nor waited for.
void forget_after_fork() {
  State* state = current_state.load();
  if (state == nullptr) return;
  static_cast<void>(state->pool.release());
  state->busy.store(false);
}

[[maybe_unused]] const int at_fork = pthread_atfork(nullptr, nullptr, forget_after_fork);

// Where the system starts no further threads there is none: the call is slower then, and its result the same bits.
void renew(std::unique_ptr<Pool>& pool, int threads) {
  pool.reset();
  try {
    pool = std::make_unique<Pool>(threads);
  } catch (const std::system_error&) {
  }
}

}  // namespace

void parallel_for(int64_t chunks, ChunkFunction f, Helpers helpers) {
  State& s = state();
  if (chunks > 1 && s.threads.load(std::memory_order_relaxed) > 1) {
    const Claim claim(s.busy);
    if (claim.held) {
      const int wanted = s.threads.load();
      if (!s.pool || s.pool->threads() != wanted) renew(s.pool, wanted);
      if (s.pool) return s.pool->run(chunks, f, helpers);
    }
  }
  for (int64_t i = 0; i < chunks; ++i) {
    breathe();
    f(i);
  }
}

Pauses::Pauses(void (*pause)()) { turn = {pause, coarse_now() + kPauseEvery, nullptr}; }

Pauses::~Pauses() { turn = {}; }

void breathe() {
  if (turn.failed != nullptr && turn.failed->load(std::memory_order_relaxed)) throw Dropped();
  if (turn.pause == nullptr || coarse_now() < turn.due) return;
  // A pause may run anything, kernels too, which must not take this one's turn.
  const Turn own = std::exchange(turn, {});
  try {
    own.pause();
  } catch (...) {
    turn = own;
    throw;
  }
  turn = {own.pause, coarse_now() + kPauseEvery, own.failed};
}

int num_threads() { return state().threads.load(); }

void set_num_threads(int n) {
  State& s = state();
  s.threads.store(std::clamp(n, 1, kMaxThreads));
  s.reason = "set_num_threads";
}

const char* num_threads_reason() { return state().reason.load(); }

}  // namespace hotloop
