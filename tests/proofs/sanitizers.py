"""No address, undefined-behaviour, leak or thread sanitizer reports anything below the other proofs.

AddressSanitizer, UndefinedBehaviorSanitizer and LeakSanitizer watch the proofs of values and memory, the emulated CUDA
backend among them with its threads run forward, in reverse and in random order; ThreadSanitizer those of threads. A
case is one such proof at a tenth of its small count. Builds are made at the first use, below build/ or in
$HOTLOOP_SANITIZED, and kept. A leak counts where one of our own functions made what was lost.
"""

import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path

import pybind11
from tests.proofs.harness.proof import Proof

from hotloop import _core

ROOT = Path(__file__).resolve().parents[2]
BUILDS = Path(os.environ.get("HOTLOOP_SANITIZED", ROOT / "build"))
ORDERS = ("forward", "reverse", "random")
RUNS = [
    *(("address", name, "cpu", "") for name in ("exact", "guard", "shapes", "special", "layouts")),
    *(("address", name, "cuda", order) for name, order in product(("exact", "shapes", "special"), ORDERS)),
    *(("thread", name, "cpu", "") for name in ("determinism", "threads")),
]
LIBRARIES = {"address": ("libasan.so", "libubsan.so"), "thread": ("libtsan.so",)}
FLAGS = {"address": "address;undefined", "thread": "thread"}
LEAK = re.compile(r"^(?:Direct|Indirect) leak.*?(?=^\s*$)", re.M | re.S)


def command_of(*command, **environment):
    """Runs a command to its end; its output, or an AssertionError with the last of it."""
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    assert done.returncode == 0, f"{' '.join(map(str, command))} ended with {done.returncode}:\n{output[-6000:]}"
    return output


def built(sanitizer):
    """The folder of a package whose extension was built with a sanitizer."""
    build = BUILDS / f"sanitize-{sanitizer}"
    own = ";".join(tier for tier in _core.isa_tiers() if tier not in ("portable", "wide"))  # wide: avx512 for others
    tiers, emulation = (own, "ON") if sanitizer == "address" else ("", "OFF")
    command_of(
        *("cmake", "-S", ROOT, "-B", build, "-G", "Ninja", f"-DPython_EXECUTABLE={sys.executable}"),
        *(f"-Dpybind11_DIR={pybind11.get_cmake_dir()}", f"-DHOTLOOP_SANITIZE={FLAGS[sanitizer]}"),
        *(f"-DHOTLOOP_TIERS={tiers}", f"-DHOTLOOP_CUDA_EMULATION={emulation}"),
    )
    targets = ["_core", "hotloop_cuda_emulated"] if sanitizer == "address" else ["_core"]
    command_of("cmake", "--build", build, "--target", *targets)
    package = build / "python" / "hotloop"
    shutil.copytree(ROOT / "python" / "hotloop", package, ignore=shutil.ignore_patterns("*.so"), dirs_exist_ok=True)
    for library in build.glob("*.so"):
        shutil.copy(library, package)
    return build / "python"


def check(trial):
    sanitizer, name, device, order = RUNS[trial.index(len(RUNS))]
    package = built(sanitizer)
    count = max(1, importlib.import_module(f"tests.proofs.{name}").proof.small // 10)
    libraries = [command_of("g++", f"-print-file-name={file}").strip() for file in LIBRARIES[sanitizer]]
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "PYTHONPATH": os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")]),
            "LD_PRELOAD": " ".join(libraries),
            "PYTHONMALLOC": "malloc",  # so that what Python holds is seen to be held
            "ASAN_OPTIONS": f"detect_leaks=1:log_path={folder}/report",
            "LSAN_OPTIONS": "exitcode=0:use_unaligned=1",
            "UBSAN_OPTIONS": f"halt_on_error=1:print_stacktrace=1:log_path={folder}/report",
            "TSAN_OPTIONS": f"log_path={folder}/report",
            "HOTLOOP_PROOFS_SLOW": "1",
            "HOTLOOP_EMULATION_ORDER": order or "forward",
        }
        place = ["--device", device] + (["--isa", "portable"] if sanitizer == "thread" else [])
        command = [sys.executable, "-m", "tests.proofs", name, "-n", str(count), "--seed", str(trial.seed), *place]
        output = command_of(*command, **environment)
        reports = "\n".join(file.read_text(errors="replace") for file in Path(folder).iterdir())
    ours = [leak for leak in LEAK.findall(reports) if "_core" in leak or "hotloop" in leak]
    others = [line for line in reports.splitlines() if re.search(r"ERROR: Addr|WARNING: Thread|runtime error:", line)]
    assert not ours + others, f"{name} under {sanitizer}:\n{output}\n{(reports if others else ours[0])[-6000:]}"


proof = Proof(check=check, small=len(RUNS), full=10 * len(RUNS), tiers=False, patience=1800.0, unit="proofs")
