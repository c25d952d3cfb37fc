#include "bindings/errors.h"

#include <stdexcept>

#include "device.h"
#include "runtime/memory.h"

namespace hotloop::bindings {

std::string to_string(const Shape& shape) {
  std::string result = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) result += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return result + (shape.size() == 1 ? ",)" : ")");
}

void value_error(const std::string& op, const std::string& message) {
  throw py::value_error("[" + op + "] " + message);
}

void type_error(const std::string& op, const std::string& message) { throw py::type_error("[" + op + "] " + message); }

void raise_status(const char* op, Status status) {
  const std::string message = text("[", op, "] ", status);
  if (message.find(kOutOfDeviceMemory) == std::string::npos) throw std::runtime_error(message);
  PyErr_SetString(PyExc_MemoryError, message.c_str());
  throw py::error_already_set();
}

void raise_out_of_memory(const char* op, const std::bad_alloc& error) {
  // Where even the text finds no memory, Python raises a MemoryError without one.
  if (const auto* known = dynamic_cast<const OutOfMemory*>(&error)) {
    PyErr_Format(PyExc_MemoryError, "[%s] out of memory: no block of %zu bytes", op, known->bytes);
  } else {
    PyErr_Format(PyExc_MemoryError, "[%s] out of memory", op);
  }
  throw py::error_already_set();
}

}  // namespace hotloop::bindings
