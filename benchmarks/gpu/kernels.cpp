// How long the CUDA library's kernels take, from its table alone: kernels LIBRARY [--tiny] prints a line of JSON for
// the device and one for each case. cuBLAS stands beside the products where the machine has it.
//
//   g++ -std=c++20 -O2 -Icsrc benchmarks/gpu/kernels.cpp -o kernels -ldl && ./kernels libhotloop_cuda.so
//
// flop counts a product and a sum as two; bytes are those that must be read and written once.
#include <cinttypes>
#include <cstring>

#include "cublas.h"

namespace measure {
namespace {

bool tiny = false;

constexpr const char* kPrecisions[] = {"float32", "tf32", "bfloat16", "tf32x3"};

struct Case {
  const char* kernel;
  std::vector<int64_t> size;  // matmul: n; conv: n, h, w, c, f; cross-entropy: rows, classes; else elements
  Precision precision = Precision::float32;
  double flop = 0, bytes = 0;
};

double measured(const Work& work) { return tiny ? time(work, 1, 0) : time(work, 7, 30); }

std::string list(const std::vector<int64_t>& sizes) {
  std::string text;
  for (const int64_t size : sizes) text += (text.empty() ? "[" : ", ") + std::to_string(size);
  return text + "]";
}

void print(const Case& c, double milliseconds, const char* peer = nullptr, double peer_milliseconds = 0) {
  std::printf("{\"kernel\": \"%s\", \"size\": %s, \"precision\": \"%s\", \"flop\": %.0f, \"bytes\": %.0f, \"ms\": %.6g",
              c.kernel, list(c.size).c_str(), kPrecisions[static_cast<int>(c.precision)], c.flop, c.bytes,
              milliseconds);
  if (peer != nullptr) std::printf(", \"peer\": \"%s\", \"peer_ms\": %.6g", peer, peer_milliseconds);
  std::printf("}\n");
  std::fflush(stdout);
}

/// The device as the library and the driver describe it; the driver's clocks are 0 where there is none.
void print_device(const DeviceInfo& info) {
  int clock = 0, memory_clock = 0, bus = 0;
  void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  const auto attribute =
      driver == nullptr ? nullptr : reinterpret_cast<int (*)(int*, int, int)>(dlsym(driver, "cuDeviceGetAttribute"));
  if (attribute != nullptr) {
    // CU_DEVICE_ATTRIBUTE_CLOCK_RATE, _MEMORY_CLOCK_RATE (kHz), _GLOBAL_MEMORY_BUS_WIDTH (bits).
    attribute(&clock, 13, info.ordinal);
    attribute(&memory_clock, 36, info.ordinal);
    attribute(&bus, 37, info.ordinal);
  }
  std::printf("{\"device\": \"%s\", \"capability\": \"%d.%d\", \"multiprocessors\": %d, \"memory_bytes\": %" PRId64
              ", \"driver\": %d, \"runtime\": %d, \"clock_khz\": %d, \"memory_clock_khz\": %d, \"bus_bits\": %d}\n",
              info.name, info.major, info.minor, info.multiprocessors, info.memory_bytes, info.driver_version,
              info.runtime_version, clock, memory_clock, bus);
}

void measure_products(const DeviceInfo& info) {
  const std::unique_ptr<Cublas> cublas = Cublas::open();
  for (const int n : tiny ? std::vector{96} : std::vector{1024, 4096, 8192}) {
    const int64_t size = int64_t{n} * n;
    const Floats a(size), b(size), c(size);
    Array<uint16_t> half_a(size), half_b(size);
    half_a.repeat(upper_halves(random_values(-1.0f, 1.0f)));
    half_b.repeat(upper_halves(random_values(-1.0f, 1.0f)));
    MatmulShape s{};
    s.m = s.n = s.k = n;
    s.a_row = s.b_row = n;
    s.a_col = s.b_col = 1;
    for (const Precision precision : {Precision::float32, Precision::tf32x3, Precision::tf32, Precision::bfloat16}) {
      if (info.major < 8 && precision != Precision::float32) continue;
      require(device().set_precision(precision));
      const Case one = {"matmul", {n}, precision, 2.0 * n * n * n, 12.0 * n * n};
      const double ours = measured([&] { return kernels().matmul(s, a.get(), b.get(), nullptr, c.get()); });
      if (cublas == nullptr) {
        print(one, ours);
        continue;
      }
      const bool halves = precision == Precision::bfloat16;
      const void *peer_a = halves ? static_cast<void*>(half_a.get()) : a.get(),
                 *peer_b = halves ? static_cast<void*>(half_b.get()) : b.get();
      // Of float32's accuracy it has float32 alone.
      const Precision rival = precision == Precision::tf32x3 ? Precision::float32 : precision;
      const double theirs = measured([&] { return cublas->multiply(rival, n, peer_a, peer_b, c.get()); });
      print(one, ours, rival == precision ? "cuBLAS" : "cuBLAS float32", theirs);
    }
  }
  require(device().set_precision(Precision::float32));
}

Conv2dShape conv_shape(int64_t n, int64_t size, int64_t c, int64_t f) {
  Conv2dShape s{};
  s.n = n;
  s.h = s.w = size;
  s.c = c;
  s.kh = s.kw = 3;
  s.f = f;
  s.oh = s.ow = size - 2;
  return s;
}

void measure_convolution(const Conv2dShape& s, bool pooled) {
  const int64_t x_size = s.n * s.h * s.w * s.c, w_size = 9 * s.c * s.f, y_size = s.n * s.oh * s.ow * s.f;
  const Floats x(x_size), w(w_size), bias(s.f), dy(y_size), y(y_size), dx(x_size), dw(w_size);
  const double flop = 2.0 * 9 * static_cast<double>(s.c * y_size),
               all = 4.0 * static_cast<double>(x_size + y_size + w_size);
  const auto of = [&](const char* kernel) {
    return Case{kernel, {s.n, s.h, s.w, s.c, s.f}, Precision::float32, flop, all};
  };
  print(of("conv2d"), measured([&] { return kernels().conv2d(s, x.get(), w.get(), bias.get(), y.get()); }));
  print(of("conv2d_input_grad"), measured([&] { return kernels().conv2d_input_grad(s, dy.get(), w.get(), dx.get()); }));
  print(of("conv2d_weight_grad"),
        measured([&] { return kernels().conv2d_weight_grad(s, x.get(), dy.get(), dw.get()); }));
  if (!pooled) return;
  ConvPoolShape p{};
  p.conv = s;
  p.conv.activation.kind = Activation::relu;
  p.pool_h = p.pool_w = 2;
  p.oh = s.oh / 2;
  p.ow = s.ow / 2;
  const Array<uint8_t> argmax(y_size);
  require(device().fill(argmax.get(), 0, y_size));
  print(of("conv2d_max_pool2d"),
        measured([&] { return kernels().conv2d_max_pool2d(p, x.get(), w.get(), bias.get(), y.get(), argmax.get()); }));
  print(of("conv2d_max_pool2d_grad"), measured([&] {
          return kernels().conv2d_max_pool2d_grad(p, x.get(), w.get(), y.get(), argmax.get(), dy.get(), dx.get(),
                                                  dw.get(), bias.get());
        }));
}

void measure_convolutions() {
  if (tiny) return measure_convolution(conv_shape(2, 8, 4, 8), true);
  for (const int64_t batch : {128, 1024}) {
    measure_convolution(conv_shape(batch, 28, 1, 32), true);  // the two layers of the MNIST network
    measure_convolution(conv_shape(batch, 13, 32, 64), true);
  }
  measure_convolution(conv_shape(32, 58, 64, 64), false);
  measure_convolution(conv_shape(32, 16, 256, 256), false);
}

void measure_cross_entropy(int64_t rows, int64_t classes) {
  const Floats logits(rows * classes, -4.0f, 4.0f), gradient(rows * classes), loss(1);
  std::vector<int64_t> values(static_cast<std::size_t>(rows));
  for (int64_t i = 0; i < rows; ++i) values[static_cast<std::size_t>(i)] = i * 7919 % classes;
  const Array<int64_t> labels(values);
  CrossEntropySpec s{};
  s.rows = rows;
  s.classes = classes;
  const Case one = {
      "softmax_cross_entropy", {rows, classes}, Precision::float32, 0, 8.0 * static_cast<double>(rows * classes)};
  print(one, measured([&] {
          return kernels().softmax_cross_entropy(s, logits.get(), labels.get(), nullptr, nullptr, nullptr, loss.get(),
                                                 gradient.get());
        }));
}

// Sizes beyond every cache: what is measured is memory.
void measure_memory_bound() {
  const int64_t n = tiny ? 1000 : int64_t{64} << 20;
  const auto of = [&](const char* kernel, double bytes) {
    return Case{kernel, {n}, Precision::float32, 0, bytes * static_cast<double>(n)};
  };
  const Floats g(n), w(n), m(n, 0.0f, 0.1f), v(n, 0.0f, 0.1f);
  const Array<StepState> state(std::vector{StepState{1e-3, 10, 1.0}});
  print(of("copy", 8), measured([&] { return device().copy(w.get(), g.get(), 4 * n); }));
  print(of("adam", 28),
        measured([&] { return kernels().adam({}, state.get(), n, g.get(), w.get(), m.get(), v.get(), nullptr); }));
  print(of("sgd", 12), measured([&] { return kernels().sgd({}, state.get(), n, g.get(), w.get(), nullptr); }));
  print(of("relu", 8), measured([&] { return kernels().activation({Activation::relu, 0.0}, n, g.get(), w.get()); }));
  print(of("gelu", 8), measured([&] { return kernels().activation({Activation::gelu, 0.0}, n, g.get(), w.get()); }));
  print(of("accumulate", 12), measured([&] { return kernels().accumulate(n, g.get(), w.get()); }));
  const ReduceShape all{1, {n}, 1};
  print(of("sum", 4), measured([&] { return kernels().reduce(ReduceOp::sum, all, g.get(), w.get()); }));
  if (tiny) return measure_cross_entropy(20, 10);
  measure_cross_entropy(1 << 20, 10);
  measure_cross_entropy(65536, 1000);
  measure_cross_entropy(8192, 32000);
}

}  // namespace
}  // namespace measure

int main(int argc, char** argv) {
  using namespace measure;
  if (argc < 2) stop("kernels LIBRARY [--tiny]");
  tiny = argc > 2 && std::strcmp(argv[2], "--tiny") == 0;
  const DeviceInfo info = open_library(argv[1]);
  print_device(info);
  measure_products(info);
  measure_convolutions();
  measure_memory_bound();
}
