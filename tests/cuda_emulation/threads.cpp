// Runs the threads of a grid: block after block, the threads of a block as fibers.
//
// A thread that has not begun yet begins on the fiber of one that has ended: a kernel without barriers is a plain loop
// on one fiber, and only threads that wait for each other cost a stack each.
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "cuda_runtime.h"
#include "fiber.h"
#include "order.h"

__thread uint3 threadIdx, blockIdx;
__thread dim3 blockDim, gridDim;

namespace emulation {

__thread void* shared_memory;

namespace {

enum class State : uint8_t { fresh, ready, at_barrier, in_collective, ended };

// A copy into shared memory that was asked for and not yet made.
struct Copy {
  void* to;
  const void* from;
  int bytes;
  bool inside;
  int64_t group;
};

struct Thread {
  uint3 index;
  State state;
  Fiber* fiber;
  Where where;  // of the barrier or collective it waits in
  unsigned mask;
  Combine combine;
  void* deposit;
  std::vector<Copy> copies;
  int64_t group;  // the group that copies join now
};

struct Runner {
  Fiber host;
  std::vector<std::unique_ptr<Fiber>> fibers;
  std::vector<Fiber*> idle;
  std::vector<Thread> threads;
  std::vector<int> order;  // in which threads take their turns
  std::size_t begun = 0;   // threads of `order` that have begun
  int current = 0;
  int ended = 0, at_barrier = 0;
  std::vector<unsigned> arrived;  // of each warp, the lanes that wait in a collective
  const std::function<void()>* body = nullptr;
};

// Each host thread has a runner of its own; what is read at every turn is a plain pointer to it.
thread_local std::unique_ptr<Runner> own_runner;
__thread Runner* runner HL_NEAR = nullptr;

Thread& self() { return runner->threads[static_cast<std::size_t>(runner->current)]; }

void take_place(int index) {
  runner->current = index;
  threadIdx = self().index;
}

// What a fiber does: a thread to its end, then the next that has not begun.
void fiber_main() {
  for (;;) {
    Runner& r = *runner;
    (*r.body)();
    self().state = State::ended;
    ++r.ended;
    Fiber* const fiber = self().fiber;
    if (r.begun < r.order.size()) {
      take_place(r.order[r.begun++]);
      self().fiber = fiber;
      self().state = State::ready;
      continue;
    }
    r.idle.push_back(fiber);
    Fiber::change(*fiber, r.host);
  }
}

Fiber* idle_fiber() {
  Runner& r = *runner;
  if (r.idle.empty()) {
    r.fibers.push_back(std::make_unique<Fiber>(fiber_main));
    return r.fibers.back().get();
  }
  Fiber* const fiber = r.idle.back();
  r.idle.pop_back();
  return fiber;
}

// Back to the host, until somebody makes the thread ready.
void wait_as(State state, Where where) {
  Thread& me = self();
  const int index = runner->current;
  me.state = state;
  me.where = where;
  Fiber::change(*me.fiber, runner->host);
  take_place(index);
}

const char* words(State state) {
  switch (state) {
    case State::at_barrier:
      return "at a barrier";
    case State::in_collective:
      return "in a warp collective";
    case State::ended:
      return "at its end";
    default:
      return "running";
  }
}

[[noreturn]] void stop_divergent() {
  const Runner& r = *runner;
  std::string text;
  const Thread* last = nullptr;
  for (std::size_t i = 0; i < r.threads.size(); ++i) {
    const Thread& t = r.threads[i];
    const bool same =
        last != nullptr && t.state == last->state && (t.state == State::ended || t.where.line() == last->where.line());
    last = &t;
    if (same) continue;
    text += "\n  from thread " + std::to_string(i) + ": " + words(t.state);
    if (t.state != State::ended) text += std::string(", ") + t.where.file_name() + ":" + std::to_string(t.where.line());
  }
  stop("divergent threads in block (%u, %u, %u) wait for each other:%s", blockIdx.x, blockIdx.y, blockIdx.z,
       text.c_str());
}

// All threads of the block stand at one barrier.
void open_barrier() {
  Runner& r = *runner;
  for (const Thread& t : r.threads) {
    if (t.where.line() != r.threads[0].where.line()) stop_divergent();
  }
  for (Thread& t : r.threads) t.state = State::ready;
  r.at_barrier = 0;
}

void begin_block(const cudaLaunchConfig_t& config, uint3 block) {
  Runner& r = *runner;
  blockIdx = block;
  std::memset(shared_memory, 0xFF, config.dynamicSmemBytes);  // NaN as a float, and out of range as an index
  r.begun = 0;
  r.ended = r.at_barrier = 0;
  r.arrived.assign((r.threads.size() + 31) / 32, 0);
  unsigned x = 0, y = 0, z = 0;
  for (Thread& t : r.threads) {
    t.index = {x, y, z};
    t.state = State::fresh;
    t.copies.clear();
    t.group = 0;
    if (++x == config.blockDim.x) {
      x = 0;
      if (++y == config.blockDim.y) {
        y = 0;
        ++z;
      }
    }
  }
  put_in_order(r.order);
}

void run_block() {
  Runner& r = *runner;
  const auto count = static_cast<int>(r.threads.size());
  while (r.ended < count) {
    bool moved = false;
    for (const int index : r.order) {
      Thread& t = r.threads[static_cast<std::size_t>(index)];
      if (t.state == State::fresh) {
        // Fresh threads are begun in order, so this is the next of them.
        ++r.begun;
        t.fiber = idle_fiber();
        t.state = State::ready;
      }
      if (t.state != State::ready) continue;
      moved = true;
      take_place(index);
      Fiber::change(r.host, *t.fiber);
    }
    if (r.at_barrier == count) {
      open_barrier();
      moved = true;
    }
    if (!moved) stop_divergent();
  }
}

void make(const Copy& copy) {
  if (copy.inside) {
    std::memcpy(copy.to, copy.from, static_cast<std::size_t>(copy.bytes));
  } else {
    std::memset(copy.to, 0, static_cast<std::size_t>(copy.bytes));
  }
}

void* allocate_aligned(std::size_t bytes) {
  void* block = nullptr;
  if (posix_memalign(&block, 1024, bytes) != 0) stop("no memory for a block's shared memory");
  return block;
}

}  // namespace

void stop(const char* format, ...) {
  std::fputs("emulation: ", stderr);
  va_list arguments;
  va_start(arguments, format);
  std::vfprintf(stderr, format, arguments);
  va_end(arguments);
  std::fputc('\n', stderr);
  std::abort();
}

int lane() { return runner->current % 32; }

void barrier(Where where) {
  ++runner->at_barrier;
  wait_as(State::at_barrier, where);
}

void rendezvous(unsigned mask, void* deposit, Combine combine, Where where) {
  Runner& r = *runner;
  const int warp = r.current / 32, mine = r.current % 32;
  Thread* const lanes = &r.threads[static_cast<std::size_t>(warp) * 32];
  Thread& me = lanes[mine];
  me.mask = mask;
  me.combine = combine;
  me.deposit = deposit;
  me.where = where;
  unsigned& arrived = r.arrived[static_cast<std::size_t>(warp)];
  arrived |= 1u << mine;
  if ((mask >> mine & 1) == 0) stop("%s:%u: a lane is not in its own mask %08x", where.file_name(), where.line(), mask);
  if ((arrived & mask) != mask) {
    wait_as(State::in_collective, where);
    return;
  }
  void* deposits[32] = {};
  for (int i = 0; i < 32; ++i) {
    if ((mask >> i & 1) == 0) continue;
    if (lanes[i].where.line() != where.line() || lanes[i].combine != combine) stop_divergent();
    if (lanes[i].mask != mask) stop("%s:%u: lanes of a warp differ in their masks", where.file_name(), where.line());
    deposits[i] = lanes[i].deposit;
  }
  arrived &= ~mask;
  combine(deposits, mask);
  for (int i = 0; i < 32; ++i) {
    if ((mask >> i & 1) != 0) lanes[i].state = State::ready;
  }
}

void copy_later(void* shared, const void* global, int bytes, bool inside) {
  const auto misaligned = [bytes](const void* p) {
    return reinterpret_cast<uintptr_t>(p) % static_cast<unsigned>(bytes) != 0;
  };
  if (misaligned(shared) || (inside && misaligned(global)))
    stop("an asynchronous copy of %d bytes is not aligned", bytes);
  const Copy copy{shared, global, bytes, inside, self().group};
  if (copies_at_once()) {
    make(copy);
  } else {
    self().copies.push_back(copy);
  }
}

void end_copy_group() { ++self().group; }

void wait_for_copies(int groups_left) {
  Thread& me = self();
  std::size_t kept = 0;
  for (const Copy& copy : me.copies) {
    // Copies that were not ended as a group are waited for by nobody.
    if (copy.group < me.group - groups_left) {
      make(copy);
    } else {
      me.copies[kept++] = copy;
    }
  }
  me.copies.resize(kept);
}

void run_grid(const cudaLaunchConfig_t& config, const std::function<void()>& thread) {
  if (runner == nullptr) {
    own_runner = std::make_unique<Runner>();
    runner = own_runner.get();
  }
  Runner& r = *runner;
  r.body = &thread;
  r.threads.resize(config.blockDim.x * config.blockDim.y * config.blockDim.z);
  r.order.resize(r.threads.size());
  // Exactly as large as asked for, so that AddressSanitizer sees a step beyond it.
  const std::unique_ptr<void, decltype(&std::free)> shared(allocate_aligned(config.dynamicSmemBytes), &std::free);
  shared_memory = shared.get();
  blockDim = config.blockDim;
  gridDim = config.gridDim;
  const dim3 grid = config.gridDim;
  std::vector<int> blocks(static_cast<std::size_t>(grid.x) * grid.y * grid.z);
  put_in_order(blocks);
  for (const int block : blocks) {
    const auto i = static_cast<unsigned>(block);
    begin_block(config, {i % grid.x, i / grid.x % grid.y, i / grid.x / grid.y});
    run_block();
  }
}

}  // namespace emulation
