// What a device is beside its kernels: memory, copies, events, captured steps. The CUDA library, a shared library of
// its own that is opened on first use, exports one C symbol that returns these tables; no CUDA header is needed to read
// them.
//
// Everything is ordered on one stream of the library's. A Status other than kOk is the text of what went wrong, valid
// until the same thread's next failure; after a kernel's failure it begins with "name failed: ". Results of failed
// calls are left alone.
#pragma once

#include <cstddef>
#include <string_view>

#include "backend.h"

namespace hotloop {

/// A Status that holds these words is a lack of device memory: MemoryError. Nothing is lost, the process can go on.
inline constexpr std::string_view kOutOfDeviceMemory = "out of device memory";

/// What products are computed in; storage is float32 throughout, sums are float32.
enum class Precision : int {
  float32,   // true float32
  tf32,      // operands rounded to 10 bits of mantissa
  bfloat16,  // operands rounded to 7 bits of mantissa
  tf32x3,    // float32's accuracy from three tf32 products; infinite operands give NaN
};

struct DeviceInfo {
  char name[256];
  int ordinal;
  int major, minor;  // compute capability
  int multiprocessors;
  int64_t memory_bytes;
  int driver_version, runtime_version;  // 1000 * major + 10 * minor
};

struct DeviceMemory {
  int64_t free_bytes;    // as the driver sees it, for all processes
  int64_t system_bytes;  // held from the driver now, in use or cached
  int64_t bytes_in_use;  // handed out now
  int64_t bytes_cached;  // waiting for reuse
  int64_t allocations;   // blocks ever taken from the driver
};

/// A label outside [0, classes) that a kernel met; it took no part in the loss and got no gradient.
struct LabelError {
  int64_t row, label, classes;
};

/// A step that was captured, to be replayed; it owns the memory that its kernels use.
struct DeviceGraph;
/// A point in the stream's work.
struct DeviceEvent;

struct Device {
  /// Starts the device, once a process; says what was found and what is needed where that can't be.
  Status (*open)(int ordinal, DeviceInfo* info);

  /// A block of at least `bytes` bytes, 256-byte aligned, from a caching pool.
  Status (*allocate)(int64_t bytes, void** block);
  /// Gives a block back; work queued so far may still use it. Never fails.
  void (*release)(void* block);
  /// Gives cached blocks back to the driver.
  Status (*empty_cache)();
  Status (*memory)(DeviceMemory* memory);

  /// Returns when the host's memory may be reused; later work sees the copy.
  Status (*copy_in)(void* device, const void* host, int64_t bytes);
  /// Returns when the host has the data.
  Status (*copy_out)(void* host, const void* device, int64_t bytes);
  /// Within the device, queued.
  Status (*copy)(void* to, const void* from, int64_t bytes);
  /// Every byte of the block becomes `byte`, queued.
  Status (*fill)(void* block, int byte, int64_t bytes);
  /// Waits for everything queued; reports what failed on the way.
  Status (*synchronize)();
  /// After synchronize: true where a kernel met a bad label since the last call, with the first one it met.
  bool (*take_label_error)(LabelError* error);

  /// The library's stream, a cudaStream_t.
  void* (*stream)();
  /// The library's later work waits for what is queued on another stream now, and the other way round.
  Status (*wait_for)(void* other_stream);
  Status (*let_wait)(void* other_stream);

  Status (*event_record)(DeviceEvent** event);
  /// Milliseconds between two events; waits for the second.
  Status (*event_elapsed)(const DeviceEvent* from, const DeviceEvent* to, double* milliseconds);
  void (*event_release)(DeviceEvent* event);

  /// From here on work is recorded, not run; memory comes from the pool and stays with the graph until its release.
  /// Copies to and from the host and synchronize fail meanwhile.
  Status (*capture_begin)();
  Status (*capture_end)(DeviceGraph** graph);
  /// Ends a capture that is to be thrown away; harmless where there is none.
  void (*capture_abandon)();
  Status (*replay)(DeviceGraph* graph);
  void (*graph_release)(DeviceGraph* graph);

  /// For the products of every later call.
  Status (*set_precision)(Precision precision);
};

/// Raised with every change to this file, shapes.h or kernels.h that alters a layout.
inline constexpr uint32_t kCudaLibraryVersion = 2;

struct CudaLibrary {
  uint32_t version;
  uint64_t size;  // of this struct
  Backend<float> kernels;
  Device device;
};

/// The symbol, `const CudaLibrary* hotloop_cuda_library()`.
inline constexpr char kCudaLibrarySymbol[] = "hotloop_cuda_library";
using CudaLibraryFunction = const CudaLibrary* (*)();

}  // namespace hotloop
