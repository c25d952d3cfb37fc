// The extents of an array, in place: every call makes several of them, and small ops should not wait for the heap.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <vector>

namespace hotloop::bindings {

using Pair = std::array<int64_t, 2>;  // rows, columns

class Shape {
 public:
  static constexpr std::size_t kCapacity = 64;  // NumPy's own limit

  Shape() = default;
  Shape(std::initializer_list<int64_t> extents) : Shape(extents.begin(), extents.end()) {}
  template <class Iterator>
  Shape(Iterator first, Iterator last) {
    insert(begin(), first, last);
  }
  Shape(const Shape& other) : Shape(other.begin(), other.end()) {}
  Shape& operator=(const Shape& other) {
    size_ = other.size_;
    std::copy(other.begin(), other.end(), extents_);
    return *this;
  }

  std::size_t size() const { return size_; }
  int64_t* begin() { return extents_; }
  int64_t* end() { return extents_ + size_; }
  const int64_t* begin() const { return extents_; }
  const int64_t* end() const { return extents_ + size_; }
  const int64_t* data() const { return extents_; }
  int64_t& operator[](std::size_t axis) { return extents_[axis]; }
  int64_t operator[](std::size_t axis) const { return extents_[axis]; }
  int64_t back() const { return extents_[size_ - 1]; }

  void resize(std::size_t size) { size_ = checked(size); }
  void push_back(int64_t extent) {
    resize(size_ + 1);
    extents_[size_ - 1] = extent;
  }
  template <class Iterator>
  void insert(int64_t* at, Iterator first, Iterator last) {
    int64_t* const old_end = end();
    resize(size_ + static_cast<std::size_t>(last - first));
    std::copy_backward(at, old_end, end());
    std::copy(first, last, at);
  }
  void insert(int64_t* at, int64_t extent) { insert(at, &extent, &extent + 1); }

  bool operator==(const Shape& other) const { return std::equal(begin(), end(), other.begin(), other.end()); }

 private:
  static std::size_t checked(std::size_t size) {
    if (size > kCapacity) throw std::length_error("an array of more than 64 dimensions");
    return size;
  }

  std::size_t size_ = 0;
  int64_t extents_[kCapacity];
};

}  // namespace hotloop::bindings

/// From any sequence of Python integers.
template <>
struct pybind11::detail::type_caster<hotloop::bindings::Shape> {
  PYBIND11_TYPE_CASTER(hotloop::bindings::Shape, const_name("tuple[int, ...]"));

  bool load(handle source, bool convert) {
    make_caster<std::vector<int64_t>> extents;
    if (!extents.load(source, convert)) return false;
    const std::vector<int64_t>& list = cast_op<std::vector<int64_t>&>(extents);
    value = hotloop::bindings::Shape(list.begin(), list.end());
    return true;
  }
};
