// What changes from step to step, where kernels read it: on the host as it is, on a device in a copy of its own.
#pragma once

#include <utility>

#include "bindings/array.h"

namespace hotloop::bindings {

/// A StepState with its copy on the device.
class StepCell : public StepState {
 public:
  StepCell() = default;
  ~StepCell() {
    if (there_ != nullptr) cuda_library()->device.release(there_);
  }
  StepCell(StepCell&& other) noexcept : StepState(other), there_(std::exchange(other.there_, nullptr)) {}
  StepCell(const StepCell&) = delete;
  StepCell& operator=(const StepCell&) = delete;

  /// The state where kernels read it. While a step is captured the device's copy stays as it is: upload() before each
  /// replay says what that one is to see.
  const StepState* in(Where where) {
    if (where == Where::cpu) return this;
    if (!capturing()) upload();
    return static_cast<const StepState*>(there_);
  }

  /// Brings the device's copy up to date, queued.
  void upload() {
    const CudaTurn turn;
    const StepState& here = *this;
    if (there_ == nullptr) check_status("step", turn->device.allocate(sizeof(here), &there_));
    check_status("step", turn->device.copy_in(there_, &here, sizeof(here)));
  }

 private:
  void* there_ = nullptr;
};

}  // namespace hotloop::bindings
