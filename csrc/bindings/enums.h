// The enums of shapes.h under their Python names: {name: number}, so that a call passes a small integer.
#pragma once

#include "bindings/array.h"

namespace hotloop::bindings {

/// Adds module.<table> = {"name": number, ...}.
inline void export_names(py::module_& m, const char* table, std::initializer_list<const char*> names) {
  py::dict numbers;
  int number = 0;
  for (const char* name : names) numbers[name] = number++;
  m.attr(table) = numbers;
}

#define HL_NAME(name) #name,

}  // namespace hotloop::bindings
