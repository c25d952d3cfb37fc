// The CUDA library: opened on first use, so that a process which never asks for device="cuda" never meets it.
#pragma once

#include <string>

#include "device.h"

namespace hotloop {

/// Opens the library file and starts a device, once a process; empty, or why that can't be.
std::string open_cuda(const std::string& path, int ordinal);

/// The library, or nullptr where none was opened.
const CudaLibrary* cuda_library();
/// The device that open_cuda started.
const DeviceInfo& cuda_device();

}  // namespace hotloop
