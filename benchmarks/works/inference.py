"""The MNIST CNN's results for images it was not trained on: 10,000 of them, and one."""

import mnist_cnn as cnn
from works.work import Work, rows, with_threads

IMAGE_FLOPS = 2 * 2.63e6
LAST = 16  # images whose results are compared


def _images(data, count):
    return cnn.read_mnist(data, "t10k")[0][:count]


def _in_batches(predict, images, batch_size):
    if batch_size >= len(images):
        return lambda: predict(images)
    return lambda: [predict(images[i : i + batch_size]) for i in range(0, len(images), batch_size)][-1][-LAST:]


def predict_hotloop(threads, data, count, batch_size):
    hl, images = with_threads("hotloop", threads), _images(data, count)
    model = cnn.hotloop_model(hl.optim.SGD(lr=0.1))
    model.set_weights(cnn.initial_weights(0))
    return lambda: model.predict(images, batch_size=batch_size)[-LAST:]


def predict_torch(threads, data, count, batch_size, channels_last=False, bfloat16=False):
    torch = with_threads("PyTorch", threads)
    images = _images(data, count)
    x, _ = cnn.torch_inputs(images, images[:0].ravel(), channels_last)
    model = cnn.torch_model(cnn.initial_weights(0), channels_last).eval()

    @torch.inference_mode()
    def predict(x):
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            return torch.softmax(model(x), 1)

    return _in_batches(predict, x, batch_size)


def predict_keras(threads, data, count, batch_size):
    model = cnn.keras_model(cnn.initial_weights(0), threads)
    import tensorflow as tf

    call = tf.function(lambda x: model(x, training=False))
    return _in_batches(call, tf.constant(_images(data, count)), batch_size)


def predict_jax(threads, data, count, batch_size):
    jax = with_threads("JAX", threads)
    call = jax.jit(cnn.jax_probabilities)
    weights, images = cnn.initial_weights(0), jax.numpy.asarray(_images(data, count))
    return _in_batches(lambda x: jax.block_until_ready(call(weights, x)), images, batch_size)


def works(threads, data):
    build = {"hotloop": predict_hotloop, "PyTorch": predict_torch, "Keras": predict_keras, "JAX": predict_jax}
    for count, batch_sizes in ((10_000, (128, 1000)), (1, (1,))):
        variants = []
        for batch_size in batch_sizes:
            of = f", batch {batch_size}" if count > 1 else ""
            options = {"batch_size": batch_size}
            last = {"channels_last": True, **options}
            variants += [("hotloop", of[2:], options), ("PyTorch", of[2:], options)]
            variants += [("PyTorch", f"channels_last{of}", last), ("Keras", f"tf.function{of}", options)]
            variants.append(("JAX", f"jit{of}", options))
        yield Work(
            "MNIST CNN inference",
            "one image" if count == 1 else f"{count:,} images",
            rows(build, variants, threads, data=data, count=count),
            flops=IMAGE_FLOPS * count,
        )
