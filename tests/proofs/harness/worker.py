"""A process of its own for the cases of a run, so that a crash or a hang costs one case and its seed is known.

python -m tests.proofs.harness.worker NAME DEVICE FIRST COUNT DEADLINE FOLDER: runs seeds FIRST to FIRST + COUNT - 1
until the deadline (seconds since the epoch). FOLDER/seed always holds the seed at work, FOLDER/result.json at the end
what came.
"""

import faulthandler
import importlib
import json
import mmap
import struct
import sys
import time
import traceback
from pathlib import Path

from tests.proofs.harness.proof import Trial


def run(name, device, first, count, deadline, folder):
    proof = importlib.import_module(f"tests.proofs.{name}").proof
    measured, failures = {}, []
    failed = done = 0
    with open(folder / "seed", "r+b") as file, mmap.mmap(file.fileno(), 8) as seed_at_work:
        for seed in range(first, first + count):
            if time.time() > deadline:
                break
            seed_at_work[:] = struct.pack("q", seed)
            try:
                proof.check(Trial(seed, device, measured))
            except Exception:
                failed += 1
                if len(failures) < 3:
                    failures.append([seed, traceback.format_exc(limit=-4)])
            done += 1
    result = {"done": done, "failed": failed, "failures": failures, "measured": measured}
    (folder / "result.json").write_text(json.dumps(result))


if __name__ == "__main__":
    faulthandler.enable()
    _name, _device, _first, _count, _deadline, _folder = sys.argv[1:]
    run(_name, _device, int(_first), int(_count), float(_deadline), Path(_folder))
