// One matrix product in bfloat16, on the unit that multiplies such.
#pragma once

#include "cpu/gemm.h"

namespace hotloop::cpu {

/// c (m, n) = act(a (m, k) @ b (k, n) + bias (n) or null) of operands rounded to bfloat16, on all threads; no size is
/// 0. There is a unit; it takes denormal numbers for zeros.
void gemm_bfloat16(int64_t m, int64_t n, int64_t k, MatrixView<float> a, MatrixView<float> b, const float* bias,
                   ActivationSpec activation, float* c);

}  // namespace hotloop::cpu
