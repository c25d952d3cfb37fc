// A caching pool of 64-byte aligned blocks. A block that is given back is kept for the next request of its size class,
// so that a training step in steady state takes nothing from the system: on fresh large blocks the page faults cost
// more than most kernels cost in arithmetic.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace hotloop {

inline constexpr std::size_t kAlignment = 64;

struct MemoryStats {
  int64_t system_allocations = 0;  // blocks ever taken from the system
  int64_t system_bytes = 0;        // held from the system now, in use or cached
  int64_t bytes_in_use = 0;        // handed out now
  int64_t bytes_cached = 0;        // waiting for reuse
  int64_t peak_bytes_in_use = 0;
};

/// The system has no block of so many bytes.
class OutOfMemory : public std::bad_alloc {
 public:
  explicit OutOfMemory(std::size_t wanted) noexcept : bytes(wanted) {}
  const char* what() const noexcept override { return "out of memory"; }
  const std::size_t bytes;
};

/// A block of at least `bytes` bytes. Throws OutOfMemory when the system has none, after giving back the cache.
void* pool_allocate(std::size_t bytes);
/// Gives a block back to the pool.
void pool_release(void* block) noexcept;
/// Gives cached blocks back to the system.
void pool_empty_cache() noexcept;
MemoryStats pool_stats() noexcept;

/// Scratch memory of a kernel, back in the pool at the end of its scope.
template <class T>
class Scratch {
 public:
  explicit Scratch(int64_t count)
      : data_(static_cast<T*>(pool_allocate(static_cast<std::size_t>(count) * sizeof(T)))) {}
  ~Scratch() { pool_release(data_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  T* get() const { return data_; }
  operator T*() const { return data_; }

 private:
  T* data_;
};

}  // namespace hotloop
