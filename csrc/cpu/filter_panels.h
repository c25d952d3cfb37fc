// How the filters of a convolution lie in panels: a group's panels one behind the other, the last one of each narrower.
#pragma once

#include <algorithm>

#include "cpu/isa/gemm.h"
#include "shapes.h"

namespace hotloop::cpu {

/// Panel `index` holds width(index) filters from filter(index) on, all of group(index).
struct FilterPanels {
  FilterPanels(const Conv2dShape& conv, int64_t columns)
      : columns(columns),
        filters(conv.f / conv.groups),
        per_group((filters + columns - 1) / columns),
        count(conv.groups * per_group),
        size(conv.kh * conv.kw * (conv.c / conv.groups) * columns) {}
  int64_t group(int64_t index) const { return index / per_group; }
  int64_t filter(int64_t index) const { return group(index) * filters + index % per_group * columns; }
  int width(int64_t index) const { return static_cast<int>(std::min(columns, filters - index % per_group * columns)); }
  int64_t columns, filters, per_group;  // of a panel; of a group
  int64_t count, size;                  // of all panels; elements of one
};

}  // namespace hotloop::cpu
