"""Times the same work in several frameworks side by side: a process for each, taking turns.

Invariants: one worker runs at a time, the others block on a pipe; rounds are interleaved (A B C A B C ...), so that a
busy machine slows all rows alike; a turn begins with untimed work that refills caches and wakes threads; the first
outputs of every worker are kept, so that what is timed can be compared before it is believed. What disturbs a result is
measured and printed: CPU time that waiting workers burn, and CPU time that other processes take meanwhile.

To add a measurement: write `build(**options) -> work`, where `work()` does one unit and returns its output, list one
`Peer` for each row, and hand them to `race`. `mnist_step.py` is the example.
"""

import importlib.util
import json
import multiprocessing
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

SETTLE_SECONDS = 0.05  # OpenMP threads spin for a few milliseconds after their last region
CLOSE_SECONDS = 10
LEAD_IN = 2  # untimed units at the start of every turn


@dataclass(frozen=True)
class Peer:
    """One row: a top-level function that builds the work in the worker, and what the worker needs around it.

    `modules` are those that the row stands on, the one that may be missing first; their versions are reported.
    """

    name: str
    modules: tuple[str, ...]
    build: Callable
    options: Mapping = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Result:
    """What one row gave: `rounds` in seconds per unit, `outputs` of the first units, `error` if it has no numbers."""

    peer: Peer
    error: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    outputs: list = field(default_factory=list)
    rounds: list[list[float]] = field(default_factory=list)
    waiting_cpu: list[float] = field(default_factory=list)

    @property
    def milliseconds(self):
        return 1e3 * statistics.median(second for turn in self.rounds for second in turn)

    @property
    def best_round(self):
        return 1e3 * min(statistics.median(turn) for turn in self.rounds)


def _serve(connection, cpus, peer):
    """The worker: build the work, then answer `(untimed, timed)` with outputs, times and CPU clocks."""
    os.sched_setaffinity(0, cpus)
    try:
        work = peer.build(**peer.options)
        connection.send({name: sys.modules[name].__version__ for name in peer.modules})
        while request := connection.recv():
            woken = time.process_time()
            untimed, timed = request
            outputs = [work() for _ in range(untimed)]
            seconds = []
            for _ in range(timed):
                start = time.perf_counter()
                work()
                seconds.append(time.perf_counter() - start)
            connection.send((outputs, seconds, woken, time.process_time()))
    except Exception as error:
        traceback.print_exc()
        connection.send(f"{type(error).__name__}: {error}")  # as text: not every exception survives a pipe


class Worker:
    """The parent's end of one worker process."""

    def __init__(self, peer, cpus):
        spawn = multiprocessing.get_context("spawn")
        self.connection, theirs = spawn.Pipe()
        self.process = spawn.Process(target=_serve, args=(theirs, cpus, peer), daemon=True)
        before = dict(os.environ)
        os.environ.update(peer.environment)  # malloc and OpenMP read it while the process starts
        try:
            self.process.start()
        finally:
            os.environ.clear()
            os.environ.update(before)
        theirs.close()
        self.slept = None
        self.versions = self._receive()

    def _receive(self):
        try:
            answer = self.connection.recv()
        except EOFError:
            self.process.join()
            raise RuntimeError(f"worker died with exit code {self.process.exitcode}") from None
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return answer

    def turn(self, untimed, timed):
        """Returns: outputs of the untimed units, seconds of the timed ones, CPU seconds burnt waiting and working."""
        self.connection.send((untimed, timed))
        outputs, seconds, woken, asleep = self._receive()
        waiting = 0.0 if self.slept is None else woken - self.slept
        self.slept = asleep
        return outputs, seconds, waiting, asleep - woken

    def close(self):
        try:
            self.connection.send(None)
            self.process.join(CLOSE_SECONDS)
        except OSError:  # it died before
            pass
        self.process.terminate()
        self.process.join()


def _busy_seconds():
    """CPU seconds that all processes of the machine have used since it started (proc(5), /proc/stat)."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def race(peers, threads, first, rounds, per_turn):
    """Run the peers in interleaved rounds, each on the same `threads` CPUs.

    Args: first, untimed units of every worker whose outputs are kept; rounds; per_turn, timed units a turn.
    Returns: list of Result in the order of peers, and the mean number of cores that other processes kept busy.
    """
    cpus = sorted(os.sched_getaffinity(0))[:threads]
    results = [Result(peer) for peer in peers]
    workers = {}
    try:
        for number, result in enumerate(results):
            if importlib.util.find_spec(result.peer.modules[0]) is None:
                result.error = "not installed"
                continue
            try:
                workers[number] = Worker(result.peer, cpus)
                result.versions = workers[number].versions
                result.outputs = workers[number].turn(first, 0)[0]
            except RuntimeError as error:
                result.error = f"failed: {error}".splitlines()[0]
        running = [number for number, result in enumerate(results) if not result.error]
        wall = others = 0.0
        for _ in range(rounds):
            for number in running:
                time.sleep(SETTLE_SECONDS)
                busy, start = _busy_seconds(), time.perf_counter()
                _, seconds, waiting, working = workers[number].turn(LEAD_IN, per_turn)
                wall += time.perf_counter() - start
                others += _busy_seconds() - busy - working
                results[number].rounds.append(seconds)
                results[number].waiting_cpu.append(waiting)
    finally:
        for worker in workers.values():
            worker.close()
    return results, max(0.0, others / wall) if wall else 0.0


def machine():
    """Returns: dict of what a reader needs to judge or repeat a number: CPU, cores, system, commit, command."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    describe = ["git", "-C", Path(__file__).parent, "describe", "--always", "--dirty"]
    commit = subprocess.run(describe, capture_output=True, text=True).stdout.strip()
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "commit": commit or "unknown",
        "command": shlex.join(["python", *("DIR" if Path(word).is_dir() else word for word in sys.argv)]),
    }


def versions(results):
    """Returns: dict module -> version over the rows that ran."""
    return {name: version for result in results for name, version in result.versions.items()}


def table(results, reference, deviations):
    """Returns: a Markdown table; ratios are to `reference`, `deviations` one number for each result or None."""
    base = next((result.milliseconds for result in results if result.peer.name == reference and not result.error), None)
    rows = [["row", "median ms", "best round ms", f"ratio to {reference}", "max deviation", "CPU while waiting"]]
    for result, deviation in zip(results, deviations, strict=True):
        if result.error:
            rows.append([result.peer.name, result.error, "", "", "", ""])
            continue
        rows.append(
            [
                result.peer.name,
                f"{result.milliseconds:.2f}",
                f"{result.best_round:.2f}",
                f"{result.milliseconds / base:.2f}" if base else "-",
                f"{deviation:.1e}",
                f"{1e3 * statistics.mean(result.waiting_cpu):.1f} ms a round",
            ]
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join("| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows)


def write_json(path, results, deviations, **facts):
    rows = [
        {
            "row": result.peer.name,
            "error": result.error,
            "median_ms": None if result.error else result.milliseconds,
            "best_round_ms": None if result.error else result.best_round,
            "max_deviation": deviation,
            "rounds_s": result.rounds,
            "outputs": result.outputs,
            "environment": dict(result.peer.environment),
        }
        for result, deviation in zip(results, deviations, strict=True)
    ]
    Path(path).write_text(
        json.dumps({**facts, "machine": machine(), "versions": versions(results), "rows": rows}, indent=1)
    )
