#include "bindings/recording.h"

#include <algorithm>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "bindings/array.h"
#include "runtime/memory.h"

namespace hotloop::bindings {
namespace {

// Whether an address is one of so many bytes, or the beginning of none: arrays without elements have one too.
bool lies_in(const std::byte* begin, std::size_t bytes, const void* address) {
  const auto* at = static_cast<const std::byte*>(address);
  return begin != nullptr && (at == begin || (at > begin && at < begin + bytes));
}

}  // namespace

// ---- Arena ----------------------------------------------------------------------------------------------------------

Arena::~Arena() {
  for (const Block& block : blocks_) pool_release(block.data);
}

void* Arena::allocate(std::size_t bytes) {
  // The last that came back is the likeliest to be in the caches. One much larger is left for who needs it.
  const auto fits = [&](const Block& block) { return !block.used && block.bytes >= bytes && block.bytes / 2 <= bytes; };
  const auto found = std::find_if(blocks_.rbegin(), blocks_.rend(), fits);
  if (found != blocks_.rend()) {
    found->used = true;
    found->written = false;
    return found->data;
  }
  blocks_.reserve(blocks_.size() + 1);
  blocks_.push_back({static_cast<std::byte*>(pool_allocate(bytes)), bytes, true, false});
  return blocks_.back().data;
}

void Arena::release(void* data) noexcept {
  if (!open_) return;
  const auto found =
      std::find_if(blocks_.begin(), blocks_.end(), [&](const Block& block) { return block.data == data; });
  if (found == blocks_.end()) return;
  found->used = false;
  std::rotate(found, found + 1, blocks_.end());
}

const Arena::Block* Arena::block_of(const void* address) const {
  for (const Block& block : blocks_) {
    if (block.used && lies_in(block.data, block.bytes, address)) return &block;
  }
  return nullptr;
}

bool Arena::is_written(const void* address) const {
  const Block* block = block_of(address);
  return block != nullptr && block->written;
}

bool Arena::write(const void* address) {
  auto* block = const_cast<Block*>(block_of(address));
  if (block != nullptr) block->written = true;
  return block != nullptr;
}

// ---- Recording ------------------------------------------------------------------------------------------------------

Recording::Range Recording::range_of(py::handle array) {
  if (array.is_none()) return {nullptr, 0};
  if (!py::isinstance<py::array>(array)) type_error("record", "wants ndarrays, and None where there is none");
  const auto given = py::reinterpret_borrow<py::array>(array);
  constexpr int plain = py::array::c_style | 0x0100;  // NPY_ARRAY_ALIGNED
  if ((given.flags() & plain) != plain) value_error("record", "wants contiguous, aligned arrays");
  return {static_cast<std::byte*>(const_cast<void*>(given.data())), static_cast<std::size_t>(given.nbytes())};
}

Recording::Recording(py::list inputs, py::list kept) : kept_(std::move(kept)) {
  if (current_ != nullptr) throw std::runtime_error("[record] a recording goes on already");
  for (const py::handle array : inputs) inputs_.push_back(range_of(array));
  for (const py::handle array : kept_) fixed_.push_back(range_of(array));
  current_ = this;
}

Recording::~Recording() { end(); }

void Recording::end() noexcept {
  arena_->close();
  if (current_ == this) current_ = nullptr;
}

bool Recording::Range::holds(const void* address) const { return lies_in(begin, bytes, address); }

bool Recording::any_holds(const std::vector<Range>& ranges, const void* address) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const Range& range) { return range.holds(address); });
}

namespace {

std::mutex constants_mutex;  // threads record side by side where Python has no GIL

}  // namespace

void Recording::know_constant(py::handle array) {
  const Range range = range_of(array);
  const std::lock_guard lock(constants_mutex);
  constants_.push_back(range);
}

bool Recording::is_constant(const void* address) {
  const std::lock_guard lock(constants_mutex);
  return any_holds(constants_, address);
}

void Recording::note_read(void* pointer, const void* address) {
  if (arena_->is_written(address)) return;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    if (!inputs_[i].holds(address)) continue;
    places_.push_back(
        {pointer, i, static_cast<std::size_t>(static_cast<const std::byte*>(address) - inputs_[i].begin)});
    return;
  }
  if (!any_holds(fixed_, address) && !is_constant(address)) give_up(op_);
}

void Recording::note_write(const void* address) {
  if (!arena_->write(address) && !any_holds(fixed_, address)) give_up(op_);
}

void Recording::replay(const py::list& inputs) {
  constexpr const char* op = "replay";
  if (current_ == this || obstacle_ != nullptr) throw std::runtime_error("[replay] the step was not recorded");
  if (inputs.size() != inputs_.size()) value_error(op, text("wants ", inputs_.size(), " inputs, got ", inputs.size()));
  std::vector<std::byte*> begins;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    const Range range = range_of(inputs[i]);
    if (range.bytes != inputs_[i].bytes) value_error(op, "an input has not the size of the recorded one");
    begins.push_back(range.begin);
  }
  for (const Place& place : places_) {
    const std::byte* address = begins[place.input] + place.offset;
    std::memcpy(place.pointer, &address, sizeof(address));
  }
  const RecordedCall* at = nullptr;
  const auto make = [&](const std::unique_ptr<RecordedCall>& call) {
    at = call.get();
    return call->make();
  };
  const auto first_update =
      std::find_if(calls_.begin(), calls_.end(), [](const auto& call) { return call->is_update(); });
  Status status = kOk;
  try {
    const py::gil_scoped_release release;
    {
      const Pauses pauses(handle_signals);
      for (auto call = calls_.begin(); call != first_update && status == kOk; ++call) status = make(*call);
    }
    for (auto call = first_update; call != calls_.end() && status == kOk; ++call) status = make(*call);
  } catch (const std::bad_alloc& error) {
    raise_out_of_memory(at->op(), error);
  }
  if (status != kOk) raise_status(at->op(), status);
}

namespace {

/// A recorded step as Python holds it: pybind11 wants what it returns by value to be movable, and a Recording stays
/// put.
class RecordedStep {
 public:
  explicit RecordedStep(std::unique_ptr<Recording> recording) : recording_(std::move(recording)) {}
  py::object obstacle() const {
    const char* op = recording_->obstacle();
    return op != nullptr ? py::object(py::str(op)) : py::none();
  }
  void replay(const py::list& inputs) { recording_->replay(inputs); }

 private:
  std::unique_ptr<Recording> recording_;
};

/// (the recorded step, step(*inputs)). Whatever the step raises, the recording has ended then: in Python the call that
/// ends it could lack memory itself.
py::tuple record_step(const py::object& step, py::list inputs, py::list kept) {
  const py::tuple arguments(inputs);
  auto recording = std::make_unique<Recording>(std::move(inputs), std::move(kept));
  const auto result = py::reinterpret_steal<py::object>(PyObject_CallObject(step.ptr(), arguments.ptr()));
  recording->end();
  if (!result) throw py::error_already_set();
  return py::make_tuple(RecordedStep(std::move(recording)), result);
}

const Family recording_family([](py::module_& m) {
  m.def("record_step", &record_step, py::arg("step"), py::arg("inputs"), py::arg("kept"));
  py::class_<RecordedStep>(m, "RecordedStep")
      .def("obstacle", &RecordedStep::obstacle)
      .def("replay", &RecordedStep::replay);
});

}  // namespace
}  // namespace hotloop::bindings
