// The device: opening it, its stream, waiting, events, labels, the precision in use.
//
// cudart is linked statically, so that a process may hold another copy of it; the two share the driver's contexts.
#include "cuda/device.cuh"

#include <pthread.h>

#include <cstdio>
#include <cstring>
#include <mutex>

#include "cuda/labels.cuh"

#ifndef HL_CUDA_ARCHS
#  define HL_CUDA_ARCHS "none"
#endif

namespace hotloop::cuda {
namespace {

struct Context {
  std::mutex mutex;
  bool opened = false, forked = false;
  DeviceInfo info{};
  cudaStream_t stream = nullptr;
  LabelSlot* labels = nullptr;
  Precision precision = Precision::float32;
};

Context& context() {
  static Context* const one = new Context;  // never destroyed: arrays may outlive every static object
  return *one;
}

thread_local char failure_text[512];

template <class... A>
Status failure(const char* format, A... arguments) {
  std::snprintf(failure_text, sizeof(failure_text), format, arguments...);
  return failure_text;
}

// Its machine code is what open() looks for.
__global__ void probe() {}

Status find_device(int ordinal, DeviceInfo& info) {
  cudaRuntimeGetVersion(&info.runtime_version);
  const int wanted = info.runtime_version / 1000;
  if (cudaDriverGetVersion(&info.driver_version) != cudaSuccess || info.driver_version == 0) {
    return failure("no NVIDIA driver was found; one for CUDA %d.0 or newer is needed", wanted);
  }
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaErrorInsufficientDriver || info.driver_version / 1000 < wanted) {
    return failure("the NVIDIA driver is too old: it is for CUDA %d.%d, one for CUDA %d.0 or newer is needed",
                   info.driver_version / 1000, info.driver_version % 1000 / 10, wanted);
  }
  if (error == cudaErrorNoDevice || (error == cudaSuccess && count == 0)) return failure("no CUDA device was found");
  HL_TRY(status_of("cudaGetDeviceCount", error));
  if (ordinal < 0 || ordinal >= count) return failure("device %d was asked for, %d found", ordinal, count);
  cudaDeviceProp properties{};
  HL_TRY(status_of("cudaGetDeviceProperties", cudaGetDeviceProperties(&properties, ordinal)));
  std::snprintf(info.name, sizeof(info.name), "%s", properties.name);
  info.ordinal = ordinal;
  info.major = properties.major;
  info.minor = properties.minor;
  info.multiprocessors = properties.multiProcessorCount;
  info.memory_bytes = static_cast<int64_t>(properties.totalGlobalMem);
  return kOk;
}

Status start_device(Context& c) {
  const OnDevice guard;
  cudaFuncAttributes attributes{};
  const cudaError_t error = cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(probe));
  if (error == cudaErrorNoKernelImageForDevice || error == cudaErrorUnsupportedPtxVersion) {
    return failure("%s has compute capability %d.%d; this library was built for " HL_CUDA_ARCHS, c.info.name,
                   c.info.major, c.info.minor);
  }
  HL_TRY(status_of("cudaFuncGetAttributes", error));
  void* labels = nullptr;
  HL_TRY(status_of("cudaHostAlloc", cudaHostAlloc(&labels, sizeof(LabelSlot), cudaHostAllocMapped)));
  c.labels = new (labels) LabelSlot{};
  HL_TRY(status_of("cudaStreamCreate", cudaStreamCreateWithFlags(&c.stream, cudaStreamNonBlocking)));
  pthread_atfork(nullptr, nullptr, [] { context().forked = true; });
  return kOk;
}

// The event that a DeviceEvent is.
cudaEvent_t event_of(const DeviceEvent* event) {
  return reinterpret_cast<cudaEvent_t>(const_cast<DeviceEvent*>(event));
}

// `later` waits for what is queued on `earlier`.
Status order(cudaStream_t earlier, cudaStream_t later) {
  const OnDevice guard;
  cudaEvent_t event = nullptr;
  HL_TRY(status_of("cudaEventCreate", cudaEventCreateWithFlags(&event, cudaEventDisableTiming)));
  Status status = status_of("cudaEventRecord", cudaEventRecord(event, earlier));
  if (status == kOk) status = status_of("cudaStreamWaitEvent", cudaStreamWaitEvent(later, event, 0));
  cudaEventDestroy(event);
  return status;
}

}  // namespace

const DeviceInfo& device_info() { return context().info; }
cudaStream_t stream() { return context().stream; }
Precision precision() { return context().precision; }
LabelSlot* label_slot() { return context().labels; }

Status status_of(const char* what, cudaError_t error) {
  if (error == cudaSuccess) return kOk;
  cudaGetLastError();  // a failure that was reported must not be met again by the next call
  if (error == cudaErrorMemoryAllocation) return failure("%s failed: %s", what, kOutOfDeviceMemory.data());
  return failure("%s failed: %s", what, cudaGetErrorString(error));
}

Status usable() {
  const Context& c = context();
  if (!c.opened) return "the CUDA device was not opened";
  if (c.forked) return "CUDA was used before fork(); a child process can't use it: start it with spawn instead";
  return kOk;
}

Status usable_at_once(const char* what) {
  HL_TRY(usable());
  return capturing() ? failure("%s during the capture of a step", what) : kOk;
}

OnDevice::OnDevice() {
  const int wanted = context().info.ordinal;
  int current = wanted;
  if (cudaGetDevice(&current) == cudaSuccess && current != wanted) {
    other_ = current;
    cudaSetDevice(wanted);
  }
}

OnDevice::~OnDevice() {
  if (other_ >= 0) cudaSetDevice(other_);
}

Status device_open(int ordinal, DeviceInfo* info) {
  Context& c = context();
  const std::lock_guard lock(c.mutex);
  if (!c.opened) {
    HL_TRY(find_device(ordinal, c.info));
    HL_TRY(start_device(c));
    c.opened = true;
  }
  HL_TRY(usable());
  if (ordinal != c.info.ordinal) return failure("device %d was asked for, %d is open", ordinal, c.info.ordinal);
  *info = c.info;
  return kOk;
}

Status device_synchronize() {
  HL_TRY(usable_at_once("synchronize"));
  const OnDevice guard;
  return status_of("synchronize", cudaStreamSynchronize(stream()));
}

Status device_wait_for(void* other_stream) {
  HL_TRY(usable());
  return order(static_cast<cudaStream_t>(other_stream), stream());
}

Status device_let_wait(void* other_stream) {
  HL_TRY(usable());
  return order(stream(), static_cast<cudaStream_t>(other_stream));
}

Status event_record(DeviceEvent** event) {
  HL_TRY(usable_at_once("event_record"));
  const OnDevice guard;
  cudaEvent_t made = nullptr;
  HL_TRY(status_of("cudaEventCreate", cudaEventCreate(&made)));
  if (const Status status = status_of("cudaEventRecord", cudaEventRecord(made, stream())); status != kOk) {
    cudaEventDestroy(made);
    return status;
  }
  *event = reinterpret_cast<DeviceEvent*>(made);
  return kOk;
}

Status event_elapsed(const DeviceEvent* from, const DeviceEvent* to, double* milliseconds) {
  HL_TRY(usable_at_once("event_elapsed"));
  const OnDevice guard;
  HL_TRY(status_of("cudaEventSynchronize", cudaEventSynchronize(event_of(to))));
  float elapsed = 0;
  HL_TRY(status_of("cudaEventElapsedTime", cudaEventElapsedTime(&elapsed, event_of(from), event_of(to))));
  *milliseconds = elapsed;
  return kOk;
}

void event_release(DeviceEvent* event) {
  if (event != nullptr && usable() == kOk) cudaEventDestroy(event_of(event));
}

bool take_label_error(LabelError* error) {
  LabelSlot* const slot = label_slot();
  if (usable() != kOk || slot->taken == 0) return false;
  *error = slot->error;
  slot->taken = 0;
  return true;
}

Status set_precision(Precision precision) {
  HL_TRY(usable());
  if (precision != Precision::float32 && device_info().major < 8) {
    return failure("%s has compute capability %d.%d; tf32 and bfloat16 need 8.0", device_info().name,
                   device_info().major, device_info().minor);
  }
  context().precision = precision;
  return kOk;
}

}  // namespace hotloop::cuda
