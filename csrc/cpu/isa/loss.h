// Losses and their gradients over a run of rows or elements.
#pragma once

#include <cstdint>

#include "cpu/isa/micro.h"
#include "shapes.h"

namespace hotloop::isa {

/// A run of rows of softmax cross-entropy. Exactly one of labels and target is given.
template <class T>
struct CrossEntropyRun {
  int64_t rows, classes;
  const T* logits;         // (rows, classes)
  const int64_t* labels;   // (rows), or null
  const T* target;         // (rows, classes), or null
  const T* class_weight;   // (classes), or null
  const T* sample_weight;  // (rows), or null
  T* loss;                 // (rows), or null
  T* dlogits;              // (rows, classes), or null: loss * scale, differentiated
  double scale;
  double class_weight_sum;  // of class_weight, or the number of classes
  double label_smoothing;
  bool has_ignore_index;
  int64_t ignore_index;
};

/// A run of elements of a loss that looks at one element at a time.
template <class T>
struct PointwiseLossRun {
  PointwiseLoss kind;
  int64_t n;
  double delta;
  const T* x;              // (n)
  const T* target;         // (n)
  const T* sample_weight;  // (n), or null
  T* loss;                 // (n), or null
  T* dx;                   // (n), or null: loss * scale, differentiated
  double scale;
};

template <class T>
struct LossMicro {
  /// Both write what they are given room for and return the sum of the run's losses.
  double (*cross_entropy)(const CrossEntropyRun<T>& run);
  double (*pointwise)(const PointwiseLossRun<T>& run);
};

HL_MICRO(LossMicro, loss)

}  // namespace hotloop::isa
