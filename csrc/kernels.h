// THE CONTRACT: every kernel, declared once. backend.h turns this list into the CPU's declarations, the CUDA
// library's and the slots of Backend<T>; it is the only file that includes this one.
//
// T is float or double. Pointers are to C-contiguous arrays whose shapes are said in words; nullptr is allowed only
// where a line says "or null". Kernels overwrite their outputs; those that read or accumulate say so. Arguments have
// been checked by the bindings: kernels trust their shapes. Any size may be 0.
// Results depend on shapes and values alone, never on the number of threads. On the CPU a kernel may be ended by an
// exception (runtime/threads.h: Pauses); its outputs then hold anything. Updates in place are never run like that.

// ---- matmul -------------------------------------------------------------------------------------------------------

/// c (batch..., m, n) = act(a (batch..., m, k) @ b (batch..., k, n) + bias (n) or null)
HL_KERNEL(matmul, const MatmulShape& s, const T* a, const T* b, const T* bias, T* c)

// ---- conv ---------------------------------------------------------------------------------------------------------

/// y (n, oh, ow, f) = act(conv(x (n, h, w, c), w (kh, kw, c / groups, f)) + bias (f) or null)
HL_KERNEL(conv2d, const Conv2dShape& s, const T* x, const T* w, const T* bias, T* y)
/// dx (n, h, w, c) from dy (n, oh, ow, f), the gradient before the activation; zeros may lie around dy, so that an
/// infinite or NaN weight can give NaN to a pixel that no window looks at with it
HL_KERNEL(conv2d_input_grad, const Conv2dShape& s, const T* dy, const T* w, T* dx)
/// dw (kh, kw, c / groups, f) from x (n, h, w, c) and dy (n, oh, ow, f); the zeros around x count or not, which an
/// infinite or NaN dy shows
HL_KERNEL(conv2d_weight_grad, const Conv2dShape& s, const T* x, const T* dy, T* dw)

/// y (n, oh, ow, f) = max_pool(act(conv(x, w) + bias or null)); argmax (n, oh, ow, f) or null is the position in the
/// window, i * pool_w + j; the first maximum wins, NaN wins over all.
HL_KERNEL(conv2d_max_pool2d, const ConvPoolShape& s, const T* x, const T* w, const T* bias, T* y, uint8_t* argmax)
/// dx (n, h, w, c), dw (kh, kw, c / groups, f) and db (f), each or null, from dy (n, oh, ow, f), y and argmax. Zeros of
/// the gradient before the activation count or not, which an infinite or NaN x or w shows.
HL_KERNEL(conv2d_max_pool2d_grad, const ConvPoolShape& s, const T* x, const T* w, const T* y, const uint8_t* argmax,
          const T* dy, T* dx, T* dw, T* db)

// ---- pool ---------------------------------------------------------------------------------------------------------

/// y (n, oh, ow, c) = max over each window; indices (n, oh, ow, c) or null is the place of the maximum in its input
/// plane, i * w + j; the first maximum wins, NaN wins over all; an empty window gives -inf and index -1.
HL_KERNEL(max_pool2d, const Pool2dShape& s, const T* x, T* y, int32_t* indices)
/// dx (n, h, w, c) = dy (n, oh, ow, c) added up at the indices (n, oh, ow, c)
HL_KERNEL(max_pool2d_grad, const Pool2dShape& s, const T* dy, const int32_t* indices, T* dx)
/// y (n, oh, ow, c) = mean over each window
HL_KERNEL(avg_pool2d, const Pool2dShape& s, const T* x, T* y)
/// dx (n, h, w, c) from dy (n, oh, ow, c)
HL_KERNEL(avg_pool2d_grad, const Pool2dShape& s, const T* dy, T* dx)

// ---- activation ---------------------------------------------------------------------------------------------------

/// y (n) = act(x (n)); y may be x. NaN stays NaN; gelu, silu and hard_swish of -inf are their limit, -0.
HL_KERNEL(activation, ActivationSpec act, int64_t n, const T* x, T* y)
/// dx (n) = dy (n) * act'; saved (n) is y where saves_output(act.kind), else x; dx may be dy. Where act is level, as
/// relu below 0, dx is 0 whatever dy; at NaN what has a kink has its slope from the right, the rest NaN.
HL_KERNEL(activation_grad, ActivationSpec act, int64_t n, const T* saved, const T* dy, T* dx)
/// y = softmax(x) along the middle axis of (outer, length, inner), or its logarithm
HL_KERNEL(softmax, const AxisShape& s, bool logarithm, const T* x, T* y)
/// dx from y and dy, each (outer, length, inner)
HL_KERNEL(softmax_grad, const AxisShape& s, bool logarithm, const T* y, const T* dy, T* dx)

// ---- elementwise --------------------------------------------------------------------------------------------------

/// y (n) = op(x (n)); y may be x
HL_KERNEL(unary, UnaryOp op, int64_t n, const T* x, T* y)
/// y (sizes) = a op b, broadcast; y may be an operand that is not broadcast. Of 0 and -0 either is the larger.
HL_KERNEL(binary, BinaryOp op, const BroadcastShape& s, const T* a, const T* b, T* y)
/// y (sizes) = a op b, broadcast, one byte 0 or 1 each
HL_KERNEL(compare, CompareOp op, const BroadcastShape& s, const T* a, const T* b, uint8_t* y)
/// y (sizes) = x read with strides
HL_KERNEL(copy_strided, const StridedShape& s, const T* x, T* y)
/// y (n) = a where condition (n) is not 0, else b; a and b are (n), or one element for all where s says so
HL_KERNEL(select, const SelectShape& s, const uint8_t* condition, const T* a, const T* b, T* y)
/// y (n) = value
HL_KERNEL(full, int64_t n, double value, T* y)
/// y (n) += x (n): the tape's own sum, the one kernel that accumulates
HL_KERNEL(accumulate, int64_t n, const T* x, T* y)

// ---- reduce -------------------------------------------------------------------------------------------------------

/// y (the axes that are left) = op over the reduced axes of x; the sum over nothing is 0, the mean NaN; a result of 0
/// has either sign
HL_KERNEL(reduce, ReduceOp op, const ReduceShape& s, const T* x, T* y)
/// y (rows) = column of the first maximum of each row of x (rows, cols), cols >= 1; NaN wins
HL_KERNEL(argmax, int64_t rows, int64_t cols, const T* x, int64_t* y)
/// dx (rows, cols) = dy (rows) in the columns that index (rows) names, 0 elsewhere
HL_KERNEL(argmax_grad, int64_t rows, int64_t cols, const int64_t* index, const T* dy, T* dx)
/// count (1) = how many of a (n) equal b (n)
HL_KERNEL(count_equal, int64_t n, const int64_t* a, const int64_t* b, T* count)

// ---- loss ---------------------------------------------------------------------------------------------------------

/// loss (rows), or (1) when reduced, and dlogits (rows, classes) or null, the gradient of the (reduced) loss.
/// Exactly one of labels (rows) and target (rows, classes) is given; class_weight (classes) or null;
/// sample_weight (rows) or null scales a row's loss after everything else.
HL_KERNEL(softmax_cross_entropy, const CrossEntropySpec& s, const T* logits, const int64_t* labels, const T* target,
          const T* class_weight, const T* sample_weight, T* loss, T* dlogits)
/// loss (n), or (1) when reduced, and dx (n) or null, the gradient of the (reduced) loss by x (n);
/// binary_cross_entropy takes x as logits; sample_weight (n) or null scales each element's loss
HL_KERNEL(pointwise_loss, const PointwiseLossSpec& s, const T* x, const T* target, const T* sample_weight, T* loss,
          T* dx)

// ---- dropout ------------------------------------------------------------------------------------------------------

/// y (n) = x (n) where kept, scaled, else 0; the same spec and state on dy give dx; y may be x. The state's step, where
/// it is not null, is added to the spec's counter, so that a captured call draws anew in each replay.
HL_KERNEL(dropout, const DropoutSpec& s, const StepState* state, const T* x, T* y)

// ---- optim: fused updates over flat buffers; w and the moments are read and written, and start at 0 ----------------

/// PyTorch's SGD; velocity (n), or null without momentum
HL_KERNEL(sgd, const SgdSpec& s, const StepState* state, int64_t n, const T* g, T* w, T* velocity)
/// PyTorch's Adam and AdamW; m, v (n); v_max (n) with amsgrad, else null
HL_KERNEL(adam, const AdamSpec& s, const StepState* state, int64_t n, const T* g, T* w, T* m, T* v, T* v_max)
/// PyTorch's NAdam; m, v (n)
HL_KERNEL(nadam, const NadamSpec& s, const StepState* state, int64_t n, const T* g, T* w, T* m, T* v)
/// PyTorch's RMSprop; v (n); mean (n) when centered, velocity (n) with momentum, else null
HL_KERNEL(rmsprop, const RmspropSpec& s, const StepState* state, int64_t n, const T* g, T* w, T* v, T* mean,
          T* velocity)
/// PyTorch's Adagrad; sum (n), which starts at the accumulator's initial value
HL_KERNEL(adagrad, const AdagradSpec& s, const StepState* state, int64_t n, const T* g, T* w, T* sum)
/// Lion; m (n)
HL_KERNEL(lion, const LionSpec& s, const StepState* state, int64_t n, const T* g, T* w, T* m)
/// out (1) = sum of squares of x (n), in double
HL_KERNEL(square_sum, int64_t n, const T* x, double* out)
/// x (n) *= factor
HL_KERNEL(scale, int64_t n, double factor, T* x)

// ---- batch --------------------------------------------------------------------------------------------------------

/// y (count, row_bytes) = x (rows, row_bytes) at indices (count), each in [0, rows); rows of any element type
HL_KERNEL(gather_rows, int64_t count, int64_t row_bytes, const int64_t* indices, const uint8_t* x, uint8_t* y)
/// dx (rows, row) = the rows of dy (count, row) added up at indices (count), 0 where none names a row
HL_KERNEL(gather_rows_grad, int64_t rows, int64_t count, int64_t row, const int64_t* indices, const T* dy, T* dx)
/// y (n) = x (n) * factor + offset, from bytes
HL_KERNEL(rescale_bytes, int64_t n, const uint8_t* x, double factor, double offset, T* y)
