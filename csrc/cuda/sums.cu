#include "cuda/sums.cuh"

#include "cuda/ptx.cuh"

namespace hotloop::cuda {
namespace {

constexpr int kThreads = 512;

template <class E>
__global__ void __launch_bounds__(kThreads) add_partials(int64_t count, SumTarget<E> target) {
  double mine = 0;
  for (int64_t i = threadIdx.x; i < count; i += kThreads) mine += target.partial[i];
  add_to_sum(mine, target, shared_memory<SumMemory>().part);
}

template <class E>
Status launch_end(const char* name, const Cut& cut, const SumTarget<E>& target) {
  if (cut.one_block()) return kOk;
  return launch(name, add_partials<E>, dim3(1), kThreads, sizeof(SumMemory), cut.blocks(), target);
}

}  // namespace

Status end_sum(const char* name, const Cut& cut, const SumTarget<float>& target) {
  return launch_end(name, cut, target);
}
Status end_sum(const char* name, const Cut& cut, const SumTarget<double>& target) {
  return launch_end(name, cut, target);
}

}  // namespace hotloop::cuda
