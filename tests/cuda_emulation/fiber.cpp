#include "fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

#ifdef __SANITIZE_ADDRESS__
#  include <pthread.h>
#  include <sanitizer/common_interface_defs.h>
#endif

// Saves the registers that a call preserves on the stack in use, and takes up those of another.
#if defined(__x86_64__)
asm(R"(
.text
.type hotloop_change_stack, @function
hotloop_change_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size hotloop_change_stack, .-hotloop_change_stack
)");
extern "C" void hotloop_change_stack(void** save, void* load);
#elif defined(__aarch64__)
asm(R"(
.text
.type hotloop_change_stack, %function
hotloop_change_stack:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size hotloop_change_stack, .-hotloop_change_stack
)");
extern "C" void hotloop_change_stack(void** save, void* load);
#endif

namespace emulation {
namespace {

constexpr std::size_t kStackBytes = 128 * 1024;

std::size_t page_bytes() {
  static const auto bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

thread_local Fiber* running = nullptr;

}  // namespace

void Fiber::start() {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
  running->entry_();
  std::abort();
}

Fiber::Fiber(void (*entry)()) : entry_(entry), stack_bytes_(kStackBytes) {
  void* block = mmap(nullptr, stack_bytes_ + page_bytes(), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (block == MAP_FAILED) {
    std::fputs("emulation: no memory for the stack of a thread\n", stderr);
    std::abort();
  }
  mprotect(block, page_bytes(), PROT_NONE);  // an overflow faults instead of reaching a neighbour
  stack_ = static_cast<char*>(block) + page_bytes();
#if defined(__x86_64__) || defined(__aarch64__)
  // As hotloop_change_stack leaves a stack, with start() as the address to return to.
  auto* top = reinterpret_cast<void**>(stack_ + stack_bytes_);
#  if defined(__x86_64__)
  top -= 2;  // start() finds the stack as after a call: 8 bytes off a multiple of 16
  top[0] = reinterpret_cast<void*>(&Fiber::start);
  top -= 6;
#  else
  top -= 20;
  for (int i = 0; i < 20; ++i) top[i] = nullptr;
  top[11] = reinterpret_cast<void*>(&Fiber::start);
#  endif
  saved_ = top;
#else
  getcontext(&saved_);
  saved_.uc_stack.ss_sp = stack_;
  saved_.uc_stack.ss_size = stack_bytes_;
  saved_.uc_link = nullptr;
  makecontext(&saved_, &Fiber::start, 0);
#endif
}

Fiber::~Fiber() {
  if (entry_ != nullptr) munmap(stack_ - page_bytes(), stack_bytes_ + page_bytes());
}

void Fiber::change(Fiber& from, Fiber& to) {
#ifdef __SANITIZE_ADDRESS__
  if (from.stack_ == nullptr) {
    pthread_attr_t attributes;
    void* bottom = nullptr;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &bottom, &from.stack_bytes_);
    pthread_attr_destroy(&attributes);
    from.stack_ = static_cast<char*>(bottom);
  }
  __sanitizer_start_switch_fiber(&from.fake_stack_, to.stack_, to.stack_bytes_);
#endif
  running = &to;
#if defined(__x86_64__) || defined(__aarch64__)
  hotloop_change_stack(&from.saved_, to.saved_);
#else
  swapcontext(&from.saved_, &to.saved_);
#endif
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(from.fake_stack_, nullptr, nullptr);
#endif
}

}  // namespace emulation
