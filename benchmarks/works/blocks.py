"""The two blocks of the MNIST CNN, conv2d 3x3 + bias + relu + max_pool2d 2x2: forward, and backward alone."""

from works.work import PLAIN, Work, normal, rows, with_threads

BLOCKS = ((28, 1, 32), (13, 32, 64))  # height and width, channels, filters
BATCH = 128


def _arrays(size, c, f):
    pooled = (size - 2) // 2
    x, w = normal(BATCH, size, size, c).clip(0), normal(3, 3, c, f, seed=1) / (9 * c) ** 0.5
    return x, w, normal(f, seed=2) / 8, normal(BATCH, pooled, pooled, f, seed=3)


def block_hotloop(threads, shape, backward):
    hl, (x, w, b, dy) = with_threads("hotloop", threads), _arrays(*shape)
    if not backward:
        return lambda: hl.conv2d_max_pool2d(x, w, b, pool=2, activation="relu")
    leaves = [hl.Tensor(array, requires_grad=True) for array in ((x, w, b) if shape[1] > 1 else (w, b))]
    inputs = leaves if shape[1] > 1 else [hl.Tensor(x), *leaves]
    y = hl.conv2d_max_pool2d(*inputs, pool=2, activation="relu")

    def work():
        for leaf in leaves:
            leaf.grad = None
        y.backward(dy, retain_graph=True)
        return [leaf.grad for leaf in leaves]

    return work


def block_torch(threads, shape, backward, channels_last=False):
    torch = with_threads("PyTorch", threads)
    x, w, b, dy = (torch.from_numpy(array) for array in _arrays(*shape))
    layout = torch.channels_last if channels_last else torch.contiguous_format
    x, dy = (image.permute(0, 3, 1, 2).contiguous(memory_format=layout) for image in (x, dy))
    w = w.permute(3, 2, 0, 1).contiguous(memory_format=layout)
    functional = torch.nn.functional

    def forward():
        return functional.max_pool2d(functional.relu(functional.conv2d(x, w, b)), 2)

    if not backward:
        return lambda: forward().permute(0, 2, 3, 1)
    leaves = [leaf.requires_grad_() for leaf in ((x, w, b) if shape[1] > 1 else (w, b))]
    y = forward()
    orders = {x: (0, 2, 3, 1), w: (2, 3, 1, 0), b: (0,)}

    def work():
        gradients = torch.autograd.grad(y, leaves, dy, retain_graph=True)
        return [gradient.permute(orders[leaf]) for leaf, gradient in zip(leaves, gradients, strict=True)]

    return work


def block_jax(threads, shape, backward):
    jax = with_threads("JAX", threads)
    x, w, b, dy = (jax.numpy.asarray(array) for array in _arrays(*shape))
    lax = jax.lax

    def forward(x, w, b):
        y = lax.conv_general_dilated(x, w, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")) + b
        return lax.reduce_window(jax.nn.relu(y), -jax.numpy.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    if not backward:
        call = jax.jit(forward)
        return lambda: call(x, w, b).block_until_ready()
    pull = jax.vjp(forward, x, w, b)[1] if shape[1] > 1 else jax.vjp(lambda w, b: forward(x, w, b), w, b)[1]
    call = jax.jit(lambda pull, dy: pull(dy))
    return lambda: jax.block_until_ready(call(pull, dy))


def works(threads):
    build = {"hotloop": block_hotloop, "PyTorch": block_torch, "JAX": block_jax}
    variants = (*PLAIN, ("PyTorch", "channels_last", {"channels_last": True}))
    for backward in (False, True):
        for shape in BLOCKS:
            size, c, f = shape
            inputs = 2 if backward and c > 1 else 1
            yield Work(
                "conv2d + relu + max_pool2d, gradients" if backward else "conv2d + relu + max_pool2d",
                f"{BATCH} x {size} x {size} x {c} -> {f}",
                rows(build, variants, threads, shape=shape, backward=backward),
                flops=inputs * 2 * BATCH * (size - 2) ** 2 * 9 * c * f,
            )
