"""hotloop beside PyTorch, Keras and JAX: the same work on the same threads, taking turns.

    python benchmarks/peers.py --data DIR [--only TEXT] [--threads N] [--json FILE]

Every line of the table is one piece of work: hotloop's median, that of the fastest of its peers, and how many times as
fast hotloop is. Peers run in several ways each (memory layouts, compiled, with malloc tuned); the fastest way counts.
Results are compared before they are timed: one that deviates is told, and the command fails. `of peak` is the plain
algorithm's arithmetic, or the bytes it has to move, against this machine's own limits, measured first; work that is
spared therefore counts as done. The last lines are hotloop's and PyTorch's training step beside a process that keeps
each core busy, and with one thread against two. Install the peers with pip install "hotloop[peers]".
"""

import argparse
import json
import os
import sys
from pathlib import Path

import numpy as np

from hotloop import _core
from race import Race, busy_neighbours, machine
from works import blocks, elements, inference, products, training

COMPARED_STEPS = 20  # of training: the losses are the curve


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

    HEAD = ("work", "size", "hotloop ms", "fastest peer ms", "which", "times as fast", "of peak")

    def __init__(self):
        self.lines, self.apart, self.records = [], [], []

    def add(self, work, results, peaks):
        """Takes in what a work's rows gave."""
        ran = sorted((result for result in results if not result.error), key=lambda result: result.milliseconds)
        ours = next((result for result in ran if result.row.framework == "hotloop"), None)
        peer = next((result for result in ran if result.row.framework != "hotloop"), None)
        far = deviations(results) if not results[0].error else {}
        self.apart += [f"{work}: {name} by {by:.1e}" for name, by in far.items() if not by <= work.tolerance]
        self.apart += [f"{work}: {r.row.name}: {r.error}" for r in results if r.error not in ("", "not installed")]
        self.records.append({"work": str(work), "deviations": far, "rows": [result.record() for result in results]})
        if ours is None:
            return
        line, theirs = [work.name, work.size, f"{ours.milliseconds:.4g}"], ["", "", ""]
        if peer is not None:
            theirs = [f"{peer.milliseconds:.4g}", peer.row.name, f"{_ratio(peer, ours):.2f}"]
        self.lines.append((*line, *theirs, peaks.share(work, ours.milliseconds)))

    def add_line(self, *cells):
        self.lines.append((*cells, *[""] * (len(self.HEAD) - len(cells))))

    def __str__(self):
        rows = [self.HEAD, *self.lines]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        rows.insert(1, tuple("-" * width for width in widths))
        return "\n".join("| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows)


def _ratio(peer, ours):
    return peer.milliseconds / ours.milliseconds


class Peaks:
    """What this machine can do on all its threads, measured by hotloop's own loops."""

    def __init__(self):
        self.flops, self.bytes = _core.peak_operations(), _core.copy_bandwidth(10_000_000)

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
    """How much slower a step is beside one busy process for each core."""
    rows = step_rows(options, options.threads)
    alone = race.run(rows, 1, options.rounds, options.seconds)
    with busy_neighbours(options.threads):
        crowded = race.run(rows, 1, options.rounds, options.seconds)
    for quiet, busy in zip(alone, crowded, strict=True):
        if not (quiet.error or busy.error):
            size = f"{quiet.row.name}: {quiet.milliseconds:.4g} ms alone, {busy.milliseconds:.4g} ms"
            table.add_line("MNIST step beside busy processes", size, f"{_ratio(busy, quiet):.2f} times slower")


def over_threads(options, table):
    """How much faster a step is on all threads than on one."""
    found = {}
    for threads in (1, options.threads):
        with Race(threads) as race:
            found[threads] = race.run(step_rows(options, threads), 1, options.rounds, options.seconds)
    for one, many in zip(found[1], found[options.threads], strict=True):
        if not (one.error or many.error):
            size = f"{one.row.name}: {one.milliseconds:.4g} ms with one, {many.milliseconds:.4g} ms"
            table.add_line(f"MNIST step, {options.threads} threads", size, f"{_ratio(one, many):.2f} times faster")


def main():
    options = parse()
    peaks, table = Peaks(), Table()
    with Race(options.threads) as race:
        for work in all_works(options):
            if options.only.lower() in str(work).lower():
                first = COMPARED_STEPS if "step" in work.name else 1
                table.add(work, race.run(work.rows, first, options.rounds, options.seconds), peaks)
                print(".", end="", file=sys.stderr, flush=True)
        others = race.others
        if not options.only:
            beside_neighbours(race, options, table)
    if not options.only and options.threads > 1:
        over_threads(options, table)
    print(file=sys.stderr)
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
