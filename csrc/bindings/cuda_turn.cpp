#include "bindings/cuda_turn.h"

#include <pthread.h>
#include <pybind11/pybind11.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace hotloop::bindings {
namespace {

// A capture takes milliseconds. One that waits for a thread which waits for it must not hang.
constexpr std::chrono::seconds kPatience{10};

struct Turns {
  std::mutex mutex;
  std::condition_variable changed;
  std::thread::id owner;         // of the capture; none is no thread's id
  int users = 0;                 // CudaTurns of other threads than the owner
  std::atomic<bool> captures{};  // whether there is an owner
};

// Never destroyed: arrays may outlive every static object.
Turns& turns() {
  static Turns* const one = new Turns;
  return *one;
}

// A forked child may have got the mutex locked by a thread that it has not. The library refuses it any work.
std::atomic<bool> forked = false;

// Calls take() once ready() holds, both under the mutex, which is never held by a thread that waits for the GIL.
template <class Ready, class Take>
void take_turn(const Ready& ready, const Take& take) {
  Turns& t = turns();
  {
    const std::lock_guard lock(t.mutex);
    if (ready()) return take();
  }
  bool in_time = false;
  {
    const pybind11::gil_scoped_release release;
    std::unique_lock lock(t.mutex);
    in_time = t.changed.wait_for(lock, kPatience, ready);
    if (in_time) take();
  }
  if (!in_time) throw std::runtime_error("[cuda] waited 10 s for another thread during the capture of a step");
}

// Whether this process was forked from one that used the device.
bool in_child() {
  if (cuda_library() == nullptr) throw std::runtime_error("[cuda] the device was not opened");
  static const int watched = pthread_atfork(nullptr, nullptr, [] { forked = true; });
  static_cast<void>(watched);
  return forked;
}

}  // namespace

CudaTurn::CudaTurn() {
  if (in_child()) return;
  Turns& t = turns();
  const std::thread::id self = std::this_thread::get_id();
  const auto ready = [&] { return t.owner == std::thread::id() || t.owner == self; };
  take_turn(ready, [&] {
    counted_ = t.owner != self;
    t.users += counted_;
  });
}

CudaTurn::~CudaTurn() {
  if (!counted_ || forked) return;
  Turns& t = turns();
  const std::lock_guard lock(t.mutex);
  if (--t.users == 0) t.changed.notify_all();
}

void begin_capturing() {
  if (in_child()) return;
  Turns& t = turns();
  const auto ready = [&] { return t.owner == std::thread::id() && t.users == 0; };
  take_turn(ready, [&] {
    t.owner = std::this_thread::get_id();
    t.captures = true;
  });
}

void end_capturing() {
  if (forked) return;
  Turns& t = turns();
  const std::lock_guard lock(t.mutex);
  t.owner = {};
  t.captures = false;
  t.changed.notify_all();
}

bool capturing() { return turns().captures; }

}  // namespace hotloop::bindings
