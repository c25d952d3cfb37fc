"""Real handwritten digits that need no network: scikit-learn's, enlarged to MNIST's size."""

import numpy as np

from ._split import fixed_order, load_bundled

_TEST_PART = 5  # one in five of every class is for testing


def digits():
    """The 1,797 handwritten digits bundled with scikit-learn, enlarged bilinearly from 8 x 8 to 28 x 28 pixels.

    The source's 0 to 16 become 0 to 255. Rows are shuffled; each class gives every fifth of its rows to the test set.
    Both sets hold digits by the same writers, so that accuracy flatters compared with MNIST.

    Returns:
        (x_train, y_train), (x_test, y_test): x uint8 (N, 28, 28), 0 black to 255 white; y uint8 (N,), 0 to 9;
            N is 1,442 and 355.

    Raises:
        ModuleNotFoundError: scikit-learn is not installed.

    Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository, 1998.
    """
    bundled = load_bundled("digits", "load_digits")
    order = fixed_order(len(bundled.target))
    x = _enlarge(bundled.images[order].astype(np.int64))
    y = bundled.target[order].astype(np.uint8)
    is_test = np.zeros(len(y), dtype=bool)
    for label in range(10):
        is_test[np.flatnonzero(y == label)[_TEST_PART - 1 :: _TEST_PART]] = True
    return (x[~is_test], y[~is_test]), (x[is_test], y[is_test])


def _enlarge(images):
    """(N, 8, 8) integers 0..16 -> (N, 28, 28) uint8 0..255; in integers, so that no machine rounds differently."""
    weights = _bilinear_weights()
    scale = 16 * 14 * 14
    return ((weights @ images @ weights.T * 255 + scale // 2) // scale).astype(np.uint8)


def _bilinear_weights():
    """(28, 8) weights in fourteenths."""
    # Pixel i has its centre at (i + 1/2) * 8/28 - 1/2 = (4i - 5) / 14 in the source, whose border extends outwards.
    position = np.clip(4 * np.arange(28) - 5, 0, 7 * 14)
    return np.maximum(14 - np.abs(position[:, None] - 14 * np.arange(8)), 0)
