"""Times the same work in several frameworks side by side: a process for each, taking turns.

Invariants: one worker runs at a time, the others block on a pipe; rounds are interleaved (A B C A B C ...), so that a
busy machine slows all rows alike; a turn begins with untimed work that refills caches and wakes threads; the first
outputs of every row are kept, so that what is timed can be compared before it is believed. A framework in one
environment (its malloc's settings, say) has one process for all its rows. How busy other processes kept the machine
meanwhile is measured.

To add a measurement: write `build(**options) -> work`, where `work()` does one unit and returns something whose numbers
`sample` can read, list one `Row` for each framework, and hand them to `Race.run`; works/ is full of examples.
"""

import contextlib
import importlib.util
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

import numpy as np

SETTLE_SECONDS = 0.05  # OpenMP threads spin for a few milliseconds after their last region
CLOSE_SECONDS = 10
LEAD_IN = 2  # untimed units at the start of every turn, where they are short
SHORT_SECONDS = 0.1
PATIENCE = 30  # seconds for a row's first unit: some peers multiply bfloat16 element by element where the CPU has none
SAMPLED = 64  # numbers that stand for a result when results are compared
# Without these glibc may return each large tensor to the system and take the page faults again in the next step;
# whether it does depends on the layout of the heap, so that an untuned row can double from one process to the next.
TUNED_MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_TOP_PAD_": str(64 << 20),
}


@dataclass(frozen=True)
class Row:
    """One framework's way: a top-level function that builds the work in the worker, and what it needs around it.

    `modules` are those that the row stands on, the one that may be missing first; their versions are reported.
    """

    name: str
    modules: tuple[str, ...]
    build: Callable
    options: Mapping = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def framework(self):
        return self.name.partition(",")[0]

    @property
    def process(self):
        """Rows with the same one share a process."""
        return self.modules[0], *sorted(self.environment.items())


@dataclass
class Result:
    """What one row gave: `rounds` in seconds per unit, `outputs` of the first units, `error` why it has no numbers."""

    row: Row
    error: str = ""
    outputs: list = field(default_factory=list)
    rounds: list[list[float]] = field(default_factory=list)

    @property
    def milliseconds(self):
        return 1e3 * statistics.median(second for turn in self.rounds for second in turn)

    def record(self):
        """What a JSON file keeps."""
        return {
            "row": self.row.name,
            "error": self.error,
            "ms": None if self.error else self.milliseconds,
            "rounds_s": self.rounds,
            "environment": dict(self.row.environment),
        }


def sample(output):
    """A few numbers of a result of any framework, as a list of floats."""
    if isinstance(output, (tuple, list)):
        return [number for part in output for number in sample(part)]
    if type(output).__module__.startswith("torch"):
        output = output.detach().float()
    array = np.asarray(output, dtype=np.float64).ravel()
    return array[:: max(1, -(-array.size // SAMPLED))].tolist()


class _Served:
    """What a worker answers."""

    def __init__(self):
        self._works = {}

    def build(self, number, row):
        self._works[number] = row.build(**row.options)
        return {name: sys.modules[name].__version__ for name in row.modules if name in sys.modules}

    def forget(self):
        self._works.clear()

    def outputs(self, number, count):
        work = self._works[number]
        return [sample(work()) for _ in range(count)]

    def times(self, number, untimed, timed):
        """Seconds of each timed unit, and the CPU seconds of all."""
        work, used, seconds = self._works[number], time.process_time(), []
        for unit in range(untimed + timed):
            start = time.perf_counter()
            work()
            if unit >= untimed:
                seconds.append(time.perf_counter() - start)
        return seconds, time.process_time() - used


def _serve(connection, cpus):
    os.sched_setaffinity(0, cpus)
    served = _Served()
    while request := connection.recv():
        name, *arguments = request
        try:
            connection.send((True, getattr(served, name)(*arguments)))
        except Exception as error:
            traceback.print_exc()
            connection.send((False, f"{type(error).__name__}: {error}"))  # as text: not every exception survives a pipe


TOO_SLOW = f"more than {PATIENCE} s"


class WorkerDied(RuntimeError):
    """With it all rows of its process."""


class Worker:
    """The parent's end of one worker process; `ask` calls a method of _Served there."""

    def __init__(self, environment, cpus):
        spawn = multiprocessing.get_context("spawn")
        self._connection, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_serve, args=(theirs, cpus), daemon=True)
        before = dict(os.environ)
        os.environ.update(environment)  # malloc and OpenMP read it while the process starts
        try:
            self._process.start()
        finally:
            os.environ.clear()
            os.environ.update(before)
        theirs.close()

    def ask(self, name, *arguments, patience=None):
        try:
            self._connection.send((name, *arguments))
            if patience is not None and not self._connection.poll(patience):
                raise WorkerDied(TOO_SLOW)
            went_well, answer = self._connection.recv()
        except (EOFError, OSError):
            self._process.join()
            raise WorkerDied(f"worker died with exit code {self._process.exitcode}") from None
        if not went_well:
            raise RuntimeError(answer)
        return answer

    def close(self, seconds=CLOSE_SECONDS):
        with contextlib.suppress(OSError):  # it died before
            self._connection.send(None)
            self._process.join(seconds)
        self._process.kill()
        self._process.join()


def _busy_seconds():
    """CPU seconds that all processes of the machine have used since it started (proc(5), /proc/stat)."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


class Race:
    """The worker processes, each on the same `threads` CPUs. A context: leaving it ends them.

    Attributes:
        versions: {module: version} of all that ran.
        others: mean number of cores that other processes kept busy while something was timed.
    """

    def __init__(self, threads):
        self.threads, self.versions = threads, {}
        self._cpus = sorted(os.sched_getaffinity(0))[:threads]
        self._workers, self._wall, self._others = {}, 0.0, 0.0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for worker in self._workers.values():
            worker.close()

    @property
    def others(self):
        return max(0.0, self._others / self._wall) if self._wall else 0.0

    def _worker(self, row):
        if row.process not in self._workers:
            self._workers[row.process] = Worker(dict(row.environment), self._cpus)
        return self._workers[row.process]

    def run(self, rows, first, rounds, seconds):
        """Runs the rows in interleaved rounds.

        Args: first, untimed units of every row whose outputs are kept; rounds; seconds that a turn should take.
        Returns: list of Result in the order of rows.
        """
        results = [Result(row) for row in rows]
        units = {}
        for number, result in enumerate(results):
            if importlib.util.find_spec(result.row.modules[0]) is None:
                result.error = "not installed"
                continue
            try:
                worker = self._worker(result.row)
                self.versions.update(worker.ask("build", number, result.row))
                result.outputs = worker.ask("outputs", number, 1, patience=PATIENCE)
                result.outputs += worker.ask("outputs", number, first - 1)
                unit = min(worker.ask("times", number, 0, 2)[0])
                units[number] = LEAD_IN if unit < SHORT_SECONDS else 0, max(1, min(1000, round(seconds / unit)))
            except RuntimeError as error:
                result.error = str(error).partition("\n")[0]
                if isinstance(error, WorkerDied):
                    self._workers.pop(result.row.process).close(0)
                    lost = [n for n in units if rows[n].process == result.row.process]
                    for other in lost:
                        results[other].error = "its process died"
                        del units[other]
        for _ in range(rounds):
            for number, result in enumerate(results):
                if number in units:
                    self._turn(result, number, *units[number])
        for worker in self._workers.values():
            worker.ask("forget")
        return results

    def _turn(self, result, number, untimed, timed):
        time.sleep(SETTLE_SECONDS)
        busy, start = _busy_seconds(), time.perf_counter()
        times, working = self._workers[result.row.process].ask("times", number, untimed, timed)
        self._wall += time.perf_counter() - start
        self._others += _busy_seconds() - busy - working
        result.rounds.append(times)


@contextlib.contextmanager
def busy_neighbours(count):
    """So many processes that do nothing but compute, meanwhile."""
    spin = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(spin) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _without_place(word):
    """An argument that is a path says nothing to others."""
    return word if os.sep not in word else "DIR" if Path(word).is_dir() else "FILE"


def machine():
    """Returns: dict of what a reader needs to judge or repeat a number: CPU, cores, system, commit, command."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    describe = ["git", "-C", Path(__file__).parent, "describe", "--always", "--dirty"]
    commit = subprocess.run(describe, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "commit": commit or "unknown",
        "command": shlex.join(["python", sys.argv[0], *map(_without_place, sys.argv[1:])]),
    }
