"""A small real regression problem that needs no network."""

import numpy as np

from ._split import fixed_order, load_bundled

_TEST_ROWS = 88  # a fifth of 442


def diabetes():
    """The diabetes data bundled with scikit-learn: disease progression after one year from ten baseline measurements.

    x = (raw - mean) / std, column by column; mean and standard deviation (over N) are those of the training rows, for
    both sets. y is the progression score as published, 25 to 346, not scaled. Rows are shuffled.

    Returns:
        (x_train, y_train), (x_test, y_test): x float32 (N, 10): age, sex, body mass index, mean blood pressure, six
            serum measurements; y float32 (N,); N is 354 and 88.

    Raises:
        ModuleNotFoundError: scikit-learn is not installed.

    Source: B. Efron, T. Hastie, I. Johnstone, R. Tibshirani, "Least Angle Regression", Annals of Statistics 32, 2004.
    """
    bundled = load_bundled("diabetes", "load_diabetes", scaled=False)
    order = fixed_order(len(bundled.target))
    x, y = bundled.data[order], bundled.target[order].astype(np.float32)
    train, test = slice(_TEST_ROWS, None), slice(_TEST_ROWS)
    x = ((x - x[train].mean(axis=0)) / x[train].std(axis=0)).astype(np.float32)
    return (x[train], y[train]), (x[test], y[test])
