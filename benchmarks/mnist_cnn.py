"""The Keras-tutorial MNIST CNN in hotloop, PyTorch, Keras and JAX: one network, one NumPy initialisation, one reader.

Conv2D(32, 3x3, relu), MaxPool 2, Conv2D(64, 3x3, relu), MaxPool 2, Flatten, Dense(128, relu), Dense(10, softmax);
"valid" padding, Adam at 1e-3, sparse categorical cross-entropy from the logits. Weights are kept in Keras' layouts
(convolutions HWIO, dense (in, out)) and in Keras' order; a framework is imported only by the function that needs it.
Each `*_trainer` returns `step(x, y) -> loss` and `prepare(images, labels) -> x, y`, which is never timed. Keras adds
Adam's epsilon before the bias correction, the others after it, so its losses part from theirs in the third digit.
"""

import gzip
import math
from pathlib import Path

import numpy as np

LEARNING_RATE = 1e-3
ADAM_EPSILON = 1e-8  # PyTorch's default; Keras' own is 1e-7
WEIGHT_SHAPES = ((3, 3, 1, 32), (32,), (3, 3, 32, 64), (64,), (1600, 128), (128,), (128, 10), (10,))
FEATURES = (5, 5, 64)  # height, width and channels that Flatten sees


def read_idx(path):
    """Read one IDX file of bytes, plain or gzip.

    Returns: uint8 array of the shape in the header.
    Raises: ValueError if the header is not an IDX one or the size disagrees with it.
    Source: Y. LeCun, http://yann.lecun.com/exdb/mnist, "the IDX file format".
    """
    content = path.read_bytes()
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    if content[:3] != b"\x00\x00\x08":
        raise ValueError(f"[read_idx] not an IDX file of bytes: {path} begins with {content[:4].hex()}")
    rank = content[3]
    shape = tuple(np.frombuffer(content, ">u4", rank, offset=4).tolist())
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * rank)
    if values.size != math.prod(shape):
        raise ValueError(f"[read_idx] size differs from header: {path} has {values.size} bytes for shape {shape}")
    return values.reshape(shape)


def read_mnist(folder, split):
    """Read one split of MNIST, scaled to 0..1.

    Args: folder with the four original IDX files (`.gz` or plain); split "train" or "t10k".
    Returns: images (N, 28, 28, 1) float32 and labels (N,) int64.
    """
    arrays = []
    for stem in (f"{split}-images-idx3-ubyte", f"{split}-labels-idx1-ubyte"):
        found = [path for path in (Path(folder) / f"{stem}.gz", Path(folder) / stem) if path.is_file()]
        if not found:
            raise FileNotFoundError(f"[read_mnist] {stem}[.gz] not found in {folder}")
        arrays.append(read_idx(found[0]))
    images, labels = arrays
    return images[..., None].astype(np.float32) / np.float32(255), labels.astype(np.int64)


def initial_weights(seed):
    """Keras' initialisation: w ~ U(-l, l), l = sqrt(6 / (fan_in + fan_out)), biases zero.

    Returns: list of float32 arrays shaped as WEIGHT_SHAPES.
    Source: Glorot and Bengio 2010, eq. 16.
    """
    generator = np.random.default_rng(seed)
    weights = []
    for shape in WEIGHT_SHAPES:
        receptive = math.prod(shape[:-2])
        limit = math.sqrt(6 / (receptive * sum(shape[-2:]))) if len(shape) > 1 else 0.0
        weights.append(generator.uniform(-limit, limit, shape).astype(np.float32))
    return weights


def hotloop_model(optimizer, metrics=(), device="cpu"):
    import hotloop as hl

    model = hl.Sequential(
        [
            hl.layers.Conv2D(32, (3, 3), activation="relu", input_shape=(28, 28, 1)),
            hl.layers.MaxPooling2D((2, 2)),
            hl.layers.Conv2D(64, (3, 3), activation="relu"),
            hl.layers.MaxPooling2D((2, 2)),
            hl.layers.Flatten(),
            hl.layers.Dense(128, activation="relu"),
            hl.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=list(metrics), device=device)
    return model


def hotloop_trainer(weights, threads, bfloat16=False):
    import hotloop as hl

    hl.set_num_threads(threads)
    model = hotloop_model(hl.optim.Adam(lr=LEARNING_RATE, eps=ADAM_EPSILON))
    model.set_weights(weights)

    def step(x, y):
        with hl.set_precision("bfloat16" if bfloat16 else "float32"):
            return float(model.train_on_batch(x, y))

    return step, lambda images, labels: (images, labels)


def torch_model(weights=None, channels_last=True):
    """The network in PyTorch, ending in logits; `weights` in Keras' layouts, or None for PyTorch's own init."""
    import torch
    from torch import nn

    class FlattenChannelsLast(nn.Module):
        def forward(self, x):
            return x.permute(0, 2, 3, 1).flatten(1)  # a view; nn.Flatten would copy into channels-first order

    model = nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        FlattenChannelsLast() if channels_last else nn.Flatten(),
        nn.Linear(math.prod(FEATURES), 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )
    if weights is not None:
        conv1, bias1, conv2, bias2, dense1, bias3, dense2, bias4 = weights
        if not channels_last:
            dense1 = dense1.reshape(*FEATURES, 128).transpose(2, 0, 1, 3).reshape(-1, 128)
        conv1, conv2 = conv1.transpose(3, 2, 0, 1), conv2.transpose(3, 2, 0, 1)
        arrays = [conv1, bias1, conv2, bias2, dense1.T, bias3, dense2.T, bias4]
        with torch.no_grad():
            for parameter, array in zip(model.parameters(), arrays, strict=True):
                parameter.copy_(torch.from_numpy(np.ascontiguousarray(array)))
    return model.to(memory_format=torch.channels_last) if channels_last else model


def torch_inputs(images, labels, channels_last=True):
    import torch

    # With one channel both layouts hold the same bytes; PyTorch takes the layout of all activations from these strides.
    if channels_last:
        x = torch.from_numpy(images).permute(0, 3, 1, 2)
    else:
        x = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    return x, torch.from_numpy(labels)


def torch_trainer(weights, threads, channels_last=False, bfloat16=False):
    import torch

    torch.set_num_threads(threads)
    model = torch_model(weights, channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, eps=ADAM_EPSILON, fused=True)
    cross_entropy = torch.nn.functional.cross_entropy

    def step(x, y):
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step, lambda images, labels: torch_inputs(images, labels, channels_last)


def keras_model(weights, threads):
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    import keras

    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(32, (3, 3), activation="relu"),
            keras.layers.MaxPooling2D((2, 2)),
            keras.layers.Conv2D(64, (3, 3), activation="relu"),
            keras.layers.MaxPooling2D((2, 2)),
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.set_weights(weights)
    optimizer = keras.optimizers.Adam(LEARNING_RATE, epsilon=ADAM_EPSILON)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def keras_inputs(images, labels):
    import tensorflow as tf

    return tf.constant(images), tf.constant(labels)


def keras_trainer(weights, threads):
    model = keras_model(weights, threads)

    def step(x, y):
        return float(model.train_on_batch(x, y))

    return step, keras_inputs


def tensorflow_trainer(weights, threads):
    model = keras_model(weights, threads)
    import tensorflow as tf

    variables = model.trainable_variables

    @tf.function
    def update(x, y):
        with tf.GradientTape() as tape:
            loss = model.compute_loss(x, y, model(x, training=True))
        model.optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    def step(x, y):
        return float(update(x, y))

    return step, keras_inputs


def _jax_block(x, w, b):
    import jax
    from jax import lax

    x = lax.conv_general_dilated(x, w, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return lax.reduce_window(jax.nn.relu(x + b), -jax.numpy.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def jax_logits(parameters, x):
    import jax

    conv1, bias1, conv2, bias2, dense1, bias3, dense2, bias4 = parameters
    x = _jax_block(_jax_block(x, conv1, bias1), conv2, bias2)
    return jax.nn.relu(x.reshape(x.shape[0], -1) @ dense1 + bias3) @ dense2 + bias4


def jax_probabilities(parameters, x):
    import jax

    return jax.nn.softmax(jax_logits(parameters, x))


def jax_trainer(weights, threads):
    import jax
    import jax.numpy as jnp
    import optax

    # XLA sizes its pool from the affinity that the worker was given; there is no call for it.
    optimizer = optax.adam(LEARNING_RATE, eps=ADAM_EPSILON)

    def loss_of(parameters, x, y):
        return optax.softmax_cross_entropy_with_integer_labels(jax_logits(parameters, x), y).mean()

    @jax.jit
    def update(parameters, state, x, y):
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, y)
        changes, state = optimizer.update(gradients, state)
        return optax.apply_updates(parameters, changes), state, loss

    parameters = [jnp.asarray(array) for array in weights]
    state = optimizer.init(parameters)

    def step(x, y):
        nonlocal parameters, state
        parameters, state, loss = update(parameters, state, x, y)
        jax.block_until_ready(parameters)
        return float(loss)

    return step, lambda images, labels: (jnp.asarray(images), jnp.asarray(labels, jnp.int32))
