// Fibers: stacks that a thread of the host changes between. A switch is a few instructions on x86-64 and aarch64
// (swapcontext makes a system call for the signal mask) and swapcontext elsewhere.
#pragma once

#include <cstddef>

#if !defined(__x86_64__) && !defined(__aarch64__)
#  include <ucontext.h>
#endif

namespace emulation {

class Fiber {
 public:
  /// The host thread's own stack.
  Fiber() = default;
  /// A stack of its own on which entry() runs at the first switch; entry never returns.
  explicit Fiber(void (*entry)());
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Leaves `from`, whose stack this is, and goes on in `to`; returns when somebody switches back to `from`.
  static void change(Fiber& from, Fiber& to);

 private:
  static void start();

  void (*entry_)() = nullptr;
  char* stack_ = nullptr;
  std::size_t stack_bytes_ = 0;
#if defined(__x86_64__) || defined(__aarch64__)
  void* saved_ = nullptr;  // the stack pointer while another fiber runs
#else
  ucontext_t saved_;
#endif
  void* fake_stack_ = nullptr;  // AddressSanitizer's
};

}  // namespace emulation
