"""Optimizer updates in NumPy, in place and without temporaries beyond two: the other side of the benchmarks.

Each class keeps its moments and two scratch arrays; a call of it is one step on (w, g), with PyTorch's arithmetic.
"""

from functools import partial

import numpy as np


class _Update:
    def __init__(self, w, g, lr):
        self.w, self.g, self.lr = w, g, lr
        self.m, self.v = np.zeros_like(w), np.zeros_like(w)
        self.a, self.b = np.empty_like(w), np.empty_like(w)
        self.step = 0

    def __call__(self):
        self.step += 1
        self.update()
        return self.w

    def blend(self, moment, rate, value):
        """moment = rate * moment + (1 - rate) * value, by way of scratch a; value may be a."""
        moment *= np.float32(rate)
        np.multiply(value, np.float32(1 - rate), out=self.a)
        moment += self.a

    def divide_by_root(self, v, correction, eps, numerator, lr):
        """w -= lr * numerator / (sqrt(v / correction) + eps)"""
        np.multiply(v, np.float32(1 / correction), out=self.a)
        np.sqrt(self.a, out=self.a)
        self.a += np.float32(eps)
        np.divide(numerator, self.a, out=self.a)
        self.a *= np.float32(lr)
        self.w -= self.a


class Sgd(_Update):
    def __init__(self, w, g, lr, momentum=0.0):
        super().__init__(w, g, lr)
        self.momentum = np.float32(momentum)

    def update(self):
        direction = self.g
        if self.momentum:
            self.v *= self.momentum
            self.v += self.g
            direction = self.v
        np.multiply(direction, np.float32(self.lr), out=self.a)
        self.w -= self.a


class Adam(_Update):
    def __init__(self, w, g, lr, decay=0.0):
        super().__init__(w, g, lr)
        self.decay = decay

    def update(self):
        if self.decay:
            self.w *= np.float32(1 - self.lr * self.decay)
        self.blend(self.m, 0.9, self.g)
        self.blend(self.v, 0.999, np.multiply(self.g, self.g, out=self.a))
        self.divide_by_root(self.v, 1 - 0.999**self.step, 1e-8, self.m, self.lr / (1 - 0.9**self.step))


class Rmsprop(_Update):
    def update(self):
        self.blend(self.v, 0.99, np.multiply(self.g, self.g, out=self.a))
        self.divide_by_root(self.v, 1.0, 1e-8, self.g, self.lr)


class Adagrad(_Update):
    def update(self):
        np.multiply(self.g, self.g, out=self.a)
        self.v += self.a
        self.divide_by_root(self.v, 1.0, 1e-10, self.g, self.lr)


class Nadam(_Update):
    product = 1.0

    def update(self):
        mu = 0.9 * (1 - 0.5 * 0.96 ** (self.step * 4e-3))
        after = 0.9 * (1 - 0.5 * 0.96 ** ((self.step + 1) * 4e-3))
        self.product *= mu
        self.blend(self.m, 0.9, self.g)
        self.blend(self.v, 0.999, np.multiply(self.g, self.g, out=self.a))
        np.multiply(self.g, np.float32((1 - mu) / (1 - self.product)), out=self.b)
        np.multiply(self.m, np.float32(after / (1 - self.product * after)), out=self.a)
        self.b += self.a
        self.divide_by_root(self.v, 1 - 0.999**self.step, 1e-8, self.b, self.lr)


class Lion(_Update):
    def update(self):
        np.multiply(self.m, np.float32(0.9), out=self.b)
        np.multiply(self.g, np.float32(0.1), out=self.a)
        self.b += self.a
        np.sign(self.b, out=self.b)
        self.b *= np.float32(self.lr)
        self.w -= self.b
        self.blend(self.m, 0.99, self.g)


Momentum = partial(Sgd, momentum=0.9)
AdamW = partial(Adam, decay=1e-2)
