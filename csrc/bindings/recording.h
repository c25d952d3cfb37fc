// A step on the CPU, recorded to be replayed: while a Recording goes on, every kernel that its thread calls through
// run() is noted with its arguments, and replay() makes the same calls on the same memory, without Python.
//
// What a replay reads must be there again. So a recorded kernel may read what was recorded before it, the inputs, whose
// addresses each replay sets anew, and arrays that stay: weights, an optimizer's state. Where one reads anything else,
// such as an array that NumPy made on the way, the recording notes the op, and can't be replayed.
#pragma once

#include <pybind11/numpy.h>

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <tuple>
#include <type_traits>
#include <vector>

#include "shapes.h"

namespace hotloop::bindings {

/// The memory of the arrays that are made during a recording; it stays as long as the Recording or one of them.
class Arena {
 public:
  Arena() = default;
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// Throws OutOfMemory.
  void* allocate(std::size_t bytes);
  /// Lets a later allocate() of the same recording have the block.
  void release(void* data) noexcept;
  /// From here on nothing is reused: replays write to all of it.
  void close() { open_ = false; }

  /// Whether kernels that were recorded have written to where the address lies.
  bool is_written(const void* address) const;
  /// Notes that one does; false where the address is not in here.
  bool write(const void* address);

 private:
  struct Block {
    std::byte* data;
    std::size_t bytes;
    bool used, written;
  };
  const Block* block_of(const void* address) const;

  std::vector<Block> blocks_;
  bool open_ = true;
};

/// A kernel call with its arguments.
class RecordedCall {
 public:
  RecordedCall(const char* op, bool update) : op_(op), update_(update) {}
  virtual ~RecordedCall() = default;
  virtual Status make() const = 0;
  const char* op() const { return op_; }
  /// Whether it is an optimizer's update in place, which no signal may end half-way.
  bool is_update() const { return update_; }

 private:
  const char* op_;
  bool update_;
};

class Recording {
 public:
  /// Begins, on the calling thread. Inputs are contiguous arrays or None; `kept` are arrays that stay where they are.
  Recording(pybind11::list inputs, pybind11::list kept);
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  /// Ends; harmless where it has.
  void end() noexcept;
  /// The op that keeps the step from being replayed, or nullptr.
  const char* obstacle() const { return obstacle_; }
  /// Makes the calls again, with arrays of the inputs' sizes in their place.
  void replay(const pybind11::list& inputs);

  /// What goes on on this thread, or nullptr.
  static Recording* current() { return current_; }
  const std::shared_ptr<Arena>& arena() const { return arena_; }

  /// What every recording may read: an array that nobody ever changes or gives back.
  static void know_constant(pybind11::handle array);

  /// Notes that an op did what can't be made again.
  void give_up(const char* op) { obstacle_ = op; }
  /// Notes a call that was just made; `in_place` where no signal ended it.
  template <class... P, class... A>
  void add(const char* op, bool in_place, Status (*kernel)(P...), const A&... arguments) noexcept;

 private:
  template <class... P>
  class KernelCall;
  struct Range {
    std::byte* begin;
    std::size_t bytes;
    bool holds(const void* address) const;
  };
  /// An argument that points into an input.
  struct Place {
    void* pointer;
    std::size_t input, offset;
  };

  static Range range_of(pybind11::handle array);
  static bool is_constant(const void* address);
  static bool any_holds(const std::vector<Range>& ranges, const void* address);
  template <class T>
  void note(T& argument);
  void note_read(void* pointer, const void* address);
  void note_write(const void* address);

  static thread_local constinit inline Recording* current_ = nullptr;
  static inline std::vector<Range> constants_;

  std::shared_ptr<Arena> arena_ = std::make_shared<Arena>();
  pybind11::list kept_;
  std::vector<Range> inputs_, fixed_;
  std::vector<Place> places_;
  std::vector<std::unique_ptr<RecordedCall>> calls_;
  const char* obstacle_ = nullptr;
  const char* op_ = nullptr;  // of the call that is being noted
};

// ---- what follows is the template's --------------------------------------------------------------------------------

template <class... P>
class Recording::KernelCall final : public RecordedCall {
 public:
  KernelCall(const char* op, bool update, Status (*kernel)(P...), std::tuple<std::decay_t<P>...> arguments)
      : RecordedCall(op, update), kernel_(kernel), arguments_(arguments) {}
  Status make() const override { return std::apply(kernel_, arguments_); }

 private:
  friend class Recording;
  Status (*kernel_)(P...);
  std::tuple<std::decay_t<P>...> arguments_;
};

// Specs and sizes are copied; a StepState is read where it lies, since it is what changes from step to step.
template <class T>
void Recording::note(T& argument) {
  if constexpr (std::is_pointer_v<T>) {
    using Pointee = std::remove_pointer_t<T>;
    static_assert(!std::is_pointer_v<Pointee>, "what an argument points to must be numbers");
    if constexpr (!std::is_same_v<Pointee, const StepState>) {
      if (argument == nullptr) return;
      if constexpr (std::is_const_v<Pointee>) {
        note_read(&argument, argument);
      } else {
        note_write(argument);
      }
    }
  }
}

template <class... P, class... A>
void Recording::add(const char* op, bool in_place, Status (*kernel)(P...), const A&... arguments) noexcept {
  if (obstacle_ != nullptr) return;
  // The tape adds up gradients in place too; only an optimizer looks at the state of the step meanwhile.
  const bool update = in_place && (std::is_same_v<P, const StepState*> || ...);
  try {
    op_ = op;
    auto call = std::make_unique<KernelCall<P...>>(op, update, kernel, std::tuple<std::decay_t<P>...>(arguments...));
    std::apply([&](auto&... argument) { (note(argument), ...); }, call->arguments_);
    calls_.push_back(std::move(call));
  } catch (const std::bad_alloc&) {
    give_up(op);  // the call itself went well
  }
}

}  // namespace hotloop::bindings
