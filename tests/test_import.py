"""The package's front door: what importing it loads, and the names it has."""

import subprocess
import sys

import pytest

import hotloop as hl

NAMES = """
    Tensor no_grad matmul linear conv2d conv2d_max_pool2d max_pool2d avg_pool2d global_avg_pool2d global_max_pool2d
    relu leaky_relu elu selu gelu silu sigmoid tanh softplus hard_sigmoid hard_swish softmax log_softmax dropout
    softmax_cross_entropy binary_cross_entropy_with_logits mse_loss mae_loss huber_loss
    randn zeros ones set_seed set_num_threads show_config clip_grad_norm optim
    Model Sequential load_model layers losses metrics callbacks initializers data examples keras nn
    tensor from_numpy manual_seed float32 float64 array from_dlpack cuda
    arange linspace rand device float long inference_mode
""".split()  # noqa: SIM905


def run(program):
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("name", NAMES)
def test_public_names(name):
    assert getattr(hl, name) is not None and name in dir(hl)


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="module 'hotloop' has no attribute 'sequential'"):
        hl.sequential  # noqa: B018


def test_importing_loads_nothing_heavy():
    program = "import sys, numpy; before = set(sys.modules); import hotloop; print(*sorted(set(sys.modules) - before))"
    loaded = run(program).split()
    heavy = {"tqdm", "pooch", "sklearn", "matplotlib", "hashlib", "multiprocessing", "hotloop.models", "hotloop.keras"}
    assert "hotloop.ops" in loaded and not heavy.intersection(loaded)


def test_training_loads_tqdm_only_for_a_terminal():
    program = """if True:
        import sys, hotloop as hl
        model = hl.Sequential([hl.layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit([[1.0]], [1.0])
        sys.exit("tqdm" in sys.modules)
    """
    run(program)
