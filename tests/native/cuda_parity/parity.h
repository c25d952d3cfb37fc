// A kernel of the CUDA library's table beside the CPU's, on the same numbers. Every family has a file here whose rows
// register themselves; a row makes its inputs, calls both kernels and compares.
#pragma once

#include <cmath>
#include <cstdio>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "device.h"

namespace parity {

using namespace hotloop;

const Backend<float>& cpu();
const Backend<float>& cuda();
const Device& device();

/// Whether the device multiplies in it; where it doesn't, the row is reported as run in part.
bool has(Precision precision);

/// Ends the program with the text where it is one.
void require(Status status);

/// Numbers that are the same in every run.
float uniform(float low, float high);
int64_t below(int64_t limit);

/// An array of both sides.
template <class T>
class Twin {
 public:
  /// `count` elements of NaN bits, beginning `offset` elements into its block.
  explicit Twin(int64_t count, int64_t offset = 0) : host(static_cast<std::size_t>(count)), offset_(offset) {
    if (count == 0) host.reserve(1);  // even an empty array lies somewhere
    if (count > 0) std::memset(static_cast<void*>(host.data()), 0xFF, host.size() * sizeof(T));
    require(device().allocate((count + offset) * static_cast<int64_t>(sizeof(T)), &block_));
    upload();
  }
  ~Twin() { device().release(block_); }
  Twin(const Twin&) = delete;
  Twin& operator=(const Twin&) = delete;

  T* on_device() { return static_cast<T*>(block_) + offset_; }
  void upload() { require(device().copy_in(on_device(), host.data(), bytes())); }
  std::vector<T> download() {
    std::vector<T> result(host.size());
    require(device().copy_out(result.data(), on_device(), bytes()));
    return result;
  }
  operator T*() { return host.data(); }

  std::vector<T> host;

 private:
  int64_t bytes() const { return static_cast<int64_t>(host.size() * sizeof(T)); }
  int64_t offset_;
  void* block_ = nullptr;
};

struct Floats : Twin<float> {
  using Twin::Twin;
  /// Fills it with numbers between low and high.
  Floats& fill(float low = -1.0f, float high = 1.0f);
  /// The same between -4 and 4, with numbers of every size, both zeros, infinities and NaN in front.
  Floats& fill_with_extremes();
};

/// The device's side of an argument.
template <class T>
T* there(Twin<T>& twin) {
  return twin.on_device();
}
template <class T>
T* there(Twin<T>* twin) {
  return twin != nullptr ? twin->on_device() : nullptr;
}
/// The host's side.
template <class T>
T* here(Twin<T>& twin) {
  return twin.host.data();
}
template <class T>
T* here(Twin<T>* twin) {
  return twin != nullptr ? twin->host.data() : nullptr;
}

/// Notes a failure of the row that runs.
void fail(const std::string& text);

/// Both sides within absolute + relative * |expected|, NaN beside NaN, infinities equal.
void compare(const std::string& what, Floats& array, double relative, double absolute);

/// Both sides the same.
template <class T>
void compare_exactly(const std::string& what, Twin<T>& array) {
  const std::vector<T> found = array.download();
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (std::memcmp(&found[i], &array.host[i], sizeof(T)) != 0) {
      fail(what + ": element " + std::to_string(i) + " is " + std::to_string(found[i]) + ", the CPU has " +
           std::to_string(array.host[i]));
      return;
    }
  }
}

/// A row: registers itself under the kernel's name.
class Row {
 public:
  Row(const char* name, void (*run)());
  const char* name;
  void (*run)();
};

}  // namespace parity
