// Losses: a call returns (loss, gradient of the loss or None); the gradient is computed in the same kernel.
#include <pybind11/stl.h>

#include <optional>

#include "bindings/array.h"
#include "bindings/enums.h"

namespace hotloop::bindings {
namespace {

Reduction reduction_from(const char* op, int number) {
  constexpr int count = static_cast<int>(Reduction::mean) + 1;
  if (number < 0 || number >= count) value_error(op, text("reduction number ", number, " is not in 0 .. ", count - 1));
  return static_cast<Reduction>(number);
}

Shape loss_shape(Reduction reduction, const Shape& unreduced) {
  return reduction == Reduction::none ? unreduced : Shape{};
}

// The leading axes: one loss each.
Shape rows_of(const Shape& logits) { return {logits.begin(), logits.end() - 1}; }

// Class ids of the shape (...,) or (..., 1) for logits (..., classes).
void check_label_shape(const char* op, const Array& labels, const Shape& logits) {
  Shape column = rows_of(logits);
  if (labels.shape() == column) return;
  column.push_back(1);
  if (labels.shape() == column) return;
  value_error(op, text("labels ", labels.shape(), " do not fit logits ", logits, ": class ids want ", rows_of(logits),
                       " or ", column, ", probabilities ", logits));
}

void check_label_range(const char* op, const Array& labels, const CrossEntropySpec& s) {
  const int64_t* label = labels.data<int64_t>();
  for (int64_t row = 0; row < s.rows; ++row) {
    // One comparison finds those below 0 too.
    if (static_cast<uint64_t>(label[row]) < static_cast<uint64_t>(s.classes)) continue;
    if (s.has_ignore_index && label[row] == s.ignore_index) continue;
    value_error(op, text("label out of range: row ", row, " is ", label[row], ", wants 0 .. ", s.classes - 1, " for ",
                         s.classes, " classes"));
  }
}

py::tuple softmax_cross_entropy(py::handle logits_in, py::handle labels_in, bool probabilities, int reduction,
                                double label_smoothing, py::handle class_weight_in, std::optional<int64_t> ignore_index,
                                py::handle sample_weight_in, bool want_gradient) {
  constexpr const char* op = "softmax_cross_entropy";
  const Argument logits_arg{"logits", logits_in}, labels_arg{"labels", labels_in},
      class_weight_arg{"class_weight", class_weight_in}, sample_weight_arg{"sample_weight", sample_weight_in};
  const ArrayType type = probabilities ? common_type(op, {logits_arg, labels_arg}) : common_type(op, {logits_arg});
  const Array logits = as_array(op, logits_arg, type);
  if (logits.rank() == 0 || logits[logits.rank() - 1] == 0) {
    value_error(op, text("logits ", logits.shape(), " have no classes; they want shape (..., classes)"));
  }
  const Shape& shape = logits.shape();
  CrossEntropySpec s{};
  s.classes = shape.back();
  s.rows = logits.size() / s.classes;
  s.reduction = reduction_from(op, reduction);
  s.label_smoothing = label_smoothing;
  if (!(label_smoothing >= 0 && label_smoothing <= 1)) {
    value_error(op, text("label_smoothing must be in [0, 1], got ", label_smoothing));
  }
  s.has_ignore_index = ignore_index.has_value();
  s.ignore_index = ignore_index.value_or(0);
  Array labels, target;
  if (probabilities) {
    target = as_array(op, labels_arg, type);
    check_shape(op, "labels", target.shape(), shape);
    if (ignore_index) value_error(op, "ignore_index is for class ids, labels are probabilities");
  } else {
    labels = as_int64(op, labels_arg, type.where);
    check_label_shape(op, labels, shape);
    // On CUDA the kernel looks at them: reading them here would wait for the device.
    if (type.where == Where::cpu) check_label_range(op, labels, s);
  }
  const Array class_weight = as_array(op, class_weight_arg, type),
              sample_weight = as_array(op, sample_weight_arg, type);
  if (class_weight) check_shape(op, "class_weight", class_weight.shape(), {s.classes});
  if (sample_weight) check_shape(op, "sample_weight", sample_weight.shape(), rows_of(shape));
  const Array loss = make_array(op, type, loss_shape(s.reduction, rows_of(shape)));
  const Array dlogits = want_gradient ? make_array(op, type, shape) : Array();
  with_backend(type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run_elements(op, logits.size(), backend.softmax_cross_entropy, s, logits.data<T>(), labels.data<int64_t>(),
                 target.data<T>(), class_weight.data<T>(), sample_weight.data<T>(), loss.data<T>(), dlogits.data<T>());
  });
  return py::make_tuple(loss.object(), want_gradient ? dlogits.object() : py::none());
}

py::tuple pointwise_loss(const char* op, py::handle x_in, py::handle target_in, int kind, int reduction, double delta,
                         py::handle sample_weight_in, bool want_gradient) {
  constexpr int kinds = static_cast<int>(PointwiseLoss::binary_cross_entropy) + 1;
  if (kind < 0 || kind >= kinds) value_error(op, text("loss number ", kind, " is not in 0 .. ", kinds - 1));
  const Argument x_arg{"predictions", x_in}, target_arg{"targets", target_in},
      sample_weight_arg{"sample_weight", sample_weight_in};
  const ArrayType type = common_type(op, {x_arg, target_arg});
  const Array x = as_array(op, x_arg, type), target = as_array(op, target_arg, type),
              sample_weight = as_array(op, sample_weight_arg, type);
  if (x.shape() != target.shape()) {
    value_error(op, text("shapes differ: predictions ", x.shape(), ", targets ", target.shape()));
  }
  if (sample_weight) check_shape(op, "sample_weight", sample_weight.shape(), x.shape());
  const PointwiseLossSpec s{static_cast<PointwiseLoss>(kind), x.size(), reduction_from(op, reduction), delta};
  const Array loss = make_array(op, type, loss_shape(s.reduction, x.shape()));
  const Array dx = want_gradient ? make_array(op, type, x.shape()) : Array();
  with_backend(type, [&](const auto& backend) {
    using T = Element<decltype(backend)>;
    run_elements(op, x.size(), backend.pointwise_loss, s, x.data<T>(), target.data<T>(), sample_weight.data<T>(),
                 loss.data<T>(), dx.data<T>());
  });
  return py::make_tuple(loss.object(), want_gradient ? dx.object() : py::none());
}

const Family loss_family([](py::module_& m) {
  export_names(m, "reductions", {HL_REDUCTIONS(HL_NAME)});
  export_names(m, "pointwise_losses", {HL_POINTWISE_LOSSES(HL_NAME)});
  m.def("softmax_cross_entropy", &softmax_cross_entropy, py::arg("logits"), py::arg("labels"), py::arg("probabilities"),
        py::arg("reduction"), py::arg("label_smoothing") = 0.0, py::arg("class_weight") = py::none(),
        py::arg("ignore_index") = py::none(), py::arg("sample_weight") = py::none(), py::arg("want_gradient") = false);
  m.def("pointwise_loss", &pointwise_loss, py::arg("op"), py::arg("x"), py::arg("target"), py::arg("kind"),
        py::arg("reduction"), py::arg("delta") = 1.0, py::arg("sample_weight") = py::none(),
        py::arg("want_gradient") = false);
});

}  // namespace
}  // namespace hotloop::bindings
