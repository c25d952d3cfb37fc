"""Runs a proof on a tier or device: shares its cases among worker processes and survives their end."""

import importlib
import json
import math
import os
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path

from tests.proofs.harness.proof import NOTES

ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Outcome:
    """What a run came to; `done` counts the cases that ran, crashed and hung ones among them."""

    name: str
    place: str
    seed: int
    done: int = 0
    failed: int = 0
    failures: list = field(default_factory=list)
    measured: dict = field(default_factory=dict)
    told: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)
    seconds: float = 0.0

    def add(self, result):
        self.done += result["done"]
        self.failed += result["failed"]
        self.failures += result["failures"]
        for name, values in result["measured"].items():
            self.measured.setdefault(name, []).extend(values)

    def line(self):
        told = "".join(f", {name} {text}" for name, text in self.told.items())
        run = f"{self.name}, {self.place}, seed {self.seed}, {self.seconds:.0f} s"
        return f"{self.failed} of {self.done} failed: {run}{told}"

    def record(self):
        """What the README's table is made of."""
        kept = asdict(self)
        del kept["failures"], kept["measured"]
        return kept


def places(proof, isa=None, device=None):
    """[(name, environment, device)] of where a proof runs: every tier of this machine, then the CUDA backend."""
    found = probe()
    tiers = found["tiers"] if proof.tiers else found["tiers"][-1:]
    if isa is not None:
        if isa not in found["tiers"]:
            raise SystemExit(f"this machine has no tier {isa!r}, only {', '.join(found['tiers'])}")
        tiers = [isa]
    cpu = [(tier, {"HOTLOOP_ISA": tier}, "cpu") for tier in tiers]
    cuda = [("cuda", found["cuda"], "cuda")] if proof.cuda and found["cuda"] is not None else []
    if device == "cuda" and not cuda:
        raise SystemExit("no device: no GPU, nor the emulation's library beside the package")
    return {None: cpu if isa is not None else cpu + cuda, "cpu": cpu, "cuda": cuda}[device]


def probe():
    """The tiers of the machine, and the environment in which there is a CUDA device, or None."""
    code = (
        "import json, hotloop as hl; from hotloop import _core;"
        "print(json.dumps([_core.isa_tiers(), hl.cuda.reason_against() is None]))"
    )
    for extra in ({}, {"HOTLOOP_CUDA_BACKEND": "emulated"}):
        environment = os.environ | extra
        environment.pop("HOTLOOP_ISA", None)
        done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, check=True)
        tiers, cuda = json.loads(done.stdout)
        if cuda:
            return {"tiers": tiers, "cuda": extra}
    return {"tiers": tiers, "cuda": None}


class Part:
    """A share of a run's cases: one worker after another, a new one behind each case that took the last one down."""

    def __init__(self, name, device, environment, first, count, deadline, patience):
        self.name, self.device, self.environment = name, device, environment
        self.next, self.end, self.deadline, self.patience = first, first + count, deadline, patience
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name)
        self.start()

    def start(self):
        (self.path / "result.json").unlink(missing_ok=True)
        (self.path / "seed").write_bytes(struct.pack("q", -1))
        self.first, self.seen, self.moved = self.next, -1, time.time()
        arguments = [self.name, self.device, self.next, self.end - self.next, self.deadline, self.path]
        command = [sys.executable, "-m", "tests.proofs.harness.worker", *map(str, arguments)]
        with open(self.path / "log", "wb") as log:
            environment = os.environ | self.environment
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)

    def poll(self):
        """None while at work, else what the worker came to; `more` says whether another goes on behind it."""
        seed = struct.unpack("q", (self.path / "seed").read_bytes())[0]
        if seed != self.seen:
            self.seen, self.moved = seed, time.time()
        status = self.process.poll()
        if status is None:
            if time.time() - self.moved < self.patience:
                return None
            self.process.kill()
            self.process.wait()
            return self.lost(seed, f"hung: no progress for {self.patience:.0f} s")
        if (self.path / "result.json").exists() and status == 0:
            return json.loads((self.path / "result.json").read_text()) | {"more": False}
        return self.lost(seed, f"the process ended with status {status}")

    def lost(self, seed, why):
        log = (self.path / "log").read_text(errors="replace")
        if seed < 0:
            raise SystemExit(f"[{self.name}] {why} before its first case:\n{log}")
        self.next = seed + 1
        more = self.next < self.end and time.time() < self.deadline
        failures = [[seed, f"{why}\n{log[-6000:]}"]]
        return {"done": self.next - self.first, "failed": 1, "failures": failures, "measured": {}, "more": more}


def run(name, place, seed, count, jobs=1, minutes=math.inf, said=lambda text: None):
    """The Outcome of `count` cases from `seed` on, at one place."""
    proof = importlib.import_module(f"tests.proofs.{name}").proof
    label, environment, device = place
    outcome = Outcome(name, label, seed)
    started = time.time()
    jobs = max(1, min(jobs, count))
    cuts = [seed + count * i // jobs for i in range(jobs + 1)]
    deadline = started + 60 * minutes
    parts = [Part(name, device, environment, a, b - a, deadline, proof.patience) for a, b in pairwise(cuts)]
    try:
        while parts:
            time.sleep(0.05)
            for part in list(parts):
                result = part.poll()
                if result is None:
                    continue
                outcome.add(result)
                if result["more"]:
                    part.start()
                else:
                    parts.remove(part)
                if outcome.failed > 100:
                    said("more than 100 cases failed: stopped\n")
                    return outcome
    finally:
        for part in parts:
            part.process.kill()
        outcome.seconds = time.time() - started
    outcome.notes = outcome.measured.pop(NOTES, [])
    try:
        outcome.told = proof.conclude(outcome.measured)
    except AssertionError as error:
        outcome.failed += 1
        outcome.failures.append([seed, f"over all cases: {error}"])
    return outcome
