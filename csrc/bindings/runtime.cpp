// Threads, tiers and the memory pool as Python sees them.
#include <pybind11/stl.h>

#include "bindings/array.h"
#include "cpu/bfloat16.h"
#include "runtime/cpu_features.h"
#include "runtime/guard.h"
#include "runtime/memory.h"
#include "runtime/threads.h"

namespace hotloop::bindings {
namespace {

std::vector<std::string> isa_tiers() {
  std::vector<std::string> names;
  for (const Tier tier : available_tiers()) names.emplace_back(tier_name(tier));
  return names;
}

void guard_blocks(const std::string& side) {
  if (side != "" && side != "before" && side != "after") {
    value_error("set_guard", text("wants \"before\", \"after\" or \"\", got \"", side, "\""));
  }
  set_guard(side.empty() ? Guard::none : side == "before" ? Guard::before : Guard::after);
}

py::dict memory_stats() {
  const MemoryStats stats = pool_stats();
  py::dict result;
  result["system_allocations"] = stats.system_allocations;
  result["system_bytes"] = stats.system_bytes;
  result["bytes_in_use"] = stats.bytes_in_use;
  result["bytes_cached"] = stats.bytes_cached;
  result["peak_bytes_in_use"] = stats.peak_bytes_in_use;
  return result;
}

const Family runtime_family([](py::module_& m) {
  m.def("num_threads", &num_threads);
  m.def("set_num_threads", &set_num_threads, py::arg("n"));
  m.def("num_threads_reason", &num_threads_reason);
  m.def("isa_tiers", &isa_tiers);
  m.def("isa", [] { return std::string(tier_name(current_tier())); });
  m.def("set_isa", &set_tier, py::arg("name"));
  m.def("set_bfloat16", &set_bfloat16, py::arg("on"));
  m.def("bfloat16_unit", &cpu::bfloat16_unit_name);
  m.def("set_guard", &guard_blocks, py::arg("side"));
  m.def("memory_stats", &memory_stats);
  m.def("empty_cache", &pool_empty_cache);
});

}  // namespace
}  // namespace hotloop::bindings
