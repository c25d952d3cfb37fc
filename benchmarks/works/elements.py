"""What memory limits, or should: activations, softmax with cross-entropy, an optimizer's step."""

import numpy as np

from works.work import PLAIN, Work, normal, rows, with_threads

ACTIVATIONS, LENGTH = ("relu", "sigmoid", "gelu"), 10_000_000
LOGITS = ((128, 10), (128, 1000), (4096, 32000))
PARAMETERS = (1_000, 100_000, 10_000_000)


def activation_hotloop(threads, name):
    hl, x = with_threads("hotloop", threads), normal(LENGTH)
    function = getattr(hl, name)
    return lambda: function(x)


def activation_torch(threads, name):
    torch = with_threads("PyTorch", threads)
    x, function = torch.from_numpy(normal(LENGTH)), getattr(torch.nn.functional, name)
    return lambda: function(x)


def activation_jax(threads, name):
    jax = with_threads("JAX", threads)
    x, function = jax.numpy.asarray(normal(LENGTH)), getattr(jax.nn, name)
    call = jax.jit(lambda x: function(x, approximate=False) if name == "gelu" else function(x))
    return lambda: call(x).block_until_ready()


def _logits(rows, classes):
    return normal(rows, classes), np.random.default_rng(rows).integers(0, classes, rows)


def loss_hotloop(threads, shape):
    hl, (x, labels) = with_threads("hotloop", threads), _logits(*shape)
    logits = hl.Tensor(x, requires_grad=True)

    def work():
        logits.grad = None
        loss = hl.softmax_cross_entropy(logits, labels)
        loss.backward()
        return loss, logits.grad

    return work


def loss_torch(threads, shape):
    torch = with_threads("PyTorch", threads)
    logits, labels = (torch.from_numpy(array) for array in _logits(*shape))
    logits.requires_grad_()

    def work():
        logits.grad = None
        loss = torch.nn.functional.cross_entropy(logits, labels)
        loss.backward()
        return loss, logits.grad

    return work


def loss_jax(threads, shape):
    jax = with_threads("JAX", threads)
    import optax

    logits, labels = (jax.numpy.asarray(array) for array in _logits(*shape))
    mean = lambda x, y: optax.softmax_cross_entropy_with_integer_labels(x, y).mean()  # noqa: E731
    call = jax.jit(jax.value_and_grad(mean))
    return lambda: jax.block_until_ready(call(logits, labels))


def adam_hotloop(threads, count):
    hl = with_threads("hotloop", threads)
    weights = hl.Tensor(normal(count), requires_grad=True)
    weights.grad = normal(count, seed=1)
    optimizer = hl.optim.Adam([weights], lr=1e-3)

    def work():
        optimizer.step()
        return weights

    return work


def adam_torch(threads, count):
    torch = with_threads("PyTorch", threads)
    weights = torch.nn.Parameter(torch.from_numpy(normal(count)))
    optimizer = torch.optim.Adam([weights], lr=1e-3, fused=True)
    weights.grad = torch.from_numpy(normal(count, seed=1))

    def work():
        optimizer.step()
        return weights

    return work


def adam_jax(threads, count):
    jax = with_threads("JAX", threads)
    import optax

    optimizer, gradient = optax.adam(1e-3), jax.numpy.asarray(normal(count, seed=1))
    weights = jax.numpy.asarray(normal(count))
    state = optimizer.init(weights)

    @jax.jit
    def update(weights, state):
        changes, state = optimizer.update(gradient, state)
        return optax.apply_updates(weights, changes), state

    def work():
        nonlocal weights, state
        weights, state = jax.block_until_ready(update(weights, state))
        return weights

    return work


def works(threads):
    build = {"hotloop": loss_hotloop, "PyTorch": loss_torch, "JAX": loss_jax}
    for shape in LOGITS:
        size = f"{shape[0]} x {shape[1]}"
        yield Work(
            "softmax cross-entropy + gradient",
            size,
            rows(build, PLAIN, threads, shape=shape),
            bytes=8 * shape[0] * shape[1],
        )
    build = {"hotloop": adam_hotloop, "PyTorch": adam_torch, "JAX": adam_jax}
    for count in PARAMETERS:
        yield Work("Adam step", f"{count:,} parameters", rows(build, PLAIN, threads, count=count), bytes=28 * count)
    build = {"hotloop": activation_hotloop, "PyTorch": activation_torch, "JAX": activation_jax}
    for name in ACTIVATIONS:
        yield Work(name, f"{LENGTH:,}", rows(build, PLAIN, threads, name=name), bytes=8 * LENGTH)
