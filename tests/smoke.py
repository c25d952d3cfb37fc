"""What an installed wheel must do where there is no compiler and no test tool: run directly, not by pytest."""

import shutil
import time

import numpy as np

start = time.perf_counter()
import hotloop as hl  # noqa: E402

seconds = time.perf_counter() - start
assert shutil.which("cc") is None and shutil.which("g++") is None, "a compiler is on PATH"
rng = np.random.default_rng(0)
x, w = rng.standard_normal((8, 28, 28, 1), np.float32), rng.standard_normal((3, 3, 1, 4), np.float32)
y = hl.max_pool2d(hl.conv2d(x, w, activation="relu"), 2)
assert y.shape == (8, 13, 13, 4)
model = hl.Sequential(
    [hl.layers.Dense(16, activation="relu", input_shape=(4,)), hl.layers.Dense(3, activation="softmax")]
)
model.compile(optimizer=hl.optim.Adam(1e-2), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
points = rng.standard_normal((512, 4), np.float32)
history = model.fit(points, points[:, :3].argmax(axis=1), epochs=8, verbose=0).history
assert history["loss"][-1] < history["loss"][0]
print(f"hotloop {hl.__version__}: imported in {seconds * 1e3:.0f} ms beyond numpy, loss {history['loss'][-1]:.3f}")
