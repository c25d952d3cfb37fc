"""The same bits on 1, 2, 3, 4, 7, 8 and 16 threads, beside busy neighbours or alone: every op, and a training.

A case is one row of the op table, forward and gradients, in one dtype, at the row's `large` shapes or at larger ones;
or three epochs of a small CNN with dropout, whose weights, losses and predictions are compared.
"""

import contextlib

import numpy as np
from tests.proofs.harness.proof import Proof, Trial
from tests.proofs.parts.neighbours import busy_neighbours
from tests.proofs.parts.op_runs import CASES, Call, differing_bits, grown

import hotloop as hl

THREADS = (1, 2, 3, 4, 7, 8, 16)
RUNS = 20
_TRAININGS = 10  # every tenth case is one


def an_op(rng, number):
    case = CASES[number]
    dtype = np.float32 if rng.random() < 0.5 else np.float64
    call = Call(case, grown(case, rng) if rng.random() < 0.5 else case.large, dtype, rng)
    return call.title, call


def a_training(rng):
    seed, batch = int(rng.integers(2**31)), int(rng.integers(16, 65))
    optimizer = ("adam", "sgd", "rmsprop")[rng.integers(3)]
    pictures = rng.standard_normal((120, 14, 14, 1)).astype(np.float32)
    labels = rng.integers(0, 5, 120)

    def train():
        hl.set_seed(seed)
        layers = [
            hl.layers.Conv2D(8, 3, activation="relu", input_shape=(14, 14, 1)),
            hl.layers.Conv2D(16, 3, activation="relu"),
            hl.layers.MaxPooling2D(2),
            hl.layers.Dropout(0.25),
            hl.layers.Flatten(),
            hl.layers.Dense(64, activation="gelu"),
            hl.layers.Dropout(0.5),
            hl.layers.Dense(5, activation="softmax"),
        ]
        model = hl.Sequential(layers)
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
        history = model.fit(pictures, labels, epochs=3, batch_size=batch, verbose=0).history
        return [*model.get_weights(), np.array([history["loss"], history["accuracy"]]), model.predict(pictures)]

    return f"training with {optimizer}, batches of {batch}", train


def check(trial):
    rng = trial.rng
    turn, place = divmod(trial.seed, _TRAININGS)
    if place == 0:
        title, run = a_training(rng)
    else:
        title, run = an_op(rng, Trial(turn * (_TRAININGS - 1) + place - 1).index(len(CASES)))
    before, want = hl._core.num_threads(), None
    try:
        with busy_neighbours() if rng.random() < 0.5 else contextlib.nullcontext():
            for threads in rng.permutation(THREADS).tolist():
                hl.set_num_threads(threads)
                got = run()
                if want is None:
                    first, want = threads, got
                bits = differing_bits(got, want)
                assert bits == 0, f"{bits} bits differ between {first} and {threads} threads: {title}"
        trial.measure("runs compared", len(THREADS))
    finally:
        hl.set_num_threads(before)


proof = Proof(
    check=check,
    small=30,
    full=RUNS * -(-len(CASES) * _TRAININGS // (_TRAININGS - 1)),
    conclude=lambda measured: {name: f"{sum(values):,.0f}" for name, values in measured.items()},
)
