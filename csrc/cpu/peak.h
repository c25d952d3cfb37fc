// The machine's peaks as the benchmarks measure them, with the threads and the tier in use.
#pragma once

#include <cstdint>

namespace hotloop::cpu {

/// Floating-point operations a second: the best of several runs of products that stay in registers, on all threads.
template <class T>
double peak_operations();

/// Bytes a second, read and written, of the best of several copies of n elements, on all threads.
template <class T>
double copy_bandwidth(int64_t n);

}  // namespace hotloop::cpu
