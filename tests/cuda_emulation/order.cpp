#include "order.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <random>
#include <string_view>

#include "cuda_runtime.h"

namespace emulation {
namespace {

enum class Order { forward, reverse, random };

Order order() {
  static const Order one = [] {
    const char* name = std::getenv("HOTLOOP_EMULATION_ORDER");
    const std::string_view wanted = name != nullptr ? name : "forward";
    if (wanted == "reverse") return Order::reverse;
    if (wanted == "random") return Order::random;
    if (wanted != "forward") stop("HOTLOOP_EMULATION_ORDER is %s; it may be forward, reverse, random", name);
    return Order::forward;
  }();
  return one;
}

// The same numbers in every run: a failure comes again.
std::minstd_rand& numbers() {
  static std::minstd_rand one(20240501);
  return one;
}

}  // namespace

void put_in_order(std::vector<int>& turns) {
  std::iota(turns.begin(), turns.end(), 0);
  if (order() == Order::reverse) std::reverse(turns.begin(), turns.end());
  if (order() == Order::random) std::shuffle(turns.begin(), turns.end(), numbers());
}

bool copies_at_once() { return order() == Order::reverse || (order() == Order::random && numbers()() % 2 == 0); }

}  // namespace emulation
