"""Initialisers: Keras' variances, seeds."""

import numpy as np

import hotloop as hl
from hotloop import initializers


def test_initialisers_have_keras_scales():
    hl.set_seed(0)
    shape = (3, 3, 50, 80)
    fan_in, fan_out = 450, 720
    wanted = {
        "glorot_uniform": 2 / (fan_in + fan_out),
        "glorot_normal": 2 / (fan_in + fan_out),
        "he_uniform": 2 / fan_in,
        "he_normal": 2 / fan_in,
        "lecun_uniform": 1 / fan_in,
        "lecun_normal": 1 / fan_in,
        "random_normal": 0.05**2,
        "random_uniform": 0.1**2 / 12,
    }
    for name, variance in wanted.items():
        w = initializers.get(name)(shape)
        assert w.dtype == np.float32 and w.shape == shape
        assert abs(w.var() / variance - 1) <= 0.05 and abs(w.mean()) <= 5 * np.sqrt(variance / w.size)
    assert (initializers.get("ones")((2,)) == 1).all() and (initializers.Constant(3)((2,)) == 3).all()
    assert np.abs(initializers.TruncatedNormal(stddev=1.0)((10000,))).max() <= 2


def test_initialisers_repeat_with_their_seed_and_with_set_seed():
    seeded = hl.initializers.GlorotUniform(seed=1)
    assert (seeded((4, 4)) == seeded((4, 4))).all()
    hl.set_seed(5)
    first = [hl.initializers.HeNormal()((4, 4)) for _ in range(2)]
    hl.set_seed(5)
    assert (hl.initializers.HeNormal()((4, 4)) == first[0]).all() and not (first[0] == first[1]).all()
