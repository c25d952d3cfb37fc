// CudaArrays to and from other libraries without a copy: DLPack 1 and the CUDA array interface 3.
//
// Source: https://dmlc.github.io/dlpack/latest/c_api.html, whose structures these are, and
// https://numba.readthedocs.io/en/stable/cuda/cuda_array_interface.html.
#include <cstring>
#include <memory>

#include "bindings/cuda_array.h"

namespace hotloop::bindings {
namespace {

constexpr int kDlCuda = 2;
constexpr int64_t kDefaultStream = 1;  // what both protocols call CUDA's legacy default stream

// ---- DLPack's structures --------------------------------------------------------------------------------------------

struct DlDevice {
  int32_t type, id;
};
struct DlDtype {
  uint8_t code, bits;
  uint16_t lanes;
};
struct DlTensor {
  void* data;
  DlDevice device;
  int32_t rank;
  DlDtype dtype;
  int64_t *shape, *strides;
  uint64_t byte_offset;
};
struct DlManaged {
  DlTensor tensor;
  void* context;
  void (*deleter)(DlManaged*);
};
struct DlVersioned {
  uint32_t major, minor;
  void* context;
  void (*deleter)(DlVersioned*);
  uint64_t flags;
  DlTensor tensor;
};
constexpr uint64_t kReadOnly = 1;

struct Named {
  const char* dtype;
  DlDtype code;
};
constexpr Named kDtypes[] = {
    {"float32", {2, 32, 1}}, {"int64", {0, 64, 1}}, {"int32", {0, 32, 1}}, {"uint8", {1, 8, 1}}, {"bool", {6, 8, 1}}};

void* as_stream(int64_t number) { return reinterpret_cast<void*>(number); }

// An array of addresses that `owner` keeps alive.
CudaArray over(const py::dtype& dtype, const std::vector<int64_t>& shape, const std::vector<int64_t>& strides,
               void* data, const py::object& owner) {
  return {py::array(dtype, shape, strides, data, owner)};
}

// ---- out ------------------------------------------------------------------------------------------------------------

// What an exported array keeps: itself, and the numbers that the structure points to.
template <class Managed>
struct Export {
  Managed managed{};
  py::array array;
  std::vector<int64_t> shape, strides;
};

DlTensor describe(const py::array& array, std::vector<int64_t>& shape, std::vector<int64_t>& strides) {
  DlTensor tensor{};
  tensor.data = const_cast<void*>(array.data());
  tensor.device = {kDlCuda, cuda_device().ordinal};
  tensor.rank = static_cast<int32_t>(array.ndim());
  const std::string dtype = py::str(array.dtype());
  for (const Named& known : kDtypes) {
    if (dtype == known.dtype) tensor.dtype = known.code;
  }
  for (py::ssize_t axis = 0; axis < array.ndim(); ++axis) {
    shape.push_back(array.shape(axis));
    strides.push_back(array.strides(axis) / array.itemsize());
  }
  tensor.shape = shape.data();
  tensor.strides = strides.data();
  return tensor;
}

template <class Managed>
py::object make_capsule(const py::array& array, const char* name) {
  auto made = std::make_unique<Export<Managed>>();
  made->array = array;
  made->managed.tensor = describe(array, made->shape, made->strides);
  made->managed.context = made.get();
  made->managed.deleter = [](Managed* managed) {
    const py::gil_scoped_acquire gil;
    delete static_cast<Export<Managed>*>(managed->context);
  };
  if constexpr (std::is_same_v<Managed, DlVersioned>) made->managed.major = 1;
  // A consumer renames the capsule; one that nobody took frees what it holds.
  const auto drop = [](PyObject* capsule) {
    const char* now = PyCapsule_GetName(capsule);
    if (std::strncmp(now, "used", 4) == 0) return;
    auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, now));
    managed->deleter(managed);
  };
  PyObject* capsule = PyCapsule_New(&made->managed, name, drop);
  if (capsule == nullptr) throw py::error_already_set();
  made.release();
  return py::reinterpret_steal<py::object>(capsule);
}

py::object to_dlpack(const CudaArray& x, const py::object& stream, const py::object& max_version,
                     const py::object& dl_device, const py::object& copied) {
  if (!dl_device.is_none() && dl_device.attr("__getitem__")(0).cast<int>() != kDlCuda) {
    PyErr_SetString(PyExc_BufferError, "[dlpack] a CudaArray is exported on CUDA only: use .numpy() for the host");
    throw py::error_already_set();
  }
  const int64_t waiting = stream.is_none() ? kDefaultStream : stream.cast<int64_t>();
  if (waiting == 0) value_error("dlpack", "stream 0 is ambiguous: 1 is the legacy default stream, 2 a thread's own");
  if (waiting != -1) check_status("dlpack", CudaTurn()->device.let_wait(as_stream(waiting)));
  py::array array = x.addresses;
  if (!copied.is_none() && copied.cast<bool>()) array = as_cuda_array(py::cast(x).attr("copy")())->addresses;
  const bool versioned = !max_version.is_none() && max_version.attr("__getitem__")(0).cast<int>() >= 1;
  return versioned ? make_capsule<DlVersioned>(array, "dltensor_versioned")
                   : make_capsule<DlManaged>(array, "dltensor");
}

py::dict interface_of(const CudaArray& x) {
  py::dict result;
  const bool contiguous = (x.addresses.flags() & py::array::c_style) != 0;
  const auto stream = reinterpret_cast<int64_t>(cuda_library()->device.stream());
  result["shape"] = x.addresses.attr("shape");
  result["typestr"] = x.addresses.dtype().attr("str");
  result["data"] = py::make_tuple(reinterpret_cast<int64_t>(x.addresses.data()), !x.addresses.writeable());
  result["strides"] = contiguous ? py::none() : py::object(x.addresses.attr("strides"));
  result["stream"] = stream != 0 ? stream : kDefaultStream;
  result["version"] = 3;
  return result;
}

// ---- in -------------------------------------------------------------------------------------------------------------

[[noreturn]] void unknown_dtype(const std::string& what) {
  type_error("from_dlpack", text(what, " has no place on CUDA: float32, int64, int32, uint8 and bool have"));
}

template <class Managed>
CudaArray take(const py::object& capsule, const char* used) {
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule.ptr(), PyCapsule_GetName(capsule.ptr())));
  const DlTensor& tensor = managed->tensor;
  if (tensor.device.type != kDlCuda || tensor.device.id != cuda_device().ordinal) {
    value_error("from_dlpack", text("the array lies on device ", tensor.device.type, ":", tensor.device.id,
                                    ", hotloop uses 2:", cuda_device().ordinal));
  }
  const char* name = nullptr;
  for (const Named& known : kDtypes) {
    if (std::memcmp(&known.code, &tensor.dtype, sizeof(known.code)) == 0) name = known.dtype;
  }
  if (name == nullptr) unknown_dtype("its dtype");
  const py::dtype dtype(name);
  std::vector<int64_t> shape(tensor.shape, tensor.shape + tensor.rank), strides(shape.size());
  int64_t stride = 1;
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    strides[axis] = (tensor.strides != nullptr ? tensor.strides[axis] : stride) * dtype.itemsize();
    stride *= shape[axis];
  }
  if (PyCapsule_SetName(capsule.ptr(), used) != 0) throw py::error_already_set();
  const py::capsule owner(managed, [](void* kept) {
    auto* one = static_cast<Managed*>(kept);
    if (one->deleter != nullptr) one->deleter(one);
  });
  CudaArray x = over(dtype, shape, strides, static_cast<std::byte*>(tensor.data) + tensor.byte_offset, owner);
  if constexpr (std::is_same_v<Managed, DlVersioned>) {
    if ((managed->flags & kReadOnly) != 0) x.addresses.attr("flags").attr("writeable") = false;
  }
  return x;
}

// The producer orders its work before ours.
CudaArray from_dlpack(const py::object& x) {
  const auto stream = reinterpret_cast<int64_t>(cuda_library()->device.stream());
  const int64_t waiting = stream != 0 ? stream : kDefaultStream;
  py::object capsule;
  try {
    capsule = x.attr("__dlpack__")(py::arg("stream") = waiting, py::arg("max_version") = py::make_tuple(1, 0));
  } catch (py::error_already_set& error) {
    if (!error.matches(PyExc_TypeError)) throw;
    capsule = x.attr("__dlpack__")(py::arg("stream") = waiting);  // a producer of before DLPack 1
  }
  if (PyCapsule_IsValid(capsule.ptr(), "dltensor_versioned") != 0) {
    return take<DlVersioned>(capsule, "used_dltensor_versioned");
  }
  if (PyCapsule_IsValid(capsule.ptr(), "dltensor") == 0) type_error("from_dlpack", "__dlpack__ gave no DLPack capsule");
  return take<DlManaged>(capsule, "used_dltensor");
}

CudaArray from_interface(const py::object& x) {
  const auto found = x.attr("__cuda_array_interface__").cast<py::dict>();
  const auto dtype = py::dtype::from_args(found["typestr"]);
  const std::string name = py::str(dtype);
  bool known = false;
  for (const Named& one : kDtypes) known = known || name == one.dtype;
  if (!known) unknown_dtype("dtype " + name);
  const auto data = found["data"].cast<py::tuple>();
  const auto shape = found["shape"].cast<std::vector<int64_t>>();
  std::vector<int64_t> strides(shape.size());
  const py::object given = found.contains("strides") ? py::object(found["strides"]) : py::none();
  int64_t stride = dtype.itemsize();
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  if (!given.is_none()) strides = given.cast<std::vector<int64_t>>();
  const py::object stream = found.contains("stream") ? py::object(found["stream"]) : py::none();
  if (!stream.is_none()) check_status("array", CudaTurn()->device.wait_for(as_stream(stream.cast<int64_t>())));
  CudaArray made = over(dtype, shape, strides, as_stream(data[0].cast<int64_t>()), x);
  if (data[1].cast<bool>()) made.addresses.attr("flags").attr("writeable") = false;
  return made;
}

}  // namespace

void bind_exchange(py::module_& m, py::class_<CudaArray>& type) {
  type.def_property_readonly("__cuda_array_interface__", &interface_of)
      .def("__dlpack__", &to_dlpack, py::kw_only(), py::arg("stream") = py::none(), py::arg("max_version") = py::none(),
           py::arg("dl_device") = py::none(), py::arg("copy") = py::none())
      .def("__dlpack_device__", [](const CudaArray&) { return py::make_tuple(kDlCuda, cuda_device().ordinal); });
  m.def("cuda_from_dlpack", &from_dlpack, py::arg("x"));
  m.def("cuda_from_interface", &from_interface, py::arg("x"));
}

}  // namespace hotloop::bindings
