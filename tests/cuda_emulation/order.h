// In which order threads, blocks and asynchronous copies take their turns: HOTLOOP_EMULATION_ORDER.
#pragma once

#include <vector>

namespace emulation {

/// Fills it with 0 .. size - 1 forward, in reverse or shuffled.
void put_in_order(std::vector<int>& turns);

/// Whether the asynchronous copy that is asked for now is made now.
bool copies_at_once();

}  // namespace emulation
