"""The README's table of what is proven, from the lines that `python -m tests.proofs NAME --json FILE` wrote."""

import importlib
import inspect
import json
from pathlib import Path


def claim(name):
    """The first paragraph of a proof's docstring."""
    module = importlib.import_module(f"tests.proofs.{name}")
    return inspect.getdoc(module).partition("\n\n")[0].replace("\n", " ")


def made_of(file):
    """A Markdown table, a row a proof: the largest run of each place."""
    best = {}
    for line in Path(file).read_text(encoding="utf-8").splitlines():
        run = json.loads(line)
        key = run["name"], run["place"]
        if key not in best or run["done"] >= best[key]["done"]:
            best[key] = run
    rows = ["| proof | what is proven | how often | failed | measured |", "|---|---|---|---|---|"]
    for name in sorted({name for name, _ in best}):
        found = [run for (other, _), run in best.items() if other == name]
        unit = importlib.import_module(f"tests.proofs.{name}").proof.unit
        counts = {}
        for run in found:
            counts.setdefault(run["done"], []).append(run["place"])
        often = "; ".join(f"{count:,} {unit} on {', '.join(places)}" for count, places in counts.items())
        told = {}
        for run in found:
            for what, text in run["told"].items():
                told.setdefault(what, []).append(f"{text} ({run['place']})" if len(found) > 1 else text)
        measured = "; ".join(f"{what} {', '.join(texts)}" for what, texts in told.items())
        rows.append(f"| `{name}` | {claim(name)} | {often} | {sum(run['failed'] for run in found)} | {measured} |")
    return "\n".join(rows)
