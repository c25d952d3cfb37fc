// A step captured once and replayed: the launches between capture_begin and capture_end, as one CUDA graph.
#include <mutex>

#include "cuda/device.cuh"

namespace hotloop {

struct DeviceGraph {
  cudaGraphExec_t exec = nullptr;
};

namespace cuda {
namespace {

struct Capture {
  std::mutex mutex;
  DeviceGraph* graph = nullptr;  // being captured
};

Capture& capture() {
  static Capture* const one = new Capture;
  return *one;
}

void destroy(DeviceGraph* graph) {
  if (graph->exec != nullptr) cudaGraphExecDestroy(graph->exec);
  pool_end_graph(graph);
  delete graph;
}

}  // namespace

bool capturing() {
  const std::lock_guard lock(capture().mutex);
  return capture().graph != nullptr;
}

Status capture_begin() {
  HL_TRY(usable_at_once("capture"));
  const OnDevice guard;
  // Relaxed, so that the pool can still ask the driver for memory.
  HL_TRY(status_of("capture", cudaStreamBeginCapture(stream(), cudaStreamCaptureModeRelaxed)));
  const std::lock_guard lock(capture().mutex);
  capture().graph = new DeviceGraph;
  pool_begin_graph(capture().graph);
  return kOk;
}

Status capture_end(DeviceGraph** graph) {
  HL_TRY(usable());
  const OnDevice guard;
  const std::lock_guard lock(capture().mutex);
  DeviceGraph* const made = capture().graph;
  if (made == nullptr) return "no capture was begun";
  capture().graph = nullptr;
  pool_finish_capture();
  cudaGraph_t recorded = nullptr;
  Status status = status_of("capture", cudaStreamEndCapture(stream(), &recorded));
  if (status == kOk) status = status_of("capture", cudaGraphInstantiate(&made->exec, recorded, 0));
  if (recorded != nullptr) cudaGraphDestroy(recorded);
  if (status != kOk) {
    destroy(made);
    return status;
  }
  *graph = made;
  return kOk;
}

void capture_abandon() {
  if (usable() != kOk) return;
  const OnDevice guard;
  const std::lock_guard lock(capture().mutex);
  DeviceGraph* const made = capture().graph;
  if (made == nullptr) return;
  capture().graph = nullptr;
  cudaGraph_t recorded = nullptr;
  if (cudaStreamEndCapture(stream(), &recorded) != cudaSuccess) cudaGetLastError();
  if (recorded != nullptr) cudaGraphDestroy(recorded);
  destroy(made);
}

Status replay(DeviceGraph* graph) {
  HL_TRY(usable_at_once("replay"));
  const OnDevice guard;
  return status_of("replay", cudaGraphLaunch(graph->exec, stream()));
}

void graph_release(DeviceGraph* graph) {
  if (graph == nullptr || usable() != kOk) return;
  const OnDevice guard;
  // A replay under way still uses the graph's memory; what comes next on the stream is queued behind it.
  destroy(graph);
}

}  // namespace cuda
}  // namespace hotloop
