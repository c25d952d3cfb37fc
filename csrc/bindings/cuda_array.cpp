#include "bindings/cuda_array.h"

#include <pybind11/stl.h>

#include <algorithm>

namespace hotloop::bindings {
namespace {

PyTypeObject* cuda_array_type = nullptr;

bool is_contiguous(const py::array& array) { return (array.flags() & py::array::c_style) != 0; }

// Ints, slices, None and ... give views; anything else would read elements.
bool gives_view(py::handle part) {
  return (PyIndex_Check(part.ptr()) && !PyBool_Check(part.ptr()) && !py::isinstance<py::array>(part)) ||
         PySlice_Check(part.ptr()) || part.is_none() || part.ptr() == Py_Ellipsis;
}

// The key with ... behind, so that a single element stays an array of addresses.
py::tuple view_key(const py::object& key) {
  const auto parts = py::isinstance<py::tuple>(key) ? py::reinterpret_borrow<py::tuple>(key) : py::make_tuple(key);
  bool open = false;
  for (const py::handle part : parts) {
    if (!gives_view(part)) {
      type_error("CudaArray", text("an index must be of ints, slices, None and ..., got ",
                                   std::string(py::str(py::type::handle_of(part).attr("__name__")))));
    }
    open = open || part.ptr() == Py_Ellipsis;
  }
  return open ? parts : py::tuple(parts + py::make_tuple(py::ellipsis()));
}

CudaArray view(const CudaArray& x, const char* method, const py::args& arguments) {
  return {x.addresses.attr(method)(*arguments)};
}

CudaArray reshape(const CudaArray& x, const py::args& shape) {
  return {contiguous_there("reshape", x.addresses).attr("reshape")(*shape)};
}

CudaArray get(const CudaArray& x, const py::object& key) { return {x.addresses[view_key(key)]}; }

// x[key] = value, an array of that shape on the host or the device.
void set(const CudaArray& x, const py::object& key, py::handle value) {
  constexpr const char* op = "CudaArray";
  const py::array to = x.addresses[view_key(key)];
  const CudaArray* there = as_cuda_array(value);
  if (there == nullptr && PyNumber_Check(value.ptr()) && !py::isinstance<py::array>(value)) {
    value_error(op, "a number can't be assigned to elements: use fill()");
  }
  py::array from = there != nullptr ? there->addresses : py::array(py::module_::import("numpy").attr("asarray")(value));
  if (Shape(from.shape(), from.shape() + from.ndim()) != Shape(to.shape(), to.shape() + to.ndim())) {
    value_error(op, text("shapes differ: ", Shape(to.shape(), to.shape() + to.ndim()), " = ",
                         Shape(from.shape(), from.shape() + from.ndim())));
  }
  if (!is_contiguous(to)) value_error(op, "elements that do not lie beside each other can't be assigned to");
  auto* target = const_cast<void*>(to.data());
  if (there != nullptr) {
    if (!from.dtype().equal(to.dtype())) type_error(op, "dtypes differ");
    from = contiguous_there(op, from);
    check_status(op, CudaTurn()->device.copy(target, from.data(), from.nbytes()));
    return;
  }
  from = py::array(py::module_::import("numpy").attr("ascontiguousarray")(from, to.dtype()));
  check_status(op, CudaTurn()->device.copy_in(target, from.data(), from.nbytes()));
}

void fill(const CudaArray& x, double value) {
  const Array y = as_writable("fill", {"x", py::cast(x)}, {Dtype::float32, Where::cuda});
  run("fill", CudaTurn()->kernels.full, y.size(), value, y.data<float>());
}

CudaArray copy(const CudaArray& x) {
  const py::array from = contiguous_there("copy", x.addresses);
  const Array to = make_array_of("copy", Where::cuda, from.dtype(), Shape(from.shape(), from.shape() + from.ndim()));
  check_status("copy", CudaTurn()->device.copy(to.data<void>(), from.data(), from.nbytes()));
  return *as_cuda_array(to.object());
}

py::object item(const CudaArray& x) {
  if (x.addresses.size() != 1) {
    value_error("CudaArray.item", text("wants one element, got ", static_cast<int64_t>(x.addresses.size())));
  }
  return copy_to_host("item", x.addresses).attr("item")();
}

py::object as_dtype(const CudaArray& x, const py::object& dtype, bool copied) {
  const auto wanted = py::dtype::from_args(dtype);
  const py::dtype own = x.addresses.dtype();
  if (wanted.equal(own)) return copied ? py::cast(copy(x)) : py::cast(x);
  if (wanted.kind() == 'f' && wanted.itemsize() == 4 && own.itemsize() == 1) {
    return as_array("astype", {"x", py::cast(x)}, {Dtype::float32, Where::cuda}).object();
  }
  // No kernel for the others: they are rare, and made on the host.
  return py::cast(copy_to_device("astype", copy_to_host("astype", x.addresses).attr("astype")(wanted)));
}

py::object base(const CudaArray& x) {
  const py::object owner = x.addresses.attr("base");
  return py::isinstance<py::array>(owner) ? py::cast(CudaArray{py::reinterpret_borrow<py::array>(owner)}) : py::none();
}

std::string representation(const CudaArray& x) {
  return text("CudaArray(", std::string(py::str(copy_to_host("repr", x.addresses))),
              ", dtype=", std::string(py::str(x.addresses.dtype())), ")");
}

py::object as_numpy(const CudaArray& x, const py::object& dtype, const py::object& copied) {
  if (!copied.is_none() && !copied.cast<bool>()) value_error("CudaArray", "can't become an ndarray without a copy");
  py::object host = copy_to_host("numpy", x.addresses);
  return dtype.is_none() ? host : host.attr("astype")(dtype);
}

// An ndarray's method of the same name, as a view.
auto viewing(const char* method) {
  return [method](const CudaArray& x, const py::args& arguments) { return view(x, method, arguments); };
}

// An ndarray's attribute of the same name.
auto attribute(const char* name) {
  return [name](const CudaArray& x) { return py::object(x.addresses.attr(name)); };
}

const Family cuda_array_family([](py::module_& m) {
  py::class_<CudaArray> type(m, "CudaArray", "An array in the memory of a CUDA device; hotloop.array makes it.");
  cuda_array_type = reinterpret_cast<PyTypeObject*>(type.ptr());
  for (const char* name : {"shape", "dtype", "ndim", "size", "nbytes", "itemsize", "strides", "flags"}) {
    type.def_property_readonly(name, attribute(name));
  }
  type.def_property_readonly("device", [](const CudaArray&) { return "cuda"; })
      .def_property_readonly("T", [](const CudaArray& x) { return view(x, "transpose", {}); })
      .def_property_readonly("base", &base)
      .def(
          "numpy", [](const CudaArray& x) { return copy_to_host("numpy", x.addresses); }, "A copy on the host.")
      .def("item", &item, "The only element as a Python number.")
      .def("tolist",
           [](const CudaArray& x) { return py::object(copy_to_host("tolist", x.addresses).attr("tolist")()); })
      .def("copy", &copy, "A copy on the device.")
      .def("astype", &as_dtype, py::arg("dtype"), py::arg("copy") = true)
      .def("fill", &fill, py::arg("value"))
      .def("reshape", &reshape, "The same elements in another shape: a view where they lie in order.")
      .def("transpose", viewing("transpose"), "A view with the axes in another order.")
      .def("swapaxes", viewing("swapaxes"), "A view with two axes exchanged.")
      .def("__getitem__", &get)
      .def("__setitem__", &set)
      .def("__len__", [](const CudaArray& x) { return py::len(x.addresses); })
      .def("__repr__", &representation)
      .def("__array__", &as_numpy, py::arg("dtype") = py::none(), py::arg("copy") = py::none())
      .def("__reduce__", [](const CudaArray& x) {
        return py::make_tuple(py::module_::import("hotloop.arrays").attr("array"),
                              py::make_tuple(copy_to_host("pickle", x.addresses), "cuda"));
      });
  // NumPy's functions would read it through a copy, silently.
  type.attr("__array_ufunc__") = py::none();
  bind_exchange(m, type);
  m.def("to_cuda", [](const py::array& array) { return copy_to_device("array", array); });
});

}  // namespace

const CudaArray* as_cuda_array(py::handle value) {
  if (Py_TYPE(value.ptr()) != cuda_array_type) return nullptr;
  return value.cast<const CudaArray*>();
}

py::array contiguous_there(const char* op, const py::array& addresses) {
  if (is_contiguous(addresses)) return addresses;
  constexpr int64_t word = sizeof(float);
  const int64_t words = addresses.itemsize() / word;
  if (words == 0 || addresses.ndim() + (words > 1 ? 1 : 0) > kMaxRank) {
    value_error(op, text("a CudaArray of dtype ", std::string(py::str(addresses.dtype())), " must be contiguous here"));
  }
  // Elements of any type are moved as so many float32s.
  StridedShape s{};
  Shape shape;
  for (py::ssize_t axis = 0; axis < addresses.ndim(); ++axis) {
    s.size[s.rank] = addresses.shape(axis);
    s.stride[s.rank++] = addresses.strides(axis) / word;
    shape.push_back(addresses.shape(axis));
  }
  if (words > 1) {
    s.size[s.rank] = words;
    s.stride[s.rank++] = 1;
  }
  const Array copy = make_array_of(op, Where::cuda, addresses.dtype(), shape);
  run(op, CudaTurn()->kernels.copy_strided, s, static_cast<const float*>(addresses.data()), copy.data<float>());
  return as_cuda_array(copy.object())->addresses;
}

py::array copy_to_host(const char* op, const py::array& addresses) {
  const py::array from = contiguous_there(op, addresses);
  const Array to = make_array_of(op, Where::cpu, from.dtype(), Shape(from.shape(), from.shape() + from.ndim()));
  run(op, CudaTurn()->device.copy_out, to.data<void>(), from.data(), static_cast<int64_t>(from.nbytes()));
  synchronize(op);
  return to.object();
}

CudaArray copy_to_device(const char* op, const py::array& array) {
  const std::string name = py::str(array.dtype());
  constexpr const char* known[] = {"float32", "int64", "int32", "uint8", "bool"};
  if (std::find(std::begin(known), std::end(known), name) == std::end(known)) {
    type_error(op, text("dtype ", name, " has no place on CUDA: float32, int64, int32, uint8 and bool have"));
  }
  const py::array from = to_ndarray(op, {"x", array}, py::array::c_style);
  const Array to = make_array_of(op, Where::cuda, from.dtype(), Shape(from.shape(), from.shape() + from.ndim()));
  run(op, CudaTurn()->device.copy_in, to.data<void>(), from.data(), static_cast<int64_t>(from.nbytes()));
  return *as_cuda_array(to.object());
}

void synchronize(const char* op) {
  run(op, CudaTurn()->device.synchronize);
  LabelError error{};
  if (!CudaTurn()->device.take_label_error(&error)) return;
  value_error("softmax_cross_entropy", text("label out of range: row ", error.row, " is ", error.label, ", wants 0 .. ",
                                            error.classes - 1, " for ", error.classes, " classes"));
}

}  // namespace hotloop::bindings
