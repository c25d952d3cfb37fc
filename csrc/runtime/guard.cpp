#include "runtime/guard.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <unordered_map>

#include "runtime/memory.h"

namespace hotloop {
namespace {

struct Mapping {
  void* begin;
  std::size_t size;   // inaccessible pages included
  std::size_t bytes;  // that were asked for
};

// Never destroyed: arrays can outlive every static object of this library.
std::unordered_map<void*, Mapping>& mappings() {
  static auto* const instance = new std::unordered_map<void*, Mapping>;
  return *instance;
}

}  // namespace

void set_guard(Guard guard) noexcept { guards::wanted.store(guard); }

namespace guards {

// Inaccessible pages lie on both sides, one of them right beside the block: even empty blocks have their own address.
void* allocate(std::size_t bytes, Guard guard) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t inside = (bytes + page - 1) / page * page, size = inside + 2 * page;
  void* const begin = mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (begin == MAP_FAILED) throw OutOfMemory(bytes);
  char* const first = static_cast<char*>(begin) + page;
  char* const block = guard == Guard::before ? first : first + inside - bytes;
  if (inside > 0 && mprotect(first, inside, PROT_READ | PROT_WRITE) != 0) {
    munmap(begin, size);
    throw OutOfMemory(bytes);
  }
  try {
    mappings().emplace(block, Mapping{begin, size, bytes});
  } catch (...) {
    munmap(begin, size);
    throw;
  }
  std::memset(block, 0xff, bytes);
  ++blocks;
  return block;
}

bool release(void* block, std::size_t* bytes) noexcept {
  const auto found = mappings().find(block);
  if (found == mappings().end()) return false;
  const Mapping mapping = found->second;
  mappings().erase(found);
  munmap(mapping.begin, mapping.size);
  *bytes = mapping.bytes;
  --blocks;
  return true;
}

}  // namespace guards
}  // namespace hotloop
