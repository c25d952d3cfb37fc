"""What the data sets bundled with scikit-learn share: the lazy import and the fixed order of their rows."""

import numpy as np


def load_bundled(op, loader, **options):
    """Call `sklearn.datasets.<loader>`; scikit-learn is heavy, so it is imported here and not with hotloop."""
    try:
        from sklearn import datasets
    except ImportError as error:
        raise ModuleNotFoundError(
            f"[{op}] the data come with scikit-learn, which is missing: pip install hotloop[examples]"
        ) from error
    return getattr(datasets, loader)(**options)


def fixed_order(n):
    """One permutation of range(n), the same everywhere and for good."""
    # The legacy generator on purpose: its stream is frozen (NEP 19), that of default_rng may change with NumPy.
    return np.random.RandomState(0).permutation(n)
