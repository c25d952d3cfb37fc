// Backend<T>: a table of functions, one slot a kernel of kernels.h. Bindings call slots and never know whose they are.
#pragma once

#include "shapes.h"

namespace hotloop {

template <class T>
struct Backend {
#define HL_KERNEL(name, ...) Status (*name)(__VA_ARGS__) = nullptr;
#include "kernels.h"
#undef HL_KERNEL
};

namespace cpu {
#define HL_KERNEL(name, ...) \
  template <class T>         \
  Status name(__VA_ARGS__);
#include "kernels.h"
#undef HL_KERNEL
}  // namespace cpu

/// The CUDA library's, float32 alone.
namespace cuda {
using T = float;
#define HL_KERNEL(name, ...) Status name(__VA_ARGS__);
#include "kernels.h"
#undef HL_KERNEL
}  // namespace cuda

/// The CPU's table; defined in cpu/backend.cpp.
template <class T>
const Backend<T>& cpu_backend();

}  // namespace hotloop
