// How a kernel reports a label outside [0, classes): into memory that the host reads after its next synchronisation.
#pragma once

#include "cuda/common.cuh"

namespace hotloop::cuda {

struct LabelSlot {
  unsigned taken;
  LabelError error;
};

/// Host memory that kernels write; to be given to a kernel as it is.
LabelSlot* label_slot();

/// Keeps the first report until the host takes it.
__device__ inline void report_label(LabelSlot* slot, int64_t row, int64_t label, int64_t classes) {
  if (atomicCAS(&slot->taken, 0u, 1u) == 0u) slot->error = {row, label, classes};
}

}  // namespace hotloop::cuda
