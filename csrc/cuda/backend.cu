// The library's table and its one exported symbol.
#include "cuda/common.cuh"
#include "cuda/device.cuh"

namespace hotloop::cuda {
namespace {

const CudaLibrary kLibrary = {
    .version = kCudaLibraryVersion,
    .size = sizeof(CudaLibrary),
    .kernels =
        {
#define HL_KERNEL(name, ...) .name = &cuda::name,
#include "kernels.h"
#undef HL_KERNEL
        },
    .device = kDevice,
};

}  // namespace
}  // namespace hotloop::cuda

extern "C" __attribute__((visibility("default"))) const hotloop::CudaLibrary* hotloop_cuda_library() {
  return &hotloop::cuda::kLibrary;
}
