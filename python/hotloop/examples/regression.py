"""Fits y = 4 x + 2 and the diabetes data by gradient descent, and compares with what algebra says.

    python -m hotloop.examples.regression [--plot FILE] [--seed N]

The line is learned from the whole set, from mini-batches and from single samples at every step, each with four ways
for the learning rate to go down, then with a penalty on the slope. Each result stands beside its closed form.
"""

import argparse
from typing import NamedTuple

import numpy as np

import hotloop as hl
from hotloop.examples import _regression_plot
from hotloop.examples._common import picture

SLOPE, INTERCEPT, NOISE, SAMPLES = 4.0, 2.0, 0.5, 200
FINAL = 0.02  # the part of the first learning rate that is left at the end, however it goes down
PENALTY = 0.2
COLUMNS = ("age", "sex", "body mass", "pressure", "s1 tc", "s2 ldl", "s3 hdl", "s4 tch", "s5 ltg", "s6 glucose")


class Plan(NamedTuple):
    """How many samples a step sees, how often it sees them all, and the first learning rate."""

    name: str
    batch: int
    epochs: int
    rate: float

    @property
    def steps(self):
        return self.epochs * -(-SAMPLES // self.batch)


PLANS = [
    Plan("whole set", SAMPLES, 400, 0.5),
    Plan("batches of 20", 20, 100, 0.2),
    Plan("single samples", 1, 20, 0.1),
]

# name -> learning rate by step, from the first rate and the number of steps
SCHEDULES = {
    "fixed": lambda rate, steps: rate,
    "linear decay": lambda rate, steps: hl.optim.schedules.linear_decay(rate, steps, FINAL * rate),
    "exponential decay": lambda rate, steps: hl.optim.schedules.exponential_decay(rate, FINAL, steps),
    "inverse-time decay": lambda rate, steps: hl.optim.schedules.inverse_time_decay(rate, 1 / FINAL - 1, steps),
}


def sample_line(seed):
    """x (200,) even in [-1, 1), y = 4 x + 2 + noise (200,)."""
    random = np.random.default_rng(seed)
    x = random.uniform(-1, 1, SAMPLES)
    y = SLOPE * x + INTERCEPT + random.normal(0, NOISE, SAMPLES)
    return x.astype(np.float32), y.astype(np.float32)


# -- closed forms -----------------------------------------------------------------------------------------------------


def least_squares(x, y):
    """The coefficients that minimise mean (x @ coefficients + intercept - y)^2, and the intercept."""
    x, y = np.asarray(x, np.float64).reshape(len(y), -1), np.asarray(y, np.float64)
    solution = np.linalg.lstsq(np.column_stack([x, np.ones(len(y))]), y, rcond=None)[0]
    return solution[:-1], solution[-1]


def penalised_line(x, y, l1=0.0, l2=0.0):
    """(slope, intercept) that minimise mean (slope x + intercept - y)^2 + l1 |slope| + l2 slope^2.

    With x and y centred: slope = soft(mean(x y), l1 / 2) / (mean(x^2) + l2), soft(a, t) = sign(a) max(|a| - t, 0).
    Source: T. Hastie, R. Tibshirani, J. Friedman, "The Elements of Statistical Learning", 2009, section 3.4.
    """
    x, y = x.astype(np.float64), y.astype(np.float64)
    product = np.mean((x - x.mean()) * (y - y.mean()))
    slope = np.sign(product) * max(abs(product) - l1 / 2, 0) / (x.var() + l2)
    return slope, y.mean() - slope * x.mean()


# -- y = 4 x + 2 ------------------------------------------------------------------------------------------------------


def descend(x, y, plan, rate, penalty=None, seed=0):
    """Learns slope and intercept; returns their values after every epoch, (epochs, 2)."""
    slope, intercept = hl.zeros(1, requires_grad=True), hl.zeros(1, requires_grad=True)
    optimizer = hl.optim.SGD([slope, intercept], lr=rate)
    random = np.random.default_rng(seed)
    path = []
    for _ in range(plan.epochs):
        order = random.permutation(len(x))
        for start in range(0, len(x), plan.batch):
            rows = order[start : start + plan.batch]
            loss = hl.mse_loss(slope * x[rows] + intercept, y[rows])
            if penalty is not None:
                loss = loss + penalty(slope)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        path.append((slope.item(), intercept.item()))
    return np.array(path)


def fit_lines(x, y, seed):
    """{(plan, schedule): path} for all plans and schedules, with a table of where the paths end."""
    coefficients, intercept = least_squares(x, y)
    exact = np.append(coefficients, intercept)
    print(f"\ny = {SLOPE:g} x + {INTERCEPT:g} + noise: {SAMPLES} samples, the noise's standard deviation is {NOISE}")
    print(f"least squares by algebra: slope {exact[0]:.5f}, intercept {exact[1]:.5f}\n")
    paths, rows = {}, []
    for plan in PLANS:
        for name, schedule in SCHEDULES.items():
            path = descend(x, y, plan, schedule(plan.rate, plan.steps), seed=seed)
            paths[plan.name, name] = path
            rows.append([plan.name, f"{plan.steps}", f"{plan.rate}, {name}", *beside(path[-1], exact)])
    print_table(["gradient from", "steps", "learning rate", "slope", "difference", "intercept", "difference"], rows)
    return paths


def fit_penalised_lines(x, y):
    """{penalty: (slope, intercept)} with L1 and with L2, and a table of them."""
    print(f"\nThe same, whole set and fixed rate, with a penalty of {PENALTY} |slope| (L1) or {PENALTY} slope^2 (L2)\n")
    l1 = descend(x, y, PLANS[0], PLANS[0].rate, lambda slope: PENALTY * abs(slope).sum())[-1]
    l2 = descend(x, y, PLANS[0], PLANS[0].rate, lambda slope: PENALTY * (slope**2).sum())[-1]
    exact = {"L1": penalised_line(x, y, l1=PENALTY), "L2": penalised_line(x, y, l2=PENALTY)}
    rows = []
    for name, learned in (("L1", l1), ("L2", l2)):
        slope, off, intercept, intercept_off = beside(learned, exact[name])
        closed = [f"{value:.5f}" for value in exact[name]]
        rows.append([name, slope, closed[0], off, intercept, closed[1], intercept_off])
    print_table(["penalty", "slope", "closed form", "difference", "intercept", "closed form", "difference"], rows)
    return {"L1": l1, "L2": l2}


# -- diabetes ---------------------------------------------------------------------------------------------------------


def descend_linear(x, y, steps=1000):
    """Coefficients (10,) and intercept of a linear model, by gradient descent with momentum on the whole set."""
    weight, bias = hl.zeros(x.shape[1], 1, requires_grad=True), hl.zeros(1, requires_grad=True)
    optimizer = hl.optim.SGD([weight, bias], lr=0.1, momentum=0.9)
    for _ in range(steps):
        loss = hl.mse_loss(hl.linear(x, weight, bias), y[:, None])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return weight.numpy()[:, 0].astype(np.float64), bias.item()


def fit_mlp(x, y, epochs=60, batch_size=32):
    """A network with one hidden layer; the decay of its weights was chosen by cross-validation in the training set."""
    model = hl.Sequential([hl.layers.Dense(32, activation="relu", input_shape=(x.shape[1],)), hl.layers.Dense(1)])
    steps = epochs * -(-len(x) // batch_size)
    model.compile(optimizer=hl.optim.AdamW(lr=hl.optim.schedules.cosine(3e-3, steps), weight_decay=1.0), loss="mse")
    model.fit(x, y, epochs=epochs, batch_size=batch_size, verbose=0)
    return model


def fit_diabetes():
    """Learns the diabetes data twice, with tables of what came out; returns both linear models' coefficients."""
    train, test = hl.data.diabetes()
    x, y = train
    mean, scale = y.mean(), y.std()
    target = (y - mean) / scale  # so that rates and penalties of order one fit
    learned, exact = descend_linear(x, target), least_squares(x, target)
    mlp = fit_mlp(x, target)

    print(f"\nDiabetes: progression after a year from ten measurements; {len(y)} patients, and {len(test[1])} to test")
    learned, exact = ((weight * scale, bias * scale + mean) for weight, bias in (learned, exact))
    print_coefficients(learned, exact)
    predictors = {
        "mean of the training set": lambda x: mean,
        "linear, closed form": lambda x: x @ exact[0] + exact[1],
        "linear, gradient descent": lambda x: x @ learned[0] + learned[1],
        "network 10-32-1": lambda x: mlp.predict(x, verbose=0)[:, 0] * scale + mean,
    }
    print_errors(predictors, train, test)
    return learned[0], exact[0]


def print_coefficients(learned, exact):
    print("Linear model: points of progression per standard deviation of each measurement\n")
    pairs = zip([*COLUMNS, "intercept"], np.append(*learned), np.append(*exact), strict=True)
    rows = [[name, f"{a:.3f}", f"{b:.3f}", f"{a - b:+.0e}"] for name, a, b in pairs]
    print_table(["measurement", "learned", "closed form", "difference"], rows)


def print_errors(predictors, train, test):
    print("\nRoot mean squared error in points of progression, and the part of the test set's variance explained\n")
    rows = []
    for name, predict in predictors.items():
        errors = [float(np.sqrt(np.mean((predict(x) - y) ** 2))) for x, y in (train, test)]
        explained = 1 - (errors[1] / test[1].std()) ** 2
        rows.append([name, f"{errors[0]:.2f}", f"{errors[1]:.2f}", f"{explained:.1%}"])
    print_table(["model", "training", "test", "explained"], rows)


# -- printing ---------------------------------------------------------------------------------------------------------


def beside(learned, exact):
    """[slope, its difference from the exact one, intercept, its difference] as text."""
    return [text for a, b in zip(learned, exact, strict=True) for text in (f"{a:.5f}", f"{a - b:+.0e}")]


def print_table(headers, rows):
    """Columns of text: the first to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    for row in [headers, ["-" * width for width in widths], *rows]:
        cells = zip(row, widths, strict=True)
        print("  ".join(f"{cell:>{width}}" if i else f"{cell:<{width}}" for i, (cell, width) in enumerate(cells)))


def parse(arguments):
    parser = argparse.ArgumentParser(prog="python -m hotloop.examples.regression", description=__doc__.splitlines()[0])
    parser.add_argument("--plot", type=picture, metavar="FILE", help="also draw a picture")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the samples, their order and first weights"
    )
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse(arguments)
    hl.set_seed(options.seed)
    x, y = sample_line(options.seed)
    paths = fit_lines(x, y, options.seed)
    penalised = fit_penalised_lines(x, y)
    coefficients = fit_diabetes()
    if options.plot:
        print()
        exact = np.append(*least_squares(x, y))
        _regression_plot.draw(options.plot, (x, y), exact, paths, penalised, (COLUMNS, *coefficients))


if __name__ == "__main__":
    main()
