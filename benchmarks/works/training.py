"""A training step of the MNIST CNN and of two tiny models."""

import itertools

import numpy as np

import mnist_cnn as cnn
from works.work import PLAIN, Work, normal, rows, with_threads

BATCHES = 100  # different ones, used over and over
IMAGE_FLOPS = 2 * 7.70e6  # of a dense step: forward 2.63 M products, backward 5.07 M


def _step(trainer, threads, data, batch_size, **options):
    images, labels = cnn.read_mnist(data, "train")
    step, prepare = trainer(cnn.initial_weights(0), threads, **options)
    starts = [i * batch_size % (len(images) - batch_size) for i in range(BATCHES)]
    ready = itertools.cycle([prepare(images[i : i + batch_size], labels[i : i + batch_size]) for i in starts])
    return lambda: step(*next(ready))


def step_hotloop(threads, **options):
    return _step(cnn.hotloop_trainer, threads, **options)


def step_torch(threads, **options):
    return _step(cnn.torch_trainer, threads, **options)


def step_keras(threads, compiled, **options):
    return _step(cnn.tensorflow_trainer if compiled else cnn.keras_trainer, threads, **options)


def step_jax(threads, **options):
    return _step(cnn.jax_trainer, threads, **options)


def steps(threads, data, batch_size, bfloat16=False):
    """The rows of one training step."""
    build = {"hotloop": step_hotloop, "PyTorch": step_torch, "Keras": step_keras, "JAX": step_jax}
    narrow = {"bfloat16": True}
    if bfloat16:
        variants = [("hotloop", "", narrow), ("PyTorch", "bfloat16 autocast", narrow)]
        variants.append(("PyTorch", "channels_last, bfloat16 autocast", {"channels_last": True, **narrow}))
    else:
        variants = [("hotloop", "", {}), ("PyTorch", "", {}), ("PyTorch", "channels_last", {"channels_last": True})]
        variants += [("Keras", "train_on_batch", {"compiled": False}), ("Keras", "tf.function", {"compiled": True})]
        variants.append(("JAX", "jit", {}))
    return rows(build, variants, threads, data=data, batch_size=batch_size)


def _line():
    x = normal(32)
    return x, 3 * x + normal(32, seed=1) / 10


def line_hotloop(threads):
    hl, (x, y) = with_threads("hotloop", threads), _line()
    slope = hl.Tensor(np.zeros((), np.float32), requires_grad=True)
    optimizer = hl.optim.SGD([slope], lr=1e-3)

    def work():
        loss = hl.mse_loss(slope * x, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    return work


def line_torch(threads):
    torch = with_threads("PyTorch", threads)
    x, y = (torch.from_numpy(array) for array in _line())
    slope = torch.zeros((), requires_grad=True)
    optimizer = torch.optim.SGD([slope], lr=1e-3)

    def work():
        loss = torch.nn.functional.mse_loss(slope * x, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    return work


def line_jax(threads):
    jax = with_threads("JAX", threads)
    x, y = (jax.numpy.asarray(array) for array in _line())
    slope = jax.numpy.zeros(())

    @jax.jit
    def update(slope):
        loss, gradient = jax.value_and_grad(lambda slope: ((slope * x - y) ** 2).mean())(slope)
        return slope - 1e-3 * gradient, loss

    def work():
        nonlocal slope
        slope, loss = jax.block_until_ready(update(slope))
        return loss

    return work


def _mlp():
    """Weights in hotloop's layout, (in, out), and a batch."""
    weights = normal(13, 64) / 4, np.zeros(64, np.float32), normal(64, 1) / 8, np.zeros(1, np.float32)
    return weights, normal(32, 13, seed=1), normal(32, 1, seed=2)


def mlp_hotloop(threads):
    hl, (weights, x, y) = with_threads("hotloop", threads), _mlp()
    model = hl.Sequential([hl.layers.Dense(64, activation="relu", input_shape=(13,)), hl.layers.Dense(1)])
    model.set_weights(weights)
    model.compile(hl.optim.Adam(lr=1e-3, eps=1e-8), "mse", device="cpu")
    return lambda: model.train_on_batch(x, y)


def mlp_torch(threads):
    torch, (weights, x, y) = with_threads("PyTorch", threads), _mlp()
    model = torch.nn.Sequential(torch.nn.Linear(13, 64), torch.nn.ReLU(), torch.nn.Linear(64, 1))
    with torch.no_grad():
        for parameter, array in zip(model.parameters(), weights, strict=True):
            parameter.copy_(torch.from_numpy(array.T))
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)

    def work():
        loss = torch.nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    return work


def mlp_jax(threads):
    jax, (weights, x, y) = with_threads("JAX", threads), _mlp()
    import optax

    optimizer = optax.adam(1e-3)
    weights = [jax.numpy.asarray(array) for array in weights]
    state = optimizer.init(weights)

    def mean_loss(weights):
        w1, b1, w2, b2 = weights
        return ((jax.nn.relu(x @ w1 + b1) @ w2 + b2 - y) ** 2).mean()

    @jax.jit
    def update(weights, state):
        loss, gradients = jax.value_and_grad(mean_loss)(weights)
        changes, state = optimizer.update(gradients, state)
        return optax.apply_updates(weights, changes), state, loss

    def work():
        nonlocal weights, state
        weights, state, loss = jax.block_until_ready(update(weights, state))
        return loss

    return work


def works(threads, data):
    for batch_size, bfloat16 in ((128, False), (32, False), (128, True)):
        yield Work(
            "MNIST CNN training step, bfloat16" if bfloat16 else "MNIST CNN training step",
            f"batch {batch_size}",
            steps(threads, data, batch_size, bfloat16),
            flops=IMAGE_FLOPS * batch_size,
            tolerance=5e-2 if bfloat16 else 2e-2,
            bfloat16=bfloat16,
        )
    build = {"hotloop": line_hotloop, "PyTorch": line_torch, "JAX": line_jax}
    yield Work("regression step, SGD", "one parameter, batch 32", rows(build, PLAIN, threads))
    build = {"hotloop": mlp_hotloop, "PyTorch": mlp_torch, "JAX": mlp_jax}
    yield Work("MLP 13-64-1 step, Adam", "batch 32", rows(build, PLAIN, threads))
