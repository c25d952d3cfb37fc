// The runtime calls of runtime_api.h.
#include <chrono>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cuda_runtime.h"

using Work = std::vector<std::function<void()>>;

struct CUgraph_st {
  Work work;
};
struct CUgraphExec_st {
  Work work;
};
struct CUstream_st {
  std::unique_ptr<CUgraph_st> capture;
};
struct CUevent_st {
  std::chrono::steady_clock::time_point at;
};

namespace {

constexpr int kVersion = 13000;
constexpr std::size_t kSharedByDefault = 48 * 1024, kSharedAtMost = 163 * 1024;  // of sm_80

// What a process asks for at once runs one piece after the other: there is one device.
std::recursive_mutex& device_mutex() {
  static auto* const one = new std::recursive_mutex;
  return *one;
}

bool fault(std::string_view name) {
  const char* wanted = std::getenv("HOTLOOP_EMULATION_FAULT");
  return wanted != nullptr && name == wanted;
}

thread_local cudaError_t last_error = cudaSuccess;
thread_local int current_device = fault("other_device") ? 1 : 0;

cudaError_t result(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}

struct Memory {
  std::unordered_map<void*, std::size_t> blocks;
  std::size_t used = 0;
  std::size_t all = [] {
    const char* bytes = std::getenv("HOTLOOP_EMULATION_MEMORY");
    return bytes != nullptr ? std::strtoull(bytes, nullptr, 10) : std::size_t{4} << 30;
  }();
};

Memory& memory() {
  static auto* const one = new Memory;
  return *one;
}

std::unordered_map<const void*, int>& shared_limits() {
  static auto* const one = new std::unordered_map<const void*, int>;
  return *one;
}

}  // namespace

namespace emulation {

cudaError_t enqueue(cudaStream_t stream, std::function<void()> work) {
  const std::lock_guard lock(device_mutex());
  if (stream == nullptr || current_device != 0) return result(cudaErrorInvalidResourceHandle);
  if (stream->capture != nullptr) {
    stream->capture->work.push_back(std::move(work));
  } else {
    work();
  }
  return cudaSuccess;
}

cudaError_t check_launch(const cudaLaunchConfig_t& config, const void* kernel) {
  const dim3 grid = config.gridDim, block = config.blockDim;
  const std::size_t threads = std::size_t{block.x} * block.y * block.z;
  if (threads == 0 || threads > 1024 || block.z > 64) return result(cudaErrorInvalidConfiguration);
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return result(cudaErrorInvalidConfiguration);
  if (grid.x > 0x7FFFFFFF || grid.y > 0xFFFF || grid.z > 0xFFFF) return result(cudaErrorInvalidConfiguration);
  const std::lock_guard lock(device_mutex());
  const auto limit = shared_limits().find(kernel);
  const auto most = limit != shared_limits().end() ? static_cast<std::size_t>(limit->second) : kSharedByDefault;
  return config.dynamicSmemBytes > most ? result(cudaErrorInvalidValue) : cudaSuccess;
}

}  // namespace emulation

using emulation::enqueue;

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
    case cudaErrorInsufficientDriver:
      return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    case cudaErrorNoKernelImageForDevice:
      return "no kernel image is available for execution on the device";
    case cudaErrorInvalidResourceHandle:
      return "invalid resource handle";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    default:
      return "unrecognized error code";
  }
}

cudaError_t cudaGetLastError() {
  const cudaError_t error = last_error;
  last_error = cudaSuccess;
  return error;
}

cudaError_t cudaDriverGetVersion(int* version) {
  *version = fault("no_driver") ? 0 : fault("old_driver") ? 12020 : kVersion;
  return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = kVersion;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  if (fault("old_driver")) return result(cudaErrorInsufficientDriver);
  if (fault("no_device")) return result(cudaErrorNoDevice);
  *count = 1;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device != 0) return result(cudaErrorInvalidDevice);
  // Few multiprocessors: grids that fill the device stay small.
  *properties = {"emulated device", 8, 0, 4, memory().all};
  return cudaSuccess;
}

cudaError_t cudaGetDevice(int* device) {
  *device = current_device;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  current_device = device;
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* all_bytes) {
  const std::lock_guard lock(device_mutex());
  *all_bytes = memory().all;
  *free_bytes = memory().all - memory().used;
  return cudaSuccess;
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
  if (fault("no_image")) return result(cudaErrorNoKernelImageForDevice);
  attributes->maxThreadsPerBlock = 1024;
  return cudaSuccess;
}

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute, int value) {
  if (value > static_cast<int>(kSharedAtMost)) return result(cudaErrorInvalidValue);
  const std::lock_guard lock(device_mutex());
  shared_limits()[function] = value;
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  if (current_device != 0) return result(cudaErrorInvalidDevice);
  *stream = new CUstream_st;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return stream->capture != nullptr ? result(cudaErrorStreamCaptureUnsupported) : cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t, unsigned) { return cudaSuccess; }

cudaError_t cudaEventCreate(cudaEvent_t* event) {
  if (current_device != 0) return result(cudaErrorInvalidDevice);
  *event = new CUevent_st;
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) { return cudaEventCreate(event); }

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) {
  event->at = std::chrono::steady_clock::now();
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t) { return cudaSuccess; }

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t from, cudaEvent_t to) {
  *milliseconds = std::chrono::duration<float, std::milli>(to->at - from->at).count();
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** block, std::size_t bytes) {
  if (current_device != 0) return result(cudaErrorInvalidDevice);  // it would be the other device's memory
  const std::lock_guard lock(device_mutex());
  Memory& m = memory();
  if (bytes > m.all - m.used) return result(cudaErrorMemoryAllocation);
  void* made = nullptr;
  if (posix_memalign(&made, 512, bytes) != 0) return result(cudaErrorMemoryAllocation);
  std::memset(made, 0xFF, bytes);
  m.blocks[made] = bytes;
  m.used += bytes;
  *block = made;
  return cudaSuccess;
}

cudaError_t cudaFree(void* block) {
  if (block == nullptr) return cudaSuccess;
  const std::lock_guard lock(device_mutex());
  Memory& m = memory();
  const auto found = m.blocks.find(block);
  if (found == m.blocks.end()) emulation::stop("memory is freed that was not allocated, or twice");
  m.used -= found->second;
  m.blocks.erase(found);
  std::free(block);
  return cudaSuccess;
}

cudaError_t cudaHostAlloc(void** block, std::size_t bytes, unsigned) {
  return posix_memalign(block, 512, bytes) == 0 ? cudaSuccess : result(cudaErrorMemoryAllocation);
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  return enqueue(stream, [=] { std::memmove(to, from, bytes); });
}

cudaError_t cudaMemsetAsync(void* block, int byte, std::size_t bytes, cudaStream_t stream) {
  return enqueue(stream, [=] { std::memset(block, byte, bytes); });
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const std::lock_guard lock(device_mutex());
  if (stream->capture != nullptr) return result(cudaErrorStreamCaptureUnsupported);
  stream->capture = std::make_unique<CUgraph_st>();
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const std::lock_guard lock(device_mutex());
  if (stream->capture == nullptr) return result(cudaErrorInvalidValue);
  *graph = stream->capture.release();
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  *exec = new CUgraphExec_st{graph->work};
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  const std::lock_guard lock(device_mutex());
  for (const auto& work : exec->work) {
    if (const cudaError_t error = enqueue(stream, work); error != cudaSuccess) return error;
  }
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  delete exec;
  return cudaSuccess;
}
