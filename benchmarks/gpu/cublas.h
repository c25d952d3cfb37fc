// cuBLAS, opened where a machine has it, as something to compare with: hotloop itself never loads it.
#pragma once

#include <bit>
#include <memory>

#include "device_timer.h"

namespace measure {

/// Row-major c (n, n) = a (n, n) @ b (n, n) in float32, tf32 or bfloat16 (operands in bfloat16, result in float32).
class Cublas {
 public:
  /// nullptr where no cuBLAS is found.
  static std::unique_ptr<Cublas> open() {
    std::unique_ptr<Cublas> found(new Cublas);
    const char* named = std::getenv("HOTLOOP_CUBLAS");
    for (const char* name : {named, "libcublas.so.13", "libcublas.so.12", "libcublas.so"}) {
      void* file = name != nullptr ? dlopen(name, RTLD_NOW | RTLD_LOCAL) : nullptr;
      if (file == nullptr) continue;
      const auto create = reinterpret_cast<int (*)(void**)>(dlsym(file, "cublasCreate_v2"));
      const auto set_stream = reinterpret_cast<int (*)(void*, void*)>(dlsym(file, "cublasSetStream_v2"));
      found->multiply_ = reinterpret_cast<Multiply>(dlsym(file, "cublasGemmEx"));
      if (create == nullptr || set_stream == nullptr || found->multiply_ == nullptr) continue;
      if (create(&found->handle_) != 0 || set_stream(found->handle_, device().stream()) != 0) continue;
      return found;
    }
    return nullptr;
  }

  Status multiply(Precision precision, int n, const void* a, const void* b, float* c) const {
    // cublas_api.h and library_types.h: CUDA_R_32F, CUDA_R_16BF; CUBLAS_COMPUTE_32F, _32F_FAST_TF32.
    constexpr int real32 = 0, bfloat16 = 14, compute32 = 68, compute_tf32 = 77;
    const int type = precision == Precision::bfloat16 ? bfloat16 : real32;
    const int compute = precision == Precision::tf32 ? compute_tf32 : compute32;
    const float one = 1.0f, zero = 0.0f;
    // Its matrices lie column by column: c's transpose is b's times a's.
    const int status =
        multiply_(handle_, 0, 0, n, n, n, &one, b, type, n, a, type, n, &zero, c, real32, n, compute, -1);
    return status == 0 ? kOk : "cublasGemmEx failed";
  }

 private:
  using Multiply = int (*)(void* handle, int a_transposed, int b_transposed, int m, int n, int k, const void* alpha,
                           const void* a, int a_type, int a_step, const void* b, int b_type, int b_step,
                           const void* beta, void* c, int c_type, int c_step, int compute, int algorithm);
  void* handle_ = nullptr;
  Multiply multiply_ = nullptr;
};

/// The upper halves of floats: bfloat16 numbers.
inline std::vector<uint16_t> upper_halves(const std::vector<float>& values) {
  std::vector<uint16_t> halves;
  for (const float v : values) halves.push_back(static_cast<uint16_t>(std::bit_cast<uint32_t>(v) >> 16));
  return halves;
}

}  // namespace measure
