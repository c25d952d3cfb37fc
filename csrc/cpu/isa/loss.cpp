// Losses over runs: cross-entropy by rows or by lines, whichever fills the vectors; elements as they lie.
#include "cpu/isa/loss.h"

#include "cpu/isa/loss_lines.h"
#include "cpu/isa/loss_rows.h"

namespace hotloop::isa::HL_TIER {
namespace {

#include "formulas_loss.h"

template <class T>
double cross_entropy(const CrossEntropyRun<T>& run) {
  const bool given = run.target != nullptr, weighted = run.class_weight != nullptr;
  if (!given && run.label_smoothing == 0) {
    return run.classes <= kShortRow ? lines_loss(run) : rows_loss(run, NoShares{});
  }
  const T keep = static_cast<T>(1 - run.label_smoothing);
  const T spread = static_cast<T>(run.label_smoothing / static_cast<double>(run.classes));
  if (given && weighted) return rows_loss(run, Shares<T, true, true>{nullptr, run.class_weight, keep, spread});
  if (given) return rows_loss(run, Shares<T, true, false>{nullptr, nullptr, keep, spread});
  if (weighted) return rows_loss(run, Shares<T, false, true>{nullptr, run.class_weight, keep, spread});
  return rows_loss(run, Shares<T, false, false>{nullptr, nullptr, keep, spread});
}

/// What a run has besides losses to sum up, known when compiled: a test for every vector costs more than a square does.
struct SumAlone {};
struct SumAndSlopes {};
struct Anything {};  // sample weights, and losses to be written

/// One vector of losses; its slopes go to dx where that is wanted.
template <PointwiseLoss kind, class Parts, class T, class Width>
HL_INLINE Vec<T> pointwise_at(const PointwiseLossRun<T>& run, int64_t i, Width width, Vec<T> delta, Vec<T> scale) {
  constexpr bool anything = std::is_same_v<Parts, Anything>;
  Vec<T> loss, slope;
  pointwise_loss<kind>(load_width(run.x + i, width), load_width(run.target + i, width), delta, loss, slope);
  if (anything && run.sample_weight != nullptr) {
    const Vec<T> weight = load_width(run.sample_weight + i, width);
    loss *= weight;
    slope *= weight;
  }
  if (anything && run.loss != nullptr) store_width(run.loss + i, loss, width);
  if (std::is_same_v<Parts, SumAndSlopes> || (anything && run.dx != nullptr)) {
    store_width(run.dx + i, slope * scale, width);
  }
  return loss;
}

// By value: stores to dx could otherwise change what the run says, which would then be read again for every vector.
template <PointwiseLoss kind, class Parts, class T>
double pointwise_run(const PointwiseLossRun<T> run) {
  constexpr std::integral_constant<int64_t, kLanes<T>> full;
  const Vec<T> delta = splat(static_cast<T>(run.delta)), scale = splat(static_cast<T>(run.scale));
  double total = 0;
  for (int64_t i = 0; i < run.n;) {
    const int64_t end = run.n - i < kSumBlock ? run.n : i + kSumBlock;
    Vec<T> first{}, second{};
    for (; i + 2 * full <= end; i += 2 * full) {
      first += pointwise_at<kind, Parts>(run, i, full, delta, scale);
      second += pointwise_at<kind, Parts>(run, i + full, full, delta, scale);
    }
    for (; i + full <= end; i += full) first += pointwise_at<kind, Parts>(run, i, full, delta, scale);
    if (i < end) {
      first += fill_rest<T>(pointwise_at<kind, Parts>(run, i, end - i, delta, scale), end - i, T{0});
      i = end;
    }
    total += horizontal_sum<T>(first + second);
  }
  return total;
}

template <class T>
double pointwise(const PointwiseLossRun<T>& run) {
  double total = 0;
  with_pointwise_loss(run.kind, [&](auto which) {
    constexpr PointwiseLoss kind = decltype(which)::value;
    if (run.sample_weight != nullptr || run.loss != nullptr) {
      total = pointwise_run<kind, Anything>(run);
    } else if (run.dx != nullptr) {
      total = pointwise_run<kind, SumAndSlopes>(run);
    } else {
      total = pointwise_run<kind, SumAlone>(run);
    }
  });
  return total;
}

}  // namespace

template <class T>
const LossMicro<T>& loss_table() {
  static constexpr LossMicro<T> table = {cross_entropy<T>, pointwise<T>};
  return table;
}

template const LossMicro<float>& loss_table<float>();
template const LossMicro<double>& loss_table<double>();

}  // namespace hotloop::isa::HL_TIER
