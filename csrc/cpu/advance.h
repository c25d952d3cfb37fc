#pragma once

#include <cstdint>

namespace hotloop::cpu {

/// A pointer into an array that may be absent: null stays null.
template <class T>
T* advance(T* pointer, int64_t count) {
  return pointer != nullptr ? pointer + count : nullptr;
}

}  // namespace hotloop::cpu
