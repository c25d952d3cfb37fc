// The functions of csrc/cuda/ptx.cuh for the CPU; include paths put this file in its place.
#pragma once

#include <cuda_runtime.h>

namespace hotloop::cuda {

template <class Struct>
Struct& shared_memory() {
  return *static_cast<Struct*>(emulation::shared_memory);
}

template <int bytes>
void cp_async(void* shared, const void* global, bool inside) {
  emulation::copy_later(shared, global, bytes, inside);
}
inline void cp_async_commit() { emulation::end_copy_group(); }
template <int left>
void cp_async_wait() {
  emulation::wait_for_copies(left);
}

}  // namespace hotloop::cuda
