// Device memory: a caching pool, and copies staged through pinned memory.
//
// One stream orders all work, so a block that is given back can be handed out at once: whoever writes it next is queued
// behind whoever used it last. In steady state a training step takes nothing from the driver.
#include <bit>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "cuda/device.cuh"

namespace hotloop::cuda {
namespace {

// Under a sanitizer every block is exactly as large as asked for and never reused, so that a step beyond it is seen.
#ifdef HL_SANITIZED
constexpr bool kExact = true;
#else
constexpr bool kExact = false;
#endif
constexpr std::size_t kLeast = 512;  // bytes

// Eight classes an octave: at most an eighth of a block is unused.
std::size_t class_bytes(std::size_t bytes) {
  if (kExact) return bytes;
  if (bytes <= kLeast) return kLeast;
  const std::size_t step = std::bit_floor(bytes - 1) / 8;
  const std::size_t unit = step < kLeast ? kLeast : step;
  return (bytes + unit - 1) / unit * unit;
}

struct Block {
  std::size_t bytes;
  const DeviceGraph* graph;  // whose replays write it, or null
};

class Pool {
 public:
  Status allocate(int64_t wanted, void** block) {
    HL_TRY(usable());
    const std::size_t bytes = class_bytes(wanted > 0 ? static_cast<std::size_t>(wanted) : 1);
    const std::lock_guard lock(mutex_);
    void* found = nullptr;
    if (graph_ != nullptr) found = take(graph_free_[graph_], bytes);
    if (found == nullptr) found = take(free_, bytes);
    if (found == nullptr) HL_TRY(from_driver(bytes, &found));
    blocks_[found].graph = graph_;
    in_use_ += static_cast<int64_t>(bytes);
    *block = found;
    return kOk;
  }

  void release(void* block) {
    const std::lock_guard lock(mutex_);
    Block& b = blocks_.at(block);
    if (graph_ != nullptr && b.graph == nullptr) b.graph = graph_;
    in_use_ -= static_cast<int64_t>(b.bytes);
    if (kExact && b.graph == nullptr) {
      give_back(block);
    } else {
      put(b.graph != nullptr ? graph_free_[b.graph] : free_, b.bytes, block);
    }
  }

  Status empty_cache() {
    const std::lock_guard lock(mutex_);
    HL_TRY(status_of("empty_cache", cudaStreamSynchronize(stream())));
    drop(free_);
    return kOk;
  }

  Status memory(DeviceMemory* memory) {
    const std::lock_guard lock(mutex_);
    std::size_t free_bytes = 0, all = 0;
    HL_TRY(status_of("cudaMemGetInfo", cudaMemGetInfo(&free_bytes, &all)));
    *memory = {static_cast<int64_t>(free_bytes), system_, in_use_, system_ - in_use_, allocations_};
    return kOk;
  }

  void set_graph(const DeviceGraph* graph) {
    const std::lock_guard lock(mutex_);
    graph_ = graph;
  }

  void end_graph(const DeviceGraph* graph) {
    const std::lock_guard lock(mutex_);
    if (graph_ == graph) graph_ = nullptr;
    for (auto& [block, b] : blocks_) {
      if (b.graph == graph) b.graph = nullptr;
    }
    for (auto& [bytes, list] : graph_free_[graph]) free_[bytes].insert(free_[bytes].end(), list.begin(), list.end());
    graph_free_.erase(graph);
    if (kExact) drop(free_);
  }

 private:
  using Lists = std::unordered_map<std::size_t, std::vector<void*>>;

  static void* take(Lists& lists, std::size_t bytes) {
    const auto list = lists.find(bytes);
    if (list == lists.end() || list->second.empty()) return nullptr;
    void* block = list->second.back();
    list->second.pop_back();
    return block;
  }

  static void put(Lists& lists, std::size_t bytes, void* block) { lists[bytes].push_back(block); }

  Status from_driver(std::size_t bytes, void** block) {
    cudaError_t error = cudaMalloc(block, bytes);
    if (error == cudaErrorMemoryAllocation && graph_ == nullptr) {
      cudaGetLastError();
      cudaStreamSynchronize(stream());
      drop(free_);
      error = cudaMalloc(block, bytes);
    }
    if (error == cudaErrorMemoryAllocation) return no_memory(bytes);
    HL_TRY(status_of("cudaMalloc", error));
    system_ += static_cast<int64_t>(bytes);
    ++allocations_;
    blocks_[*block] = {bytes, nullptr};
    return kOk;
  }

  Status no_memory(std::size_t bytes) {
    static thread_local char text[256];
    cudaGetLastError();
    std::size_t free_bytes = 0, all = 0;
    cudaMemGetInfo(&free_bytes, &all);
    std::snprintf(text, sizeof(text), "%s: %zu bytes wanted, %zu of %zu free; %lld in use by arrays",
                  kOutOfDeviceMemory.data(), bytes, free_bytes, all, static_cast<long long>(in_use_));
    return text;
  }

  void give_back(void* block) {
    system_ -= static_cast<int64_t>(blocks_.at(block).bytes);
    blocks_.erase(block);
    cudaFree(block);  // waits for the work that may use it
  }

  void drop(Lists& lists) {
    for (auto& [bytes, list] : lists) {
      for (void* block : list) give_back(block);
      list.clear();
    }
  }

  std::mutex mutex_;
  std::unordered_map<void*, Block> blocks_;  // all that are held from the driver
  Lists free_;
  std::unordered_map<const DeviceGraph*, Lists> graph_free_;
  const DeviceGraph* graph_ = nullptr;  // of the capture going on
  int64_t system_ = 0, in_use_ = 0, allocations_ = 0;
};

// Never destroyed: arrays may outlive every static object.
Pool& pool() {
  static Pool* const one = new Pool;
  return *one;
}

// Pinned memory in slots. Copies to the device fill one slot after the other and a slot is filled again once the copies
// out of it are done, so that the host runs ahead of the device by some megabytes and does not wait for each copy.
class Staging {
 public:
  Status in(void* device, const void* host, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    HL_TRY(start());
    auto* to = static_cast<char*>(device);
    auto* from = static_cast<const char*>(host);
    while (bytes > 0) {
      if (used_ == kSlotBytes) HL_TRY(next_slot());
      const std::size_t part = bytes < kSlotBytes - used_ ? bytes : kSlotBytes - used_;
      char* staged = slots_[slot_].memory + used_;
      std::memcpy(staged, from, part);
      HL_TRY(status_of("copy to the device", cudaMemcpyAsync(to, staged, part, cudaMemcpyHostToDevice, stream())));
      used_ += part;
      to += part;
      from += part;
      bytes -= part;
    }
    return kOk;
  }

  // While the host empties one slot, the device fills the next.
  Status out(void* host, const void* device, std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    HL_TRY(start());
    const std::size_t parts = (bytes + kSlotBytes - 1) / kSlotBytes;
    const auto size = [&](std::size_t part) { return part + 1 < parts ? kSlotBytes : bytes - part * kSlotBytes; };
    for (std::size_t part = 0; part < parts + 1; ++part) {
      if (part < parts) {
        HL_TRY(next_slot());
        const char* from = static_cast<const char*>(device) + part * kSlotBytes;
        HL_TRY(status_of("copy from the device",
                         cudaMemcpyAsync(slots_[slot_].memory, from, size(part), cudaMemcpyDeviceToHost, stream())));
        HL_TRY(status_of("cudaEventRecord", cudaEventRecord(slots_[slot_].done, stream())));
      }
      if (part > 0) {
        const Slot& ready = slots_[(slot_ + (part < parts ? kSlots - 1 : 0)) % kSlots];
        HL_TRY(status_of("copy from the device", cudaEventSynchronize(ready.done)));
        std::memcpy(static_cast<char*>(host) + (part - 1) * kSlotBytes, ready.memory, size(part - 1));
      }
    }
    return kOk;
  }

 private:
  static constexpr std::size_t kSlotBytes = std::size_t{2} << 20;
  static constexpr int kSlots = 4;
  struct Slot {
    char* memory;
    cudaEvent_t done;
  };

  Status start() {
    if (slots_[kSlots - 1].done != nullptr) return kOk;
    for (Slot& slot : slots_) {
      if (slot.memory == nullptr) {
        HL_TRY(status_of("cudaHostAlloc",
                         cudaHostAlloc(reinterpret_cast<void**>(&slot.memory), kSlotBytes, cudaHostAllocDefault)));
      }
      if (slot.done == nullptr) {
        HL_TRY(status_of("cudaEventCreate", cudaEventCreateWithFlags(&slot.done, cudaEventDisableTiming)));
      }
    }
    return kOk;
  }

  Status next_slot() {
    HL_TRY(status_of("cudaEventRecord", cudaEventRecord(slots_[slot_].done, stream())));
    slot_ = (slot_ + 1) % kSlots;
    used_ = 0;
    return status_of("cudaEventSynchronize", cudaEventSynchronize(slots_[slot_].done));
  }

  std::mutex mutex_;
  Slot slots_[kSlots] = {};
  int slot_ = 0;
  std::size_t used_ = 0;
};

Staging& staging() {
  static Staging* const one = new Staging;
  return *one;
}

}  // namespace

Status pool_allocate(int64_t bytes, void** block) {
  const OnDevice guard;
  return pool().allocate(bytes, block);
}

void pool_release(void* block) {
  if (block == nullptr || usable() != kOk) return;
  const OnDevice guard;
  pool().release(block);
}

Status pool_empty_cache() {
  HL_TRY(usable_at_once("empty_cache"));
  const OnDevice guard;
  return pool().empty_cache();
}

Status pool_memory(DeviceMemory* memory) {
  HL_TRY(usable());
  const OnDevice guard;
  return pool().memory(memory);
}

void pool_begin_graph(const DeviceGraph* graph) { pool().set_graph(graph); }
void pool_finish_capture() { pool().set_graph(nullptr); }
void pool_end_graph(const DeviceGraph* graph) { pool().end_graph(graph); }

Status copy_in(void* device, const void* host, int64_t bytes) {
  HL_TRY(usable_at_once("copy from the host"));
  const OnDevice guard;
  return staging().in(device, host, static_cast<std::size_t>(bytes));
}

Status copy_out(void* host, const void* device, int64_t bytes) {
  HL_TRY(usable_at_once("copy to the host"));
  if (bytes == 0) return kOk;
  const OnDevice guard;
  return staging().out(host, device, static_cast<std::size_t>(bytes));
}

Status copy(void* to, const void* from, int64_t bytes) {
  HL_TRY(usable());
  if (bytes == 0) return kOk;
  const OnDevice guard;
  return status_of("copy",
                   cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), cudaMemcpyDeviceToDevice, stream()));
}

Status fill(void* block, int byte, int64_t bytes) {
  HL_TRY(usable());
  if (bytes == 0) return kOk;
  const OnDevice guard;
  return status_of("fill", cudaMemsetAsync(block, byte, static_cast<std::size_t>(bytes), stream()));
}

}  // namespace hotloop::cuda
