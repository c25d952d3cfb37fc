// Convolutions whose groups have one channel and one filter each: nothing is gathered and no product is a matrix's.
#pragma once

#include "shapes.h"

namespace hotloop::cpu {

inline bool is_depthwise(const Conv2dShape& s) { return s.groups == s.c && s.groups == s.f && s.c > 1; }

/// y as conv2d's.
template <class T>
void depthwise_conv2d(const Conv2dShape& s, const T* x, const T* w, const T* bias, T* y);
/// dx as conv2d_input_grad's; strides must be 1.
template <class T>
void depthwise_input_grad(const Conv2dShape& s, const T* dy, const T* w, T* dx);
/// dw as conv2d_weight_grad's.
template <class T>
void depthwise_weight_grad(const Conv2dShape& s, const T* x, const T* dy, T* dw);

}  // namespace hotloop::cpu
