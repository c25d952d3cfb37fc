// The device's functions of device.h, and what they share.
#pragma once

#include "cuda/common.cuh"

namespace hotloop::cuda {

Status device_open(int ordinal, DeviceInfo* info);
Status device_synchronize();
Status device_wait_for(void* other_stream);
Status device_let_wait(void* other_stream);
Status event_record(DeviceEvent** event);
Status event_elapsed(const DeviceEvent* from, const DeviceEvent* to, double* milliseconds);
void event_release(DeviceEvent* event);
bool take_label_error(LabelError* error);
Status set_precision(Precision precision);

Status pool_empty_cache();
Status pool_memory(DeviceMemory* memory);

Status copy_in(void* device, const void* host, int64_t bytes);
Status copy_out(void* host, const void* device, int64_t bytes);
Status copy(void* to, const void* from, int64_t bytes);

Status capture_begin();
Status capture_end(DeviceGraph** graph);
void capture_abandon();
Status replay(DeviceGraph* graph);
void graph_release(DeviceGraph* graph);

inline constexpr Device kDevice = {
    .open = device_open,
    .allocate = pool_allocate,
    .release = pool_release,
    .empty_cache = pool_empty_cache,
    .memory = pool_memory,
    .copy_in = copy_in,
    .copy_out = copy_out,
    .copy = copy,
    .fill = fill,
    .synchronize = device_synchronize,
    .take_label_error = take_label_error,
    .stream = []() -> void* { return stream(); },
    .wait_for = device_wait_for,
    .let_wait = device_let_wait,
    .event_record = event_record,
    .event_elapsed = event_elapsed,
    .event_release = event_release,
    .capture_begin = capture_begin,
    .capture_end = capture_end,
    .capture_abandon = capture_abandon,
    .replay = replay,
    .graph_release = graph_release,
    .set_precision = set_precision,
};

/// kOk where the device may be used and no capture is going on.
Status usable_at_once(const char* what);

/// Where the pool's blocks belong while a capture is going on: what is allocated or given back then stays with the
/// graph until pool_end_graph, since each replay writes there again.
void pool_begin_graph(const DeviceGraph* graph);
void pool_finish_capture();
void pool_end_graph(const DeviceGraph* graph);

bool capturing();

}  // namespace hotloop::cuda
