"""What several test files share."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def mnist_dir():
    """Folder with the real MNIST files: in $HOTLOOP_DATA, else in shared/data beside the repository or further up."""
    here = Path(__file__).resolve()
    roots = [Path(os.environ["HOTLOOP_DATA"])] if os.environ.get("HOTLOOP_DATA") else []
    roots += [parent / "shared" / "data" for parent in here.parents]
    for root in roots:
        if any((root / "mnist").glob("train-images*")):
            return root / "mnist"
    pytest.skip(f"no MNIST: neither $HOTLOOP_DATA/mnist nor shared/data/mnist in a folder above {here.parent}")
