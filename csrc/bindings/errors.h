// What goes wrong, as Python raises it: each error names the op.
#pragma once

#include <pybind11/pybind11.h>

#include <new>
#include <string>
#include <type_traits>

#include "bindings/shape.h"
#include "shapes.h"

namespace hotloop::bindings {

namespace py = pybind11;

std::string to_string(const Shape& shape);

/// Raises ValueError / TypeError "[op] message".
[[noreturn]] void value_error(const std::string& op, const std::string& message);
[[noreturn]] void type_error(const std::string& op, const std::string& message);

/// Joins its arguments to one text; shapes print as Python tuples.
template <class... A>
std::string text(const A&... parts) {
  const auto one = [](const auto& part) -> std::string {
    using P = std::remove_cvref_t<decltype(part)>;
    if constexpr (std::is_same_v<P, Shape>) {
      return to_string(part);
    } else if constexpr (std::is_arithmetic_v<P>) {
      return py::str(py::cast(part)).template cast<std::string>();
    } else {
      return std::string(part);
    }
  };
  return (one(parts) + ...);
}

/// Raises RuntimeError with the text of a kernel that failed, MemoryError where it lacked memory.
[[noreturn]] void raise_status(const char* op, Status status);
inline void check_status(const char* op, Status status) {
  if (status != kOk) raise_status(op, status);
}

/// Raises MemoryError that names the op, and the bytes where they are known.
[[noreturn]] void raise_out_of_memory(const char* op, const std::bad_alloc& error);

/// f(), whose lack of memory is raised as a MemoryError that names the op.
template <class F>
auto or_out_of_memory(const char* op, F&& f) {
  try {
    return f();
  } catch (const std::bad_alloc& error) {
    raise_out_of_memory(op, error);
  }
}

}  // namespace hotloop::bindings
