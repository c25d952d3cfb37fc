#include "runtime/cuda_library.h"

#include <dlfcn.h>

#include <atomic>
#include <mutex>

namespace hotloop {
namespace {

std::atomic<const CudaLibrary*> opened = nullptr;
DeviceInfo device{};

const CudaLibrary* load(const std::string& path, std::string& reason) {
  void* file = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (file == nullptr) {
    reason = std::string("its CUDA library can't be opened: ") + dlerror();
    return nullptr;
  }
  const auto get = reinterpret_cast<CudaLibraryFunction>(dlsym(file, kCudaLibrarySymbol));
  if (get == nullptr) {
    reason = "its CUDA library is none of hotloop's: " + path;
    return nullptr;
  }
  const CudaLibrary* library = get();
  if (library->version != kCudaLibraryVersion || library->size != sizeof(CudaLibrary)) {
    const auto name = [](uint32_t version, uint64_t size) {
      return std::to_string(version) + " of " + std::to_string(size) + " bytes";
    };
    reason = "its CUDA library is of another version of hotloop: " + path + " has interface " +
             name(library->version, library->size) + ", wanted is " + name(kCudaLibraryVersion, sizeof(CudaLibrary));
    return nullptr;
  }
  return library;
}

}  // namespace

std::string open_cuda(const std::string& path, int ordinal) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  if (opened != nullptr) return {};
  std::string reason;
  const CudaLibrary* library = load(path, reason);
  if (library == nullptr) return reason;
  if (const Status status = library->device.open(ordinal, &device); status != kOk) return status;
  opened = library;
  return {};
}

const CudaLibrary* cuda_library() { return opened; }

const DeviceInfo& cuda_device() { return device; }

}  // namespace hotloop
