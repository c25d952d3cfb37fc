// For tests: blocks with an inaccessible page beside them, so that a step beyond either end faults at once, and one
// into a block that was given back as well. Off unless set_guard() says otherwise.
#pragma once

#include <atomic>
#include <cstddef>

namespace hotloop {

enum class Guard : int {
  none,
  before,  // the page ends where the block begins
  after,   // the page begins where the block ends: the block is aligned to no more than its size is
};

/// How the pool takes its blocks from here on; those handed out before come back as they were taken.
void set_guard(Guard guard) noexcept;

namespace guards {

inline std::atomic<Guard> wanted{Guard::none};
inline std::atomic<std::size_t> blocks{0};  // handed out now

/// Exactly `bytes` bytes, each 0xff (NaN, -1). Throws OutOfMemory. The caller holds the pool's lock, here and below.
void* allocate(std::size_t bytes, Guard guard);
/// Unmaps a block that allocate() made and tells its bytes; false for any other.
bool release(void* block, std::size_t* bytes) noexcept;

}  // namespace guards
}  // namespace hotloop
