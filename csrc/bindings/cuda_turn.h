// Whose turn it is on the device. All threads share one stream, and while one of them captures a step, whatever reaches
// the stream becomes part of that step: calls of other threads wait until the capture has ended.
#pragma once

#include "runtime/cuda_library.h"

namespace hotloop::bindings {

/// The library, while no other thread captures: every call that queues work, waits for it or takes memory goes through
/// `CudaTurn()->`. One thread may hold several. Waits without the GIL.
/// Raises RuntimeError where nobody opened the device, or another thread's capture does not come to its end.
class CudaTurn {
 public:
  CudaTurn();
  ~CudaTurn();
  CudaTurn(const CudaTurn&) = delete;
  CudaTurn& operator=(const CudaTurn&) = delete;
  const CudaLibrary* operator->() const { return cuda_library(); }

 private:
  bool counted_ = false;
};

/// From begin to end the device is the calling thread's alone; begin waits until no other uses it.
void begin_capturing();
void end_capturing();
/// Whether this thread captures, asked by who holds a CudaTurn.
bool capturing();

}  // namespace hotloop::bindings
