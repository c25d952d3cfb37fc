// The CPU's table: every slot of kernels.h, filled by name.
#include "backend.h"

namespace hotloop {

template <class T>
const Backend<T>& cpu_backend() {
  static const Backend<T> table = {
#define HL_KERNEL(name, ...) .name = &cpu::name<T>,
#include "kernels.h"
#undef HL_KERNEL
  };
  return table;
}

template const Backend<float>& cpu_backend<float>();
template const Backend<double>& cpu_backend<double>();

}  // namespace hotloop
