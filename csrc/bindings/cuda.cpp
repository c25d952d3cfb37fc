// The CUDA device as Python sees it: opening it, what it is, its memory, steps that are captured and replayed.
#include "bindings/array.h"
#include "bindings/cuda_array.h"
#include "bindings/step_state.h"

namespace hotloop::bindings {

bool capturing = false;

namespace {

const Device& device() {
  if (cuda_library() == nullptr) throw std::runtime_error("[cuda] the device was not opened");
  return cuda_library()->device;
}

py::dict info() {
  const DeviceInfo& found = cuda_device();
  py::dict result;
  result["name"] = found.name;
  result["ordinal"] = found.ordinal;
  result["compute_capability"] = py::make_tuple(found.major, found.minor);
  result["multiprocessors"] = found.multiprocessors;
  result["memory_bytes"] = found.memory_bytes;
  result["driver_version"] = found.driver_version;
  result["runtime_version"] = found.runtime_version;
  return result;
}

py::dict memory_stats() {
  DeviceMemory memory{};
  check_status("cuda.memory_stats", device().memory(&memory));
  py::dict result;
  result["free_bytes"] = memory.free_bytes;
  result["system_bytes"] = memory.system_bytes;
  result["bytes_in_use"] = memory.bytes_in_use;
  result["bytes_cached"] = memory.bytes_cached;
  result["system_allocations"] = memory.allocations;
  return result;
}

/// A step that was captured, to be replayed.
class Graph {
 public:
  Graph() {
    check_status("capture", device().capture_begin());
    capturing = true;
  }
  ~Graph() {
    if (graph_ != nullptr) {
      device().graph_release(graph_);
    } else {
      device().capture_abandon();
      capturing = false;
    }
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  void end() {
    capturing = false;
    check_status("capture", device().capture_end(&graph_));
  }
  void replay() {
    if (graph_ == nullptr) throw std::runtime_error("[replay] the capture was not ended");
    run("replay", device().replay, graph_);
  }

 private:
  DeviceGraph* graph_ = nullptr;
};

const Family family([](py::module_& m) {
  m.def("cuda_open", &open_cuda, py::arg("path"), py::arg("ordinal") = 0);
  m.def("cuda_info", &info);
  m.def("cuda_memory_stats", &memory_stats);
  m.def("cuda_empty_cache", [] { check_status("cuda.empty_cache", device().empty_cache()); });
  m.def("cuda_synchronize", [] { synchronize("cuda.synchronize"); });
  m.def("cuda_set_precision", [](int precision) {
    check_status("set_precision", device().set_precision(static_cast<Precision>(precision)));
  });
  // Made at the beginning of what it captures; dropping it unended ends the capture and throws it away.
  py::class_<Graph>(m, "CudaGraph").def(py::init<>()).def("end", &Graph::end).def("replay", &Graph::replay);
});

}  // namespace
}  // namespace hotloop::bindings
