"""hotloop beside PyTorch, Keras and JAX: the same work on the same threads, taking turns.

    python benchmarks/peers.py --data DIR [--only TEXT] [--threads N] [--json FILE]

Every line of the table is one piece of work: medians, and how many times as fast as the fastest peer hotloop is. Peers
run in several ways each (memory layouts, compiled, with malloc tuned), of which the fastest counts; --json has all.
Results are compared before they are timed: one that deviates is told, and the command fails. `of peak` is the plain
algorithm's arithmetic, or the bytes it has to move, against this machine's own limits, measured first; work that is
spared therefore counts as done. Last come hotloop's and PyTorch's training step beside a process that keeps each core
busy, and with one thread against all. Install the peers with pip install "hotloop[peers]".
"""

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np

from hotloop import _core
from race import TOO_SLOW, Race, busy_neighbours, machine
from works import blocks, elements, inference, products, training

COMPARED_STEPS = 20  # of training: the losses are the curve
FINE = ("", "not installed", TOO_SLOW)  # what a row may say of itself
PEERS = ("PyTorch", "Keras", "JAX")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, metavar="DIR", help="folder with MNIST's four IDX files, .gz or plain")
    parser.add_argument("--only", metavar="TEXT", default="", help="work whose name contains TEXT")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: all cores allowed")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.25, help="of each row in a round")
    parser.add_argument("--json", metavar="FILE", help="every row with all its times")
    return parser.parse_args()


def deviations(results):
    """{row's name: largest difference from hotloop's outputs, relative to the largest of them}."""
    ours = np.array(results[0].outputs, np.float64)
    scale = np.max(np.abs(ours), initial=1e-30)
    found = {}
    for result in results[1:]:
        if not result.error:
            theirs = np.array(result.outputs, np.float64)
            same = theirs.shape == ours.shape
            found[result.row.name] = float(np.max(np.abs(theirs - ours))) / scale if same else np.inf
    return found


class Table:
    """Markdown, a line a work."""

    HEAD = ("work", "size", "hotloop ms", *(f"{name} ms" for name in PEERS), "to the fastest", "of peak")

    def __init__(self):
        self.lines, self.apart, self.records = [], [], []

    def add(self, work, results, peaks):
        """Takes in what a work's rows gave."""
        best = {}  # of each framework's ways
        for result in results:
            if not result.error:
                name, took = result.row.framework, result.milliseconds
                best[name] = min(took, best.get(name, took))
        ours = best.pop("hotloop", None)
        far = deviations(results) if not results[0].error else {}
        self.apart += [f"{work}: {name} by {by:.1e}" for name, by in far.items() if not by <= work.tolerance]
        self.apart += [f"{work}: {r.row.name}: {r.error}" for r in results if r.error not in FINE]
        self.records.append({"work": str(work), "deviations": far, "rows": [result.record() for result in results]})
        if ours is None:
            return
        theirs = [f"{best[name]:.4g}" if name in best else "" for name in PEERS]
        times = f"{min(best.values()) / ours:.2f}" if best else ""
        self.lines.append((work.name, work.size, f"{ours:.4g}", *theirs, times, peaks.share(work, ours)))

    def add_changes(self, name, before, after):
        """A line of how many times as long each framework takes `after` than `before`."""
        cells = {}
        for old, new in zip(before, after, strict=True):
            if not (old.error or new.error):
                times = new.milliseconds / old.milliseconds
                cells[old.row.framework] = f"{old.milliseconds:.4g} to {new.milliseconds:.4g} ({times:.2f})"
        columns = ("hotloop", *PEERS)
        self.lines.append((name, "batch 128", *(cells.get(column, "") for column in columns), "", ""))

    def __str__(self):
        rows = [self.HEAD, *self.lines]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        rows.insert(1, tuple("-" * width for width in widths))
        return "\n".join("| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows)


class Peaks:
    """What this machine can do on all its threads, measured by hotloop's own loops: the best of several times, since
    others may be at work on it."""

    def __init__(self):
        self.flops = max(_core.peak_operations() for _ in range(5))
        self.bytes = max(_core.copy_bandwidth(10_000_000) for _ in range(5))

    def __str__(self):
        return f"{self.flops / 1e9:.0f} GFLOP/s of float32, {self.bytes / 1e9:.1f} GB/s over 10 M elements"

    def share(self, work, milliseconds):
        """The work's rate as a percentage of the limit that it meets first; none for what is neither."""
        done, limit = (work.flops, self.flops) if work.flops else (work.bytes, self.bytes)
        return f"{100 * done / (milliseconds / 1e3) / limit:.0f} %" if done else ""


def all_works(options):
    yield from training.works(options.threads, options.data)
    yield from inference.works(options.threads, options.data)
    yield from products.works(options.threads)
    yield from blocks.works(options.threads)
    yield from elements.works(options.threads)


def step_rows(options, threads):
    """hotloop's and PyTorch's step, as the last lines compare them."""
    rows = training.steps(threads, options.data, 128)
    return [row for row in rows if row.name in ("hotloop", "PyTorch, channels_last, tuned malloc")]


def beside_neighbours(race, options, table):
    """What one busy process for each core costs."""
    rows = step_rows(options, options.threads)
    alone = race.run(rows, 1, options.rounds, options.seconds)
    with busy_neighbours(options.threads):
        table.add_changes(
            "MNIST step, alone to beside busy processes", alone, race.run(rows, 1, options.rounds, options.seconds)
        )


def over_threads(options, table):
    """What all threads give over one."""
    found = []
    for threads in (1, options.threads):
        with Race(threads) as race:
            found.append(race.run(step_rows(options, threads), 1, options.rounds, options.seconds))
    table.add_changes(f"MNIST step, 1 to {options.threads} threads", *found)


def main():
    options = parse()
    peaks, table = Peaks(), Table()
    with Race(options.threads) as race:
        try:
            for work in all_works(options):
                if options.only.lower() in str(work).lower():
                    first = COMPARED_STEPS if "step" in work.name else 1
                    table.add(work, race.run(work.rows, first, options.rounds, options.seconds), peaks)
                    print(f"{work}: {table.lines[-1][2:]}", file=sys.stderr, flush=True)
        except KeyboardInterrupt:
            options.only = "what was measured until Ctrl-C"
        others = race.others
        if not options.only:
            beside_neighbours(race, options, table)
    if not options.only and options.threads > 1:
        over_threads(options, table)
    facts = machine() | {"versions": ", ".join(f"{name} {version}" for name, version in race.versions.items())}
    facts |= {"threads": options.threads, "peak": str(peaks), "others": f"kept {others:.2f} cores busy meanwhile"}
    for key, value in facts.items():
        print(f"{key}: {value}")
    print(table)
    for text in table.apart:
        print(f"deviates or failed: {text}", file=sys.stderr)
    if options.json:
        Path(options.json).write_text(json.dumps(facts | {"works": table.records}, indent=1), encoding="utf-8")
    sys.exit(bool(table.apart))


if __name__ == "__main__":
    main()
