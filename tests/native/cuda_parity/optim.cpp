#include <algorithm>
#include <functional>

#include "parity.h"

namespace parity {
namespace {

/// An optimizer's buffers, and the state of the step on both sides.
struct Buffers {
  explicit Buffers(int64_t n_, int64_t offset) : n(n_), g(n, offset), w(n), a(n), b(n), c(n), state(1) {
    g.fill(-4.0f, 4.0f);
    // Nothing whose square overflows: what becomes of that hangs on which products are fused with sums.
    const float special[] = {0.0f, -0.0f, NAN, INFINITY, 1e-30f};
    std::copy_n(special, std::min<int64_t>(n, std::size(special)), g.host.begin());
    g.upload();
    w.fill();
    for (Floats* moment : {&a, &b, &c}) moment->fill(0.0f, 0.0f);
  }
  void begin_step(int64_t step) {
    state.host[0] = {0.01 / static_cast<double>(step), step, 0.9 / static_cast<double>(step)};
    state.upload();
  }
  int64_t n;
  Floats g, w, a, b, c;
  Twin<StepState> state;
};

using Step = std::function<void(Buffers&)>;

/// Some steps on both sides; what they leave is compared.
void compare_steps(const char* name, const Step& step) {
  for (const auto& [n, offset] : {std::pair<int64_t, int64_t>{0, 0}, {1, 1}, {1031, 1}, {70001, 0}}) {
    Buffers buffers(n, offset);
    for (int64_t i = 1; i <= 3; ++i) {
      buffers.begin_step(i);
      step(buffers);
    }
    compare(std::string(name) + "'s weights", buffers.w, 1e-6, 1e-6);
    for (Floats* moment : {&buffers.a, &buffers.b, &buffers.c}) compare(name, *moment, 2e-6, 1e-6);
  }
}

const Row sgd("sgd", [] {
  for (const SgdSpec& s : {SgdSpec{}, SgdSpec{.weight_decay = 0.1}}) {
    compare_steps("sgd", [&](Buffers& b) {
      require(cpu().sgd(s, here(b.state), b.n, here(b.g), here(b.w), nullptr));
      require(cuda().sgd(s, there(b.state), b.n, there(b.g), there(b.w), nullptr));
    });
  }
  for (const SgdSpec& s : {SgdSpec{.momentum = 0.9, .dampening = 0.3}, SgdSpec{.momentum = 0.9, .nesterov = true}}) {
    compare_steps("sgd with momentum", [&](Buffers& b) {
      require(cpu().sgd(s, here(b.state), b.n, here(b.g), here(b.w), here(b.a)));
      require(cuda().sgd(s, there(b.state), b.n, there(b.g), there(b.w), there(b.a)));
    });
  }
});

const Row adam("adam", [] {
  for (const AdamSpec& s : {AdamSpec{}, AdamSpec{.weight_decay = 0.1}, AdamSpec{.weight_decay = 0.1, .decoupled = true},
                            AdamSpec{.amsgrad = true}}) {
    compare_steps("adam", [&](Buffers& b) {
      require(cpu().adam(s, here(b.state), b.n, here(b.g), here(b.w), here(b.a), here(b.b),
                         s.amsgrad ? here(b.c) : nullptr));
      require(cuda().adam(s, there(b.state), b.n, there(b.g), there(b.w), there(b.a), there(b.b),
                          s.amsgrad ? there(b.c) : nullptr));
    });
  }
});

const Row nadam("nadam", [] {
  compare_steps("nadam", [](Buffers& b) {
    const NadamSpec s{.weight_decay = 0.1};
    require(cpu().nadam(s, here(b.state), b.n, here(b.g), here(b.w), here(b.a), here(b.b)));
    require(cuda().nadam(s, there(b.state), b.n, there(b.g), there(b.w), there(b.a), there(b.b)));
  });
});

const Row rmsprop("rmsprop", [] {
  for (const bool centered : {false, true}) {
    for (const double momentum : {0.0, 0.9}) {
      const RmspropSpec s{.momentum = momentum, .centered = centered};
      compare_steps("rmsprop", [&](Buffers& b) {
        require(cpu().rmsprop(s, here(b.state), b.n, here(b.g), here(b.w), here(b.a), centered ? here(b.b) : nullptr,
                              momentum > 0 ? here(b.c) : nullptr));
        require(cuda().rmsprop(s, there(b.state), b.n, there(b.g), there(b.w), there(b.a),
                               centered ? there(b.b) : nullptr, momentum > 0 ? there(b.c) : nullptr));
      });
    }
  }
});

const Row adagrad("adagrad", [] {
  compare_steps("adagrad", [](Buffers& b) {
    const AdagradSpec s{.lr_decay = 0.1};
    require(cpu().adagrad(s, here(b.state), b.n, here(b.g), here(b.w), here(b.a)));
    require(cuda().adagrad(s, there(b.state), b.n, there(b.g), there(b.w), there(b.a)));
  });
});

const Row lion("lion", [] {
  compare_steps("lion", [](Buffers& b) {
    const LionSpec s{.weight_decay = 0.1};
    require(cpu().lion(s, here(b.state), b.n, here(b.g), here(b.w), here(b.a)));
    require(cuda().lion(s, there(b.state), b.n, there(b.g), there(b.w), there(b.a)));
  });
});

const Row replayed("adam, captured once and replayed", [] {
  Buffers b(1031, 0);
  DeviceGraph* graph = nullptr;
  require(device().capture_begin());
  require(cuda().adam({}, there(b.state), b.n, there(b.g), there(b.w), there(b.a), there(b.b), nullptr));
  require(device().capture_end(&graph));
  for (int64_t i = 1; i <= 3; ++i) {
    b.begin_step(i);
    require(cpu().adam({}, here(b.state), b.n, here(b.g), here(b.w), here(b.a), here(b.b), nullptr));
    require(device().replay(graph));
  }
  compare("replayed weights", b.w, 1e-6, 1e-6);
  device().graph_release(graph);
});

const Row square_sum("square_sum", [] {
  for (const int64_t n : {0, 1, 8191, 70001}) {
    Floats x(n, 1);
    Twin<double> sum(1);
    x.fill(-1e20f, 1e20f);
    require(cpu().square_sum(n, here(x), here(sum)));
    require(cuda().square_sum(n, there(x), there(sum)));
    const double found = sum.download()[0], wanted = sum.host[0];
    if (!(std::abs(found - wanted) <= 1e-13 * wanted)) fail("square_sum is " + std::to_string(found));
  }
});

const Row scale("scale", [] {
  for (const int64_t n : {0, 1, 1031}) {
    Floats x(n, 1);
    x.fill_with_extremes();
    require(cpu().scale(n, 0.3, here(x)));
    require(cuda().scale(n, 0.3, there(x)));
    compare("scale", x, 0, 0);
  }
});

}  // namespace
}  // namespace parity
