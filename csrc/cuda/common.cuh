// What every kernel file needs: the one way to launch, the text of failures, scratch memory, sizes of grids.
//
// Kernels run on the library's one stream, in the order they are launched. All dynamic shared memory is one struct that
// a kernel takes with shared_memory<Struct>() (ptx.cuh) and whose size its launch names; nothing is __shared__ besides.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "backend.h"
#include "device.h"

namespace hotloop::cuda {

inline constexpr int kWarp = 32;
inline constexpr unsigned kWholeWarp = 0xFFFFFFFFu;

/// The device in use; its stream; what products are computed in.
const DeviceInfo& device_info();
cudaStream_t stream();
Precision precision();

/// The first failure of a row of steps, each run only where the ones before it went well.
#define HL_TRY(call)                                                         \
  do {                                                                       \
    if (const Status hl_status = (call); hl_status != kOk) return hl_status; \
  } while (false)

/// kOk where the device may be used: it was opened, and not by the process that this one was forked from.
Status usable();
/// "what failed: the runtime's text", or kOk where nothing did.
Status status_of(const char* what, cudaError_t error);

/// Makes the library's device current for a scope: a host program may use another at the same time.
class OnDevice {
 public:
  OnDevice();
  ~OnDevice();
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;

 private:
  int other_ = -1;
};

inline constexpr std::size_t kSharedByDefault = 48 * 1024;  // bytes a block may use without asking

/// Queues kernel(arguments...) over the grid; empty grids are nothing to do. The name is the one errors give.
template <class... P, class... A>
Status launch(const char* name, void (*kernel)(P...), dim3 grid, int block, std::size_t shared, A... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return kOk;
  HL_TRY(usable());
  const OnDevice guard;
  if (shared > kSharedByDefault) {
    const cudaError_t error = cudaFuncSetAttribute(
        reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared));
    if (error != cudaSuccess) return status_of(name, error);
  }
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = dim3(static_cast<unsigned>(block));
  config.dynamicSmemBytes = shared;
  config.stream = stream();
  return status_of(name, cudaLaunchKernelEx(&config, kernel, arguments...));
}

/// The caching pool and queued filling; see Device in device.h.
Status pool_allocate(int64_t bytes, void** block);
void pool_release(void* block);

Status fill(void* block, int byte, int64_t bytes);

/// Scratch memory of an op, back in the pool at the end of its scope: what is queued by then may still use it, since
/// whoever gets it next is queued behind.
template <class E>
class Scratch {
 public:
  explicit Scratch(int64_t count) {
    if (count == 0) return;
    status_ = pool_allocate(count * static_cast<int64_t>(sizeof(E)), &block_);
  }
  ~Scratch() {
    if (block_ != nullptr) pool_release(block_);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  /// Whether there was memory; to be looked at before get().
  Status status() const { return status_; }
  E* get() const { return static_cast<E*>(block_); }

 private:
  void* block_ = nullptr;
  Status status_ = kOk;
};

constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Blocks for a loop over `jobs` that strides by the grid: enough to fill the device some times over.
inline dim3 grid_for(int64_t jobs, int jobs_per_block) {
  const int64_t wanted = divide_up(jobs, jobs_per_block), most = int64_t{32} * device_info().multiprocessors;
  return dim3(static_cast<unsigned>(wanted < most ? wanted : most));
}

/// This thread's place in the grid, and the grid's threads: where a strided loop begins and how it steps.
__device__ inline int64_t grid_thread() { return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ inline int64_t grid_threads() { return static_cast<int64_t>(gridDim.x) * blockDim.x; }

}  // namespace hotloop::cuda
