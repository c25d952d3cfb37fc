"""What the tests of fit train: 200 points in three classes, and a small classifier for them."""

import numpy as np

import hotloop as hl

L = hl.layers
X = np.random.default_rng(0).standard_normal((200, 6)).astype(np.float32)
Y = (X[:, 0] + 0.5 * X[:, 1] > 0).astype(np.int64) + (X[:, 2] > 1)


def classifier(seed=0, **compiled):
    hl.set_seed(seed)
    model = hl.Sequential([L.Dense(16, activation="relu", input_shape=(6,)), L.Dense(3, activation="softmax")])
    options = {"optimizer": "adam", "loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]} | compiled
    model.compile(**options)
    return model
