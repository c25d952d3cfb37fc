// Runs every row, or those whose name contains a word: cuda_parity LIBRARY [WORD]
#include "parity.h"

#include <dlfcn.h>

#include <cstdlib>
#include <random>

namespace parity {
namespace {

const CudaLibrary* library = nullptr;
DeviceInfo info{};
int failures = 0;
bool in_part = false;

std::vector<const Row*>& rows() {
  static std::vector<const Row*> all;
  return all;
}

std::minstd_rand& numbers() {
  static std::minstd_rand one(7);
  return one;
}

}  // namespace

const Backend<float>& cpu() { return cpu_backend<float>(); }
const Backend<float>& cuda() { return library->kernels; }
const Device& device() { return library->device; }

bool has(Precision precision) {
  const bool it_has = precision == Precision::float32 || info.major >= 8;
  in_part |= !it_has;
  return it_has;
}

void require(Status status) {
  if (status == kOk) return;
  std::fprintf(stderr, "%s\n", status);
  std::exit(2);
}

float uniform(float low, float high) { return std::uniform_real_distribution<float>(low, high)(numbers()); }
int64_t below(int64_t limit) { return std::uniform_int_distribution<int64_t>(0, limit - 1)(numbers()); }

Floats& Floats::fill(float low, float high) {
  for (float& v : host) v = uniform(low, high);
  upload();
  return *this;
}

Floats& Floats::fill_with_extremes() {
  fill(-4.0f, 4.0f);
  const float special[] = {0.0f,    -0.0f, INFINITY, -INFINITY, NAN,   1e-40f,
                           -1e-40f, 88.0f, -88.0f,   -100.0f,   1e30f, -1e30f};
  for (std::size_t i = 0; i < std::size(special) && i < host.size(); ++i) host[i] = special[i];
  upload();
  return *this;
}

void fail(const std::string& text) {
  ++failures;
  std::printf("FAILED %s\n", text.c_str());
}

void compare(const std::string& what, Floats& array, double relative, double absolute) {
  const std::vector<float> found = array.download();
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double got = found[i], want = array.host[i];
    const bool same = got == want || (std::isnan(got) && std::isnan(want));
    if (same || std::abs(got - want) <= absolute + relative * std::abs(want)) continue;
    fail(what + ": element " + std::to_string(i) + " is " + std::to_string(got) + ", the CPU has " +
         std::to_string(want));
    return;
  }
}

Row::Row(const char* name_, void (*run_)()) : name(name_), run(run_) { rows().push_back(this); }

}  // namespace parity

int main(int argc, char** argv) {
  using namespace parity;
  if (argc < 2) {
    std::fprintf(stderr, "cuda_parity LIBRARY [WORD]\n");
    return 2;
  }
  void* opened = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  void* symbol = opened != nullptr ? dlsym(opened, kCudaLibrarySymbol) : nullptr;
  if (symbol == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    return 2;
  }
  library = reinterpret_cast<CudaLibraryFunction>(symbol)();
  if (library->version != kCudaLibraryVersion || library->size != sizeof(CudaLibrary)) {
    std::fprintf(stderr, "the library has another version or layout\n");
    return 2;
  }
  require(device().open(0, &info));
  std::printf("%s, compute capability %d.%d\n", info.name, info.major, info.minor);
  int ran = 0, failed = 0;
  for (const Row* row : rows()) {
    if (argc > 2 && std::strstr(row->name, argv[2]) == nullptr) continue;
    const int before = failures;
    in_part = false;
    numbers().seed(7);  // a row's numbers don't depend on the rows before it
    row->run();
    require(device().synchronize());
    ++ran;
    failed += failures > before;
    std::printf("%s %s\n", failures > before ? "FAILED" : in_part ? "ok in part" : "ok", row->name);
  }
  std::printf("%d passed, %d failed\n", ran - failed, failed);
  return failed == 0 && ran > 0 ? 0 : 1;
}
