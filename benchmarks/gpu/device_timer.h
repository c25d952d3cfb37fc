// The CUDA library opened by its path, arrays on its device, and how long work takes there.
#pragma once

#include <dlfcn.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "device.h"

namespace measure {

using namespace hotloop;
using Work = std::function<Status()>;

[[noreturn]] inline void stop(const char* text) {
  std::fprintf(stderr, "%s\n", text);
  std::exit(2);
}

inline void require(Status status) {
  if (status != kOk) stop(status);
}

inline const CudaLibrary* library = nullptr;
inline const Backend<float>& kernels() { return library->kernels; }
inline const Device& device() { return library->device; }

/// Opens the file and starts device 0.
inline DeviceInfo open_library(const char* path) {
  void* file = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  void* symbol = file != nullptr ? dlsym(file, kCudaLibrarySymbol) : nullptr;
  if (symbol == nullptr) stop(dlerror());
  library = reinterpret_cast<CudaLibraryFunction>(symbol)();
  if (library->version != kCudaLibraryVersion || library->size != sizeof(CudaLibrary)) {
    stop("the library has another version or layout");
  }
  DeviceInfo info{};
  require(device().open(0, &info));
  return info;
}

/// An array on the device.
template <class T>
class Array {
 public:
  explicit Array(int64_t count) : count_(count) {
    require(device().allocate(count * static_cast<int64_t>(sizeof(T)), &block_));
  }
  explicit Array(const std::vector<T>& values) : Array(static_cast<int64_t>(values.size())) { write(0, values); }
  ~Array() { device().release(block_); }
  Array(const Array&) = delete;
  Array& operator=(const Array&) = delete;
  T* get() const { return static_cast<T*>(block_); }

  void write(int64_t first, const std::vector<T>& values) {
    require(device().copy_in(get() + first, values.data(), static_cast<int64_t>(values.size() * sizeof(T))));
  }
  /// Some random values, over and over: what tensor cores multiply decides how much power they draw.
  void repeat(const std::vector<T>& values) {
    const auto whole = static_cast<int64_t>(values.size());
    for (int64_t first = 0; first < count_; first += whole) {
      write(first, {values.begin(), values.begin() + std::min(whole, count_ - first)});
    }
  }

 private:
  int64_t count_;
  void* block_ = nullptr;
};

inline std::vector<float> random_values(float low, float high) {
  std::minstd_rand numbers(7);
  std::uniform_real_distribution<float> uniform(low, high);
  std::vector<float> values((1 << 20) + 7);
  for (float& v : values) v = uniform(numbers);
  return values;
}

struct Floats : Array<float> {
  explicit Floats(int64_t count, float low = -1.0f, float high = 1.0f) : Array(count) {
    repeat(random_values(low, high));
  }
};

/// Milliseconds that work queued by `queue` takes on the device.
inline double elapsed(const Work& queue) {
  DeviceEvent *begin = nullptr, *end = nullptr;
  require(device().event_record(&begin));
  require(queue());
  require(device().event_record(&end));
  double milliseconds = 0;
  require(device().event_elapsed(begin, end, &milliseconds));
  device().event_release(begin);
  device().event_release(end);
  return milliseconds;
}

/// Milliseconds of one run of `work`: the median of `rounds` rounds of many runs in a row. The runs of a round are one
/// graph, so that what the host needs to queue them is not measured.
inline double time(const Work& work, int rounds, double round_milliseconds) {
  for (int i = 0; i < 3; ++i) require(work());
  const double once = std::max(elapsed(work), 1e-3);
  const int runs = std::clamp(static_cast<int>(round_milliseconds / once), 1, 200);
  DeviceGraph* graph = nullptr;
  require(device().capture_begin());
  for (int i = 0; i < runs; ++i) require(work());
  require(device().capture_end(&graph));
  const Work replay = [&] { return device().replay(graph); };
  require(replay());
  std::vector<double> times;
  for (int i = 0; i < rounds; ++i) times.push_back(elapsed(replay) / runs);
  require(device().synchronize());
  device().graph_release(graph);
  std::nth_element(times.begin(), times.begin() + rounds / 2, times.end());
  return times[static_cast<std::size_t>(rounds / 2)];
}

}  // namespace measure
