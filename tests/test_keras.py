"""hl.keras: paths that import, and Keras' tutorials with only their import lines changed."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

import hotloop as hl

PATHS = [
    "from hotloop import keras",
    "from hotloop.keras import layers, models, losses, metrics, optimizers, callbacks, utils, datasets, initializers",
    "from hotloop.keras.models import Sequential, Model, load_model",
    "from hotloop.keras.layers import Dense, Conv2D, MaxPool2D, Flatten, Dropout, Input, Layer, Activation",
    "from hotloop.keras.optimizers import Adam, SGD, RMSprop",
    "from hotloop.keras.optimizers.schedules import ExponentialDecay",
    "from hotloop.keras.losses import SparseCategoricalCrossentropy, mean_squared_error",
    "from hotloop.keras.metrics import SparseCategoricalAccuracy",
    "from hotloop.keras.callbacks import EarlyStopping, ModelCheckpoint",
    "from hotloop.keras.utils import to_categorical",
    "from hotloop.keras.datasets import mnist",
    "from hotloop.keras.activations import relu",
    "import hotloop.keras as keras",
    "import hotloop as tf; tf.keras.Sequential, tf.keras.layers.Dense, tf.keras.Model, tf.keras.Input",
]


@pytest.mark.parametrize("line", PATHS)
def test_paths_import(line):
    subprocess.run([sys.executable, "-W", "error", "-c", line], check=True, timeout=60)


def test_the_objects_are_the_same():
    keras = hl.keras
    assert keras.layers.Dense is hl.layers.Dense and keras.Sequential is hl.Sequential
    assert keras.layers.MaxPool2D is hl.layers.MaxPooling2D and keras.models.load_model is hl.load_model
    assert keras.losses.Huber is hl.losses.Huber and keras.callbacks.History is hl.callbacks.History


def images(n, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 10, n).astype(np.uint8)
    x = rng.integers(0, 60, (n, 28, 28)).astype(np.uint8)
    for image, label in zip(x, labels, strict=True):
        image[2 + 2 * label : 5 + 2 * label, 4:24] = 250
    return x, labels


def tutorial(monkeypatch, text):
    """Runs a program with a small stand-in for MNIST; returns its names."""
    monkeypatch.setattr("hotloop.keras.datasets.mnist.mnist", lambda: (images(640, 0), images(160, 1)), raising=True)
    hl.set_seed(0)
    names = {}
    exec(compile(textwrap.dedent(text), "tutorial", "exec"), names)
    return names


# https://keras.io/examples/vision/mnist_convnet/, its arrays and epochs made smaller
CONVNET = """
    import numpy as np
    from hotloop import keras
    from hotloop.keras import layers

    num_classes = 10
    input_shape = (28, 28, 1)
    (x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
    x_train = x_train.astype("float32") / 255
    x_test = x_test.astype("float32") / 255
    x_train = np.expand_dims(x_train, -1)
    x_test = np.expand_dims(x_test, -1)
    y_train = keras.utils.to_categorical(y_train, num_classes)
    y_test = keras.utils.to_categorical(y_test, num_classes)

    model = keras.Sequential(
        [
            keras.Input(shape=input_shape),
            layers.Conv2D(32, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Conv2D(64, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(num_classes, activation="softmax"),
        ]
    )
    model.summary()
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    model.fit(x_train, y_train, batch_size=128, epochs=4, validation_split=0.1)
    score = model.evaluate(x_test, y_test, verbose=0)
"""

# The quickstart's habit: import ... as tf
QUICKSTART = """
    import hotloop as tf

    mnist = tf.keras.datasets.mnist
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    x_train, x_test = x_train / 255.0, x_test / 255.0
    x_train = x_train.reshape(x_train.shape[0], 28, 28, 1)
    x_test = x_test.reshape(x_test.shape[0], 28, 28, 1)

    model = tf.keras.models.Sequential([
        tf.keras.layers.Conv2D(32, (5, 5), activation='relu', input_shape=(28, 28, 1)),
        tf.keras.layers.MaxPooling2D((2, 2)),
        tf.keras.layers.Conv2D(64, (3, 3), activation='relu'),
        tf.keras.layers.MaxPooling2D((2, 2)),
        tf.keras.layers.Flatten(),
        tf.keras.layers.Dense(128, activation='relu'),
        tf.keras.layers.Dense(10, activation='softmax')
    ])
    model.compile(optimizer=tf.keras.optimizers.Adam(learning_rate=0.001),
                  loss='sparse_categorical_crossentropy', metrics=['accuracy'])
    history = model.fit(x_train, y_train, epochs=2, batch_size=32, validation_data=(x_test, y_test))
    score = model.evaluate(x_test, y_test, verbose=2)
    assert set(history.history) == {'loss', 'accuracy', 'val_loss', 'val_accuracy'}
"""

MLP = """
    import hotloop as tf

    class MLP(tf.keras.Model):
        def __init__(self):
            super(MLP, self).__init__()
            self.flatten = tf.keras.layers.Flatten()
            self.dense1 = tf.keras.layers.Dense(64, activation='relu')
            self.dense2 = tf.keras.layers.Dense(32, activation='relu')
            self.dense3 = tf.keras.layers.Dense(10)

        def call(self, x):
            x = self.flatten(x)
            x = self.dense1(x)
            x = self.dense2(x)
            return self.dense3(x)

    (x_train, y_train), (x_test, y_test) = tf.keras.datasets.mnist.load_data(path="mnist.npz")
    x_train, x_test = x_train / 255.0, x_test / 255.0
    model = MLP()
    model.compile(optimizer='adam',
                  loss=tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                  metrics=['accuracy'])
    model.fit(x_train, y_train, epochs=10, batch_size=32, verbose=0)
    score = model.evaluate(x_test, y_test, verbose=0)
"""


# The older habit: add(), activations of tf.nn, classes by their paths
ADDED = """
    import hotloop as tf
    from hotloop.keras.models import Sequential
    from hotloop.keras.layers import Dense, Conv2D, Dropout, Flatten, MaxPooling2D

    (x_train, y_train), (x_test, y_test) = tf.keras.datasets.mnist.load_data()
    x_train = x_train.reshape(x_train.shape[0], 28, 28, 1)
    x_test = x_test.reshape(x_test.shape[0], 28, 28, 1)
    input_shape = (28, 28, 1)
    x_train = x_train.astype('float32')
    x_test = x_test.astype('float32')
    x_train /= 255
    x_test /= 255

    model = Sequential()
    model.add(Conv2D(28, kernel_size=(3,3), input_shape=input_shape))
    model.add(MaxPooling2D(pool_size=(2, 2)))
    model.add(Flatten())
    model.add(Dense(128, activation=tf.nn.relu))
    model.add(Dropout(0.2))
    model.add(Dense(10,activation=tf.nn.softmax))
    model.compile(optimizer='adam', loss='sparse_categorical_crossentropy', metrics=['accuracy'])
    model.fit(x=x_train,y=y_train, epochs=3)
    score = model.evaluate(x_test, y_test)
    pred = model.predict(x_test[4].reshape(1, 28, 28, 1))
    assert pred.argmax() == y_test[4]
"""

# https://www.tensorflow.org/tutorials/quickstart/beginner
BEGINNER = """
    import hotloop as tf

    mnist = tf.keras.datasets.mnist
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    x_train, x_test = x_train / 255.0, x_test / 255.0

    model = tf.keras.models.Sequential([
      tf.keras.layers.Flatten(input_shape=(28, 28)),
      tf.keras.layers.Dense(128, activation='relu'),
      tf.keras.layers.Dropout(0.2),
      tf.keras.layers.Dense(10)
    ])
    predictions = model(x_train[:1]).numpy()
    tf.nn.softmax(predictions)
    loss_fn = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert loss_fn(y_train[:1], predictions).numpy() > 0

    model.compile(optimizer='adam', loss=loss_fn, metrics=['accuracy'])
    model.fit(x_train, y_train, epochs=5)
    score = model.evaluate(x_test,  y_test, verbose=2)
    probability_model = tf.keras.Sequential([
      model,
      tf.keras.layers.Softmax()
    ])
    assert abs(probability_model(x_test[:5]).numpy().sum() - 5) <= 1e-5
"""

PROBABILITIES = """
    from hotloop import keras
    from hotloop.keras import Model
    from hotloop.keras.layers import Dense, Flatten

    class MLP(Model):
        def __init__(self):
            super().__init__()
            self.flatten = Flatten()
            self.d1 = Dense(64, activation='relu')
            self.d2 = Dense(32, activation='relu')
            self.d3 = Dense(10, activation='softmax')

        def call(self, inputs, training=None):
            x = self.flatten(inputs)
            x = self.d1(x)
            x = self.d2(x)
            return self.d3(x)

    (x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
    x_train = x_train.reshape(-1, 784).astype("float32") / 255.0
    x_test = x_test.reshape(-1, 784).astype("float32") / 255.0
    model = MLP()
    model.build(input_shape=(None, 784))
    model.summary()
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate=0.1, momentum=0.9),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="acc")],
    )
    model.fit(x_train, y_train, batch_size=64, epochs=3, verbose=2, validation_split=0.1)
    score = list(model.evaluate(x_test, y_test, verbose=0, return_dict=True)[name] for name in ("loss", "acc"))
"""

TUTORIALS = {
    "convnet": CONVNET,
    "quickstart": QUICKSTART,
    "added": ADDED,
    "beginner": BEGINNER,
    "mlp": MLP,
    "probabilities": PROBABILITIES,
}


@pytest.mark.parametrize("text", TUTORIALS.values(), ids=TUTORIALS)
def test_tutorials_run_and_learn(monkeypatch, text):
    names = tutorial(monkeypatch, text)
    loss, accuracy = names["score"]
    assert accuracy >= 0.9 and loss <= 0.6


def test_load_data_forwards_no_path(monkeypatch):
    calls = []
    monkeypatch.setattr("hotloop.keras.datasets.mnist.mnist", lambda *args, **kw: calls.append((args, kw)))
    hl.keras.datasets.mnist.load_data(path="mnist.npz")
    hl.keras.datasets.mnist.load_data()
    assert calls == [((), {}), ((), {})]


def test_to_categorical():
    y = hl.keras.utils.to_categorical([2, 0, 1])
    assert y.dtype == np.float32 and np.array_equal(y, np.eye(3)[[2, 0, 1]])
    assert hl.keras.utils.to_categorical([[1], [0]], 4).shape == (2, 4)
    assert hl.keras.utils.to_categorical(np.zeros((2, 3), np.uint8), 2).shape == (2, 3, 2)
    assert hl.keras.utils.to_categorical([], 3).shape == (0, 3)
    with pytest.raises(ValueError, match=r"row 1 of y is 3, wants 0 .. 2"):
        hl.keras.utils.to_categorical([0, 3], 3)


def test_optimizers_take_keras_arguments():
    optimizers = hl.keras.optimizers
    adam = optimizers.Adam(learning_rate=0.01, beta_1=0.8, beta_2=0.9, epsilon=1e-6)
    assert isinstance(adam, hl.optim.Adam) and adam.lr == 0.01
    assert isinstance(optimizers.SGD(0.1, momentum=0.9, nesterov=True), hl.optim.SGD)
    assert isinstance(optimizers.get("rmsprop"), hl.optim.RMSprop)


def test_losses_as_functions():
    y, p = np.array([[1.0, 2.0], [0.0, 0.0]]), np.array([[2.0, 4.0], [0.0, 3.0]], np.float32)
    assert np.abs(np.asarray(hl.keras.losses.mean_squared_error(y, p)) - [2.5, 4.5]).max() <= 1e-6
    assert np.abs(np.asarray(hl.keras.losses.mae(y, p)) - [1.5, 1.5]).max() <= 1e-6


def test_activations():
    x = np.array([[-1.0, 1.0]], np.float32)
    activations = hl.keras.activations
    assert np.array_equal(activations.get("relu")(x), activations.relu(x)) and activations.get(None)(x) is x
    assert activations.get("swish")(x).shape == (1, 2)
