// What a device is beside its kernels: copies, the pool, captured steps, labels, failures.
#include "parity.h"

#include <string_view>

namespace parity {
namespace {

void expect(bool holds, const char* what) {
  if (!holds) fail(what);
}

// Runs `steps`, which may only queue work, as a graph.
template <class F>
DeviceGraph* captured(F&& steps) {
  DeviceGraph* graph = nullptr;
  require(device().capture_begin());
  steps();
  require(device().capture_end(&graph));
  return graph;
}

// A library for sanitizers hands out blocks of exactly the size asked for, and keeps none.
bool keeps_blocks() {
  DeviceMemory before{}, after{};
  void* block = nullptr;
  require(device().memory(&before));
  require(device().allocate(100, &block));
  require(device().memory(&after));
  device().release(block);
  return after.bytes_in_use - before.bytes_in_use != 100;
}

const Row copies("device: copies", [] {
  // Across the slots that copies are staged in, and many within one.
  for (const int64_t count : {0, 1, 3, 1000, (1 << 21) + 5, (9 << 20) + 1}) {
    Twin<uint8_t> x(count), y(count);
    for (uint8_t& v : x.host) v = static_cast<uint8_t>(below(256));
    x.upload();
    require(device().copy(y.on_device(), x.on_device(), count));
    y.host = x.host;
    compare_exactly("copy of " + std::to_string(count), y);
  }
  constexpr int kCount = 300;
  Twin<int64_t> many(kCount);
  for (int i = 0; i < kCount; ++i) {
    many.host[static_cast<std::size_t>(i)] = i;
    const int64_t value = i;
    require(device().copy_in(many.on_device() + i, &value, sizeof(value)));
    int64_t back = -1;
    if (i % 7 == 0) require(device().copy_out(&back, many.on_device() + i, sizeof(back)));
    expect(i % 7 != 0 || back == i, "a copy out of the device is what was copied in");
  }
  compare_exactly("many small copies", many);
  require(device().fill(many.on_device(), 1, kCount * static_cast<int64_t>(sizeof(int64_t))));
  many.host.assign(kCount, 0x0101010101010101);
  compare_exactly("fill", many);
});

const Row steady("device: steady memory", [] {
  DeviceMemory before{}, after{};
  for (int round = 0; round < 3; ++round) {
    if (round == 1) require(device().memory(&before));
    Floats a(64 * 1024), b(64 * 1024), c(64 * 64);
    MatmulShape s{};
    s.m = s.n = 64, s.k = 1024;  // split: with scratch memory
    s.a_row = 1024, s.a_col = 1, s.b_row = 64, s.b_col = 1;
    require(cuda().matmul(s, there(a), there(b), nullptr, there(c)));
  }
  require(device().memory(&after));
  if (keeps_blocks()) expect(after.allocations == before.allocations, "a steady program takes nothing from the driver");
  expect(after.bytes_in_use == before.bytes_in_use, "memory in use is what it was");
  require(device().empty_cache());
  require(device().memory(&after));
  expect(after.bytes_cached == 0, "an emptied cache holds nothing");
});

const Row replays("device: capture and replay", [] {
  constexpr int64_t kSize = 64, kDepth = 1024;
  MatmulShape s{};
  s.m = s.n = kSize, s.k = kDepth;
  s.a_row = kDepth, s.a_col = 1, s.b_row = kSize, s.b_col = 1;
  Floats a(kSize * kDepth), b(kDepth * kSize), c(kSize * kSize), sum(kSize * kSize);
  b.fill();
  sum.host.assign(kSize * kSize, 0.0f);
  sum.upload();
  DeviceGraph* const graph = captured([&] {
    require(cuda().matmul(s, there(a), there(b), nullptr, there(c)));
    require(cuda().accumulate(kSize * kSize, there(c), there(sum)));
    float unused = 0;
    expect(device().copy_in(there(c), &unused, sizeof(unused)) != kOk, "copying from the host fails in a capture");
    expect(device().synchronize() != kOk, "waiting fails in a capture");
    expect(device().capture_begin() != kOk, "a capture can't begin in a capture");
  });
  for (int step = 0; step < 3; ++step) {
    // Somebody else's memory: none of it may be the graph's.
    Floats other(kSize * kSize * 8);
    a.fill();
    require(device().replay(graph));
    require(cpu().matmul(s, here(a), here(b), nullptr, here(c)));
    require(cpu().accumulate(kSize * kSize, here(c), here(sum)));
    compare("other memory", other, 0, 0);
  }
  compare("sum of replays", sum, 1e-5, 1e-4);
  device().graph_release(graph);

  require(device().capture_begin());
  require(cuda().accumulate(kSize * kSize, there(c), there(sum)));
  device().capture_abandon();
  device().capture_abandon();
  compare("sum after a capture that was thrown away", sum, 1e-5, 1e-4);
});

const Row labels("device: labels", [] {
  CrossEntropySpec s{};
  s.rows = 3, s.classes = 4;
  Floats logits(12), loss(1), gradient(12);
  Twin<int64_t> ids(3);
  logits.fill();
  ids.host = {1, 7, 0};
  ids.upload();
  LabelError error{};
  expect(!device().take_label_error(&error), "no bad label before");
  require(cuda().softmax_cross_entropy(s, there(logits), there(ids), nullptr, nullptr, nullptr, there(loss),
                                       there(gradient)));
  require(device().synchronize());
  expect(device().take_label_error(&error), "a bad label is reported");
  expect(error.row == 1 && error.label == 7 && error.classes == 4, "with its row, value and classes");
  expect(!device().take_label_error(&error), "once");
});

const Row failures("device: failures", [] {
  void* block = nullptr;
  const Status status = device().allocate(int64_t{1} << 50, &block);
  expect(status != kOk && std::string_view(status).find(kOutOfDeviceMemory) != std::string_view::npos,
         "too large a block is a lack of memory");
  require(device().allocate(100, &block));
  device().release(block);
  DeviceInfo info{};
  expect(device().open(1, &info) != kOk, "another device can't be opened beside the first");
  require(device().open(0, &info));
});

const Row events("device: events and streams", [] {
  DeviceEvent *begin = nullptr, *end = nullptr;
  require(device().event_record(&begin));
  require(device().event_record(&end));
  double milliseconds = -1;
  require(device().event_elapsed(begin, end, &milliseconds));
  expect(milliseconds >= 0, "time goes forward");
  require(device().wait_for(device().stream()));
  require(device().let_wait(device().stream()));
  device().event_release(begin);
  device().event_release(end);
});

}  // namespace
}  // namespace parity
