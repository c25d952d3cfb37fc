#include "runtime/memory.h"

#include <pthread.h>
#include <sys/mman.h>

#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

#include "runtime/guard.h"

namespace hotloop {
namespace {

// A block starts with a header of one cache line; what the caller gets lies behind it.
struct Header {
  std::size_t size_class;
  std::size_t bytes;  // of the whole block, header included
};
constexpr std::size_t kHeaderBytes = kAlignment;
static_assert(sizeof(Header) <= kHeaderBytes);

constexpr std::size_t kHugePage = std::size_t{2} << 20;
// Freed blocks beyond this are returned to the system at once.
constexpr int64_t kCacheLimit = int64_t{2} << 30;
// Under a sanitizer every block is exactly as large as asked for and never reused, so that a step beyond it is seen.
#ifdef HL_SANITIZED
constexpr bool kExact = true;
#else
constexpr bool kExact = false;
#endif
constexpr std::size_t kMaxRequest = std::size_t{1} << 46;
constexpr std::size_t kClasses = 4 * 48;

// Four classes an octave: at most a quarter of a block is unused.
std::size_t size_class_of(std::size_t bytes) {
  if (bytes <= 256) return (bytes + 63) / 64;  // 0 .. 4 cover 0 .. 256 bytes
  const int octave = std::bit_width(bytes - 1) - 1;
  const std::size_t quarter = std::size_t{1} << (octave - 2);
  const std::size_t step = (bytes - 1 - (std::size_t{1} << octave)) / quarter;
  return 5 + static_cast<std::size_t>(octave - 8) * 4 + step;
}

std::size_t class_bytes(std::size_t size_class) {
  if (size_class < 5) return (size_class == 0 ? 1 : size_class) * 64;
  const std::size_t octave = (size_class - 5) / 4 + 8;
  const std::size_t step = (size_class - 5) % 4;
  return (std::size_t{1} << octave) + (step + 1) * (std::size_t{1} << (octave - 2));
}

// Large blocks start on a huge page's boundary: the kernel can then back them by huge pages.
void* system_allocate(std::size_t bytes) {
  if (bytes < kHugePage || kExact) {
    void* block = nullptr;
    return posix_memalign(&block, kAlignment, bytes) == 0 ? block : nullptr;
  }
  const std::size_t rounded = (bytes + kHugePage - 1) / kHugePage * kHugePage;
  void* block = std::aligned_alloc(kHugePage, rounded);
  if (block != nullptr) madvise(block, rounded, MADV_HUGEPAGE);
  return block;
}

class Pool {
 public:
  void* allocate(std::size_t bytes) {
    if (bytes > kMaxRequest) throw OutOfMemory(bytes);
    if (const Guard guard = guards::wanted.load(std::memory_order_relaxed); guard != Guard::none) [[unlikely]] {
      const std::lock_guard lock(mutex_);
      void* block = guards::allocate(bytes, guard);
      count_in_use(bytes);
      return block;
    }
    const std::size_t size_class = size_class_of(bytes);
    {
      const std::lock_guard lock(mutex_);
      auto& list = free_[size_class];
      if (!list.empty()) {
        Header* header = list.back();
        list.pop_back();
        stats_.bytes_cached -= static_cast<int64_t>(header->bytes);
        count_in_use(header->bytes);
        return data_of(header);
      }
    }
    const std::size_t total = (kExact ? bytes : class_bytes(size_class)) + kHeaderBytes;
    void* block = system_allocate(total);
    if (block == nullptr) {
      empty_cache();
      block = system_allocate(total);
    }
    if (block == nullptr) throw OutOfMemory(bytes);
    Header* header = new (block) Header{size_class, total};
    const std::lock_guard lock(mutex_);
    // Room for every block of the class to come back, made now: release() must not fail.
    try {
      free_[size_class].reserve(++blocks_[size_class]);
    } catch (...) {
      --blocks_[size_class];
      std::free(block);
      throw;
    }
    ++stats_.system_allocations;
    stats_.system_bytes += static_cast<int64_t>(total);
    count_in_use(total);
    return data_of(header);
  }

  void release(void* data) noexcept {
    if (guards::blocks.load(std::memory_order_relaxed) != 0 && release_guarded(data)) [[unlikely]]
      return;
    Header* header = reinterpret_cast<Header*>(static_cast<char*>(data) - kHeaderBytes);
    const int64_t bytes = static_cast<int64_t>(header->bytes);
    {
      const std::lock_guard lock(mutex_);
      stats_.bytes_in_use -= bytes;
      if (!kExact && stats_.bytes_cached + bytes <= kCacheLimit) {
        stats_.bytes_cached += bytes;
        free_[header->size_class].push_back(header);
        return;
      }
      stats_.system_bytes -= bytes;
      --blocks_[header->size_class];
    }
    std::free(header);
  }

  void empty_cache() noexcept {
    const std::lock_guard lock(mutex_);
    for (std::size_t c = 0; c < kClasses; ++c) {
      for (Header* header : free_[c]) {
        stats_.system_bytes -= static_cast<int64_t>(header->bytes);
        stats_.bytes_cached -= static_cast<int64_t>(header->bytes);
        std::free(header);
      }
      blocks_[c] -= free_[c].size();
      free_[c].clear();
    }
  }

  MemoryStats stats() noexcept {
    const std::lock_guard lock(mutex_);
    return stats_;
  }

  // Held across fork, so that the child's copy is never caught half-way.
  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

 private:
  static void* data_of(Header* header) { return reinterpret_cast<char*>(header) + kHeaderBytes; }

  bool release_guarded(void* data) noexcept {
    const std::lock_guard lock(mutex_);
    std::size_t bytes = 0;
    if (!guards::release(data, &bytes)) return false;
    stats_.bytes_in_use -= static_cast<int64_t>(bytes);
    return true;
  }

  void count_in_use(std::size_t bytes) {
    stats_.bytes_in_use += static_cast<int64_t>(bytes);
    if (stats_.bytes_in_use > stats_.peak_bytes_in_use) stats_.peak_bytes_in_use = stats_.bytes_in_use;
  }

  std::mutex mutex_;
  std::vector<Header*> free_[kClasses];
  std::size_t blocks_[kClasses] = {};  // blocks of the class in existence
  MemoryStats stats_;
};

// Never destroyed: arrays can outlive every static object of this library.
Pool& pool() {
  static Pool* const instance = new Pool;
  return *instance;
}

[[maybe_unused]] const int at_fork =
    pthread_atfork([] { pool().lock(); }, [] { pool().unlock(); }, [] { pool().unlock(); });

}  // namespace

void* pool_allocate(std::size_t bytes) { return pool().allocate(bytes); }
void pool_release(void* block) noexcept { pool().release(block); }
void pool_empty_cache() noexcept { pool().empty_cache(); }
MemoryStats pool_stats() noexcept { return pool().stats(); }

}  // namespace hotloop
