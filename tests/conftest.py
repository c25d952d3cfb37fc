"""What several test files share."""

import os
from pathlib import Path

import pytest

import hotloop as hl
from hotloop import _core


def pytest_configure():
    """HOTLOOP_TEST_DEVICE=cuda is for runs that must not skip the device's tests: without the device they end here."""
    if os.environ.get("HOTLOOP_TEST_DEVICE") == "cuda" and (reason := hl.cuda.reason_against()) is not None:
        pytest.exit(f"HOTLOOP_TEST_DEVICE=cuda, but {reason}", returncode=1)


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


@pytest.fixture
def no_cuda(monkeypatch):
    """Whatever this machine has, it is told to have none."""
    monkeypatch.setattr(hl.cuda, "_opened", "this machine has none")


# Of the machine, or those that HOTLOOP_TEST_TIERS names.
TIERS = os.environ.get("HOTLOOP_TEST_TIERS", "").split() or _core.isa_tiers()


@pytest.fixture(scope="session")
def tiers():
    """The tiers to be tested."""
    return TIERS


@pytest.fixture(params=TIERS)
def tier(request):
    """Runs the test once on every tier to be tested; gives the tier's name."""
    before = _core.isa()
    _core.set_isa(request.param)
    yield request.param
    _core.set_isa(before)


@pytest.fixture
def threads():
    """set_num_threads, put back afterwards."""
    before = _core.num_threads()
    yield hl.set_num_threads
    hl.set_num_threads(before)


@pytest.fixture
def on_threads(threads):
    """Calls a function under 1, 2 and 4 threads and returns the three results."""

    def run(function):
        results = []
        for number in (1, 2, 4):
            threads(number)
            results.append(function())
        return results

    return run
