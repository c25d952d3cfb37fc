// What the results of a panel's columns become.
#pragma once

namespace hotloop::isa {

/// n <= columns of them a pixel, + bias[j] (readable for all columns), relu if asked for.
template <class T>
struct PanelEnd {
  const T* bias;
  int n;
  bool relu;
};

}  // namespace hotloop::isa
