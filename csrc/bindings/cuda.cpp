// The CUDA device as Python sees it: opening it, what it is, its memory, steps that are captured and replayed.
#include <utility>

#include "bindings/array.h"
#include "bindings/cuda_array.h"
#include "bindings/step_state.h"

namespace hotloop::bindings {
namespace {

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

py::dict cuda_memory_stats() {
  DeviceMemory memory{};
  check_status("cuda.memory_stats", CudaTurn()->device.memory(&memory));
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
    begin_capturing();
    if (const Status status = CudaTurn()->device.capture_begin(); status != kOk) {
      end_capturing();
      raise_status("capture", status);
    }
    capturing_ = true;
  }
  ~Graph() {
    abandon();
    if (graph_ != nullptr) cuda_library()->device.graph_release(graph_);
  }
  Graph(Graph&& other) noexcept
      : graph_(std::exchange(other.graph_, nullptr)), capturing_(std::exchange(other.capturing_, false)) {}
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  void end() {
    if (!capturing_) throw std::runtime_error("[capture] no capture goes on");
    capturing_ = false;
    const Status status = CudaTurn()->device.capture_end(&graph_);
    end_capturing();
    check_status("capture", status);
  }
  void abandon() {
    if (!capturing_) return;
    capturing_ = false;
    cuda_library()->device.capture_abandon();
    end_capturing();
  }
  void replay() {
    if (graph_ == nullptr) throw std::runtime_error("[replay] the capture was not ended");
    run("replay", CudaTurn()->device.replay, graph_);
  }

 private:
  DeviceGraph* graph_ = nullptr;
  bool capturing_ = false;
};

const Family cuda_family([](py::module_& m) {
  m.def("cuda_open", &open_cuda, py::arg("path"), py::arg("ordinal") = 0);
  m.def("cuda_info", &info);
  m.def("cuda_memory_stats", &cuda_memory_stats);
  m.def("cuda_empty_cache", [] { check_status("cuda.empty_cache", CudaTurn()->device.empty_cache()); });
  m.def("cuda_synchronize", [] { synchronize("cuda.synchronize"); });
  m.def("cuda_set_precision", [](int precision) {
    check_status("set_precision", CudaTurn()->device.set_precision(static_cast<Precision>(precision)));
  });
  // Made at the beginning of what it captures, by the thread that captures; other threads' calls wait until it is ended
  // or abandoned, which an ended one does not mind. An unended one that is dropped is abandoned.
  m.def("cuda_graph", [] { return Graph(); });
  py::class_<Graph>(m, "CudaGraph")
      .def("end", &Graph::end)
      .def("abandon", &Graph::abandon)
      .def("replay", &Graph::replay);
});

}  // namespace
}  // namespace hotloop::bindings
