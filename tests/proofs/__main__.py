"""Proofs: claims about hotloop, each tried on as many random cases as one likes.

python -m tests.proofs                         what there is
python -m tests.proofs NAME [-n COUNT]         so many cases on every tier, and on device="cuda" where that can be
python -m tests.proofs all                     every proof, a small number of cases
python -m tests.proofs table RESULTS           the README's table, from what --json wrote

The first number printed is how many cases failed; a failing case is run again by the command printed below it.
"""

import argparse
import importlib
import json
import math
import os
import pkgutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the case table and its references
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [sys.path[0], os.environ.get("PYTHONPATH")]))

from tests.proofs.harness import runs, table


def names():
    """Files of this folder that hold a proof."""
    found = [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])]
    return [name for name in found if hasattr(importlib.import_module(f"tests.proofs.{name}"), "proof")]


def show(outcome):
    print("\n  ".join([outcome.line(), *outcome.notes]), flush=True)
    if outcome.failures:
        seed, text = min(outcome.failures)
        print(f"  first: seed {seed}\n    " + text.strip().replace("\n", "\n    "))
        where = "--device cuda" if outcome.place == "cuda" else f"--isa {outcome.place}"
        print(f"  again: python -m tests.proofs {outcome.name} -n 1 --seed {seed} {where}", flush=True)


def main():
    parser = argparse.ArgumentParser(
        "python -m tests.proofs", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="?", help="a proof, or all, or table")
    parser.add_argument("results", nargs="?", help="of table: the file that --json wrote")
    parser.add_argument("-n", type=int, metavar="COUNT", help="cases on each tier; a small number otherwise")
    parser.add_argument("--full", action="store_true", help="as many cases as the proof wants")
    parser.add_argument("--seed", type=int, help="of the first case; from the clock otherwise")
    parser.add_argument("--isa", metavar="TIER", help="on this tier alone")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="on this device alone")
    parser.add_argument("--jobs", type=int, default=1, help="worker processes")
    parser.add_argument("--minutes", type=float, default=math.inf, help="stop after so long on each tier")
    parser.add_argument("--json", metavar="FILE", help="append what came, a line a run")
    options = parser.parse_args()
    known = names()
    if options.name is None:
        for name in known:
            print(f"{name:14} {table.claim(name)}")
        return 0
    if options.name == "table":
        print(table.made_of(options.results))
        return 0
    if options.name != "all" and options.name not in known:
        parser.error(f"no proof {options.name!r}; there are {', '.join(known)}")
    seed = options.seed if options.seed is not None else int(time.time()) * 1000
    failed = 0
    for name in known if options.name == "all" else [options.name]:
        proof = importlib.import_module(f"tests.proofs.{name}").proof
        count = options.n if options.n is not None else proof.full if options.full else proof.small
        if count == 0:
            print(f"not run: {name} has no small run; python -m tests.proofs {name} --full", flush=True)
            continue
        for place in runs.places(proof, options.isa, options.device):
            outcome = runs.run(name, place, seed, count, options.jobs, options.minutes, said=print)
            show(outcome)
            failed += outcome.failed
            if options.json:
                with open(options.json, "a", encoding="utf-8") as file:
                    file.write(json.dumps(outcome.record()) + "\n")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
