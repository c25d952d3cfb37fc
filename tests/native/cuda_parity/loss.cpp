#include "parity.h"

namespace parity {
namespace {

constexpr Reduction kReductions[] = {Reduction::none, Reduction::sum, Reduction::mean};

// ---- softmax cross-entropy ------------------------------------------------------------------------------------------

struct Options {
  bool given = false, class_weight = false, sample_weight = false, ignore = false, gradient = true;
  double smoothing = 0.0;
};

constexpr Options kOptions[] = {
    {},
    {.gradient = false},
    {.class_weight = true},
    {.sample_weight = true, .ignore = true},
    {.class_weight = true, .sample_weight = true, .ignore = true, .smoothing = 0.1},
    {.smoothing = 1.0},
    {.given = true},
    {.given = true, .class_weight = true, .smoothing = 0.2},
};

struct Batch {
  Batch(int64_t rows, int64_t classes)
      : logits(rows * classes, 1), target(rows * classes), class_weight(classes), sample_weight(rows), labels(rows) {
    logits.fill(-5.0f, 5.0f);
    for (std::size_t i = 0; i < logits.host.size(); i += 97) logits.host[i] = 40.0f;
    logits.upload();
    target.fill(0.0f, 2.0f / static_cast<float>(classes));
    class_weight.fill(0.5f, 2.0f);
    sample_weight.fill(0.0f, 2.0f);
    for (int64_t& label : labels.host) label = below(classes);
    labels.upload();
  }
  Floats logits, target, class_weight, sample_weight;
  Twin<int64_t> labels;
};

void compare_cross_entropy(Batch& b, CrossEntropySpec s, const Options& o, double scale) {
  s.label_smoothing = o.smoothing;
  s.has_ignore_index = o.ignore;
  s.ignore_index = 0;
  Twin<int64_t>* const labels = o.given ? nullptr : &b.labels;
  Twin<float>* const target = o.given ? &b.target : nullptr;
  Twin<float>* const class_weight = o.class_weight ? &b.class_weight : nullptr;
  Twin<float>* const sample_weight = o.sample_weight ? &b.sample_weight : nullptr;
  Floats loss(s.reduction == Reduction::none ? s.rows : 1), dlogits(s.rows * s.classes);
  Twin<float>* const gradient = o.gradient ? &dlogits : nullptr;
  require(cpu().softmax_cross_entropy(s, here(b.logits), here(labels), here(target), here(class_weight),
                                      here(sample_weight), here(loss), here(gradient)));
  require(cuda().softmax_cross_entropy(s, there(b.logits), there(labels), there(target), there(class_weight),
                                       there(sample_weight), there(loss), there(gradient)));
  const std::string what = "softmax_cross_entropy of " + std::to_string(s.rows) + " x " + std::to_string(s.classes) +
                           ", smoothing " + std::to_string(o.smoothing);
  compare(what, loss, 1e-5, 2e-6);
  compare(what + ", gradient", dlogits, 1e-5, 1e-6 * scale);
}

const Row cross_entropy("softmax_cross_entropy", [] {
  for (const auto& [rows, classes] : {std::pair<int64_t, int64_t>{0, 3},
                                      {1, 1},
                                      {128, 10},
                                      {1000, 10},
                                      {9000, 2},
                                      {77, 33},
                                      {19, 250},
                                      {5, 400},
                                      {20, 1000},
                                      {3, 1025},
                                      {7, 5003},
                                      {1100, 1026}}) {
    Batch batch(rows, classes);
    for (const Reduction reduction : kReductions) {
      for (const Options& options : kOptions) {
        if (rows * classes > 100000 && (reduction == Reduction::sum || options.smoothing > 0)) continue;
        const double scale = reduction == Reduction::mean ? 1.0 / static_cast<double>(rows > 0 ? rows : 1) : 1.0;
        compare_cross_entropy(batch, {.rows = rows, .classes = classes, .reduction = reduction}, options, scale);
      }
    }
  }
});

const Row special_logits("softmax_cross_entropy of infinities", [] {
  for (const int64_t classes : {10, 1030}) {
    Batch batch(8, classes);
    const auto at = [&](int64_t row, int64_t c) -> float& {
      return batch.logits.host[static_cast<std::size_t>(row * classes + c)];
    };
    batch.labels.host.assign(8, 3);
    batch.labels.upload();
    at(1, 5) = NAN;
    at(2, 5) = INFINITY;
    at(3, 5) = -INFINITY;
    at(4, 3) = -INFINITY;
    for (int64_t c = 0; c < classes; ++c) at(5, c) = -INFINITY;
    for (int64_t c = 0; c < classes; ++c) at(6, c) = c == 3 ? 7.0f : -INFINITY;
    for (int64_t c = 0; c < classes; ++c) at(7, c) *= 1e30f;
    batch.logits.upload();
    compare_cross_entropy(batch, {.rows = 8, .classes = classes, .reduction = Reduction::none}, {}, 1);
  }
});

const Row bad_labels("softmax_cross_entropy of bad labels", [] {
  for (const int64_t classes : {10, 1030}) {
    Batch batch(40, classes);
    Floats loss(40), dlogits(40 * classes);
    LabelError error{};
    require(device().synchronize());
    if (device().take_label_error(&error)) fail("a label error before there was a bad label");
    // What an ignored row gives is what a bad one gives.
    CrossEntropySpec s{
        .rows = 40, .classes = classes, .reduction = Reduction::none, .has_ignore_index = true, .ignore_index = -1};
    batch.labels.host[17] = -1;
    require(cpu().softmax_cross_entropy(s, here(batch.logits), here(batch.labels), nullptr, nullptr, nullptr,
                                        here(loss), here(dlogits)));
    for (const int64_t label : {int64_t{-7}, classes}) {
      batch.labels.host[17] = label;
      batch.labels.upload();
      require(cuda().softmax_cross_entropy(s, there(batch.logits), there(batch.labels), nullptr, nullptr, nullptr,
                                           there(loss), there(dlogits)));
      compare("losses beside a bad label", loss, 1e-5, 1e-6);
      compare("gradients beside a bad label", dlogits, 1e-5, 1e-6);
      require(device().synchronize());
      if (!device().take_label_error(&error)) fail("a bad label was not reported");
      if (error.row != 17 || error.label != label || error.classes != classes) fail("a bad label is reported wrongly");
      if (device().take_label_error(&error)) fail("a bad label was reported twice");
    }
  }
});

// ---- element by element ---------------------------------------------------------------------------------------------

const Row pointwise("pointwise_loss", [] {
  for (const PointwiseLoss kind :
       {PointwiseLoss::mse, PointwiseLoss::mae, PointwiseLoss::huber, PointwiseLoss::binary_cross_entropy}) {
    for (const Reduction reduction : kReductions) {
      for (const int64_t n : {0, 1, 1031, 70001}) {
        for (const bool weighted : {false, true}) {
          const bool gradient = weighted || n != 1031;
          Floats x(n, weighted ? 1 : 0), target(n), weight(n), dx(n), loss(reduction == Reduction::none ? n : 1);
          if (reduction == Reduction::none) {
            x.fill_with_extremes();
          } else {
            x.fill(-4.0f, 4.0f);
          }
          target.fill(0.0f, 1.0f);
          weight.fill(0.0f, 2.0f);
          Twin<float>*const w = weighted ? &weight : nullptr, *const d = gradient ? &dx : nullptr;
          const PointwiseLossSpec s{kind, n, reduction, 0.7};
          require(cpu().pointwise_loss(s, here(x), here(target), here(w), here(loss), here(d)));
          require(cuda().pointwise_loss(s, there(x), there(target), there(w), there(loss), there(d)));
          compare("pointwise_loss " + std::to_string(static_cast<int>(kind)), loss, 5e-6, 1e-6);
          compare("pointwise_loss's gradient " + std::to_string(static_cast<int>(kind)), dx, 5e-6, 1e-6);
        }
      }
    }
  }
});

}  // namespace
}  // namespace parity
