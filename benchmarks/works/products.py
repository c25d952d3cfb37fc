"""Matrix products and plain convolutions."""

from works.work import PLAIN, Work, normal, rows, with_threads

MATMUL = ((64, 64, 64), (1024, 1024, 1024), (4096, 4096, 4096), (15488, 288, 64), (288, 15488, 64))  # m, k, n
CONV = ((32, 56, 56, 64, 64), (32, 14, 14, 256, 256))  # n, h, w, c, f


def _factors(m, k, n):
    return normal(m, k), normal(k, n, seed=1)


def matmul_hotloop(threads, shape, bfloat16=False):
    hl, (a, b) = with_threads("hotloop", threads), _factors(*shape)
    if not bfloat16:
        return lambda: hl.matmul(a, b)

    def work():
        with hl.set_precision("bfloat16"):
            return hl.matmul(a, b)

    return work


def matmul_torch(threads, shape, bfloat16=False):
    torch = with_threads("PyTorch", threads)
    a, b = (torch.from_numpy(x) for x in _factors(*shape))
    if bfloat16:
        a, b = a.bfloat16(), b.bfloat16()
    return lambda: torch.matmul(a, b)


def matmul_jax(threads, shape, bfloat16=False):
    jax = with_threads("JAX", threads)
    dtype = jax.numpy.bfloat16 if bfloat16 else jax.numpy.float32
    a, b = (jax.numpy.asarray(x, dtype) for x in _factors(*shape))
    multiply = jax.jit(jax.numpy.matmul)
    return lambda: multiply(a, b).block_until_ready()


def _images(n, h, w, c, f):
    return normal(n, h, w, c), normal(3, 3, c, f, seed=1), normal(n, h, w, f, seed=2)


def conv_hotloop(threads, shape, backward):
    hl, (x, w, dy) = with_threads("hotloop", threads), _images(*shape)
    if not backward:
        return lambda: hl.conv2d(x, w, padding="same")
    x, w = hl.Tensor(x, requires_grad=True), hl.Tensor(w, requires_grad=True)

    def work():
        x.grad = w.grad = None
        hl.conv2d(x, w, padding="same").backward(dy)
        return x.grad, w.grad

    return work


def conv_torch(threads, shape, backward, channels_last=False):
    torch = with_threads("PyTorch", threads)
    x, w, dy = (torch.from_numpy(array) for array in _images(*shape))
    layout = torch.channels_last if channels_last else torch.contiguous_format
    x, dy = (image.permute(0, 3, 1, 2).contiguous(memory_format=layout) for image in (x, dy))
    w = w.permute(3, 2, 0, 1).contiguous(memory_format=layout)
    if not backward:
        return lambda: torch.nn.functional.conv2d(x, w, padding=1).permute(0, 2, 3, 1)
    x.requires_grad_(), w.requires_grad_()

    def work():
        x.grad = w.grad = None
        torch.nn.functional.conv2d(x, w, padding=1).backward(dy)
        return x.grad.permute(0, 2, 3, 1), w.grad.permute(2, 3, 1, 0)

    return work


def conv_jax(threads, shape, backward):
    jax = with_threads("JAX", threads)
    x, w, dy = (jax.numpy.asarray(array) for array in _images(*shape))

    def conv(x, w):
        return jax.lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))

    call = jax.jit((lambda x, w, dy: jax.vjp(conv, x, w)[1](dy)) if backward else (lambda x, w, dy: conv(x, w)))
    return lambda: jax.block_until_ready(call(x, w, dy))


def works(threads):
    multiply = {"hotloop": matmul_hotloop, "PyTorch": matmul_torch, "JAX": matmul_jax}
    for bfloat16 in (False, True):
        for m, k, n in MATMUL[1:3] if bfloat16 else MATMUL:
            yield Work(
                "matmul bfloat16" if bfloat16 else "matmul",
                f"{m} x {k} x {n}",
                rows(multiply, PLAIN, threads, shape=(m, k, n), bfloat16=bfloat16),
                flops=2 * m * k * n,
                tolerance=2e-2 if bfloat16 else 1e-4,
                bfloat16=bfloat16,
            )
    convolve = {"hotloop": conv_hotloop, "PyTorch": conv_torch, "JAX": conv_jax}
    variants = (*PLAIN, ("PyTorch", "channels_last", {"channels_last": True}))
    for shape in CONV:
        n, h, w, c, f = shape
        for backward in (False, True):
            yield Work(
                "conv2d 3x3 forward and both gradients" if backward else "conv2d 3x3",
                f"{n} x {h} x {w} x {c} -> {f}",
                rows(convolve, variants, threads, shape=shape, backward=backward),
                flops=(6 if backward else 2) * n * h * w * 9 * c * f,
            )
