// Operands of products in bfloat16, where no unit multiplies such: rounded, and kept as float32.
#pragma once

#include <cstdint>

namespace hotloop::cpu {

/// y (n) = x (n) rounded to the nearest bfloat16, ties to even; NaN stays NaN; y may be x.
void round_to_bfloat16(int64_t n, const float* x, float* y);

}  // namespace hotloop::cpu
