// Operands of products in bfloat16.
#pragma once

#include <cstdint>

#include "shapes.h"

namespace hotloop::cpu {

/// Name of the unit in use that multiplies such, or null.
const char* bfloat16_unit_name();

/// Whether that unit had better do a convolution and its gradients.
bool unit_convolves(const Conv2dShape& s);

/// y (n) = x (n) rounded to the nearest bfloat16, ties to even, as float; NaN stays NaN; y may be x.
void round_to_bfloat16(int64_t n, const float* x, float* y);

}  // namespace hotloop::cpu
