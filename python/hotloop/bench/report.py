"""The table, a Markdown one so that it can be pasted, and the JSON file."""

import json
import os
import textwrap
from math import exp, log

import numpy as np

from hotloop import config

COLUMNS = ("op", "shape", "ms", "rate", "of peak", "NumPy ms", "NumPy / hotloop")
FAIR_SIZE = 10_000  # elements from which every row is meant to win


def heading(command):
    """Machine, versions, threads, tier and command, as a dict."""
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        **config.describe(),
        "NumPy's BLAS": f"{blas['name']} {blas.get('version', '')}".strip(),
        "load": f"{os.getloadavg()[0]:.2f} (processes running before this one, mean of a minute)",
        "command": command,
    }


def _milliseconds(value):
    return f"{value:.4f}" if value < 1 else f"{value:.3f}" if value < 100 else f"{value:.1f}"


def cells(row):
    """A row's texts, in the order of COLUMNS."""
    return (
        row["op"],
        row["shape"],
        _milliseconds(row["ms"]),
        f"{row['rate']:.1f} {row['unit']}",
        f"{row['peak_percent']:.0f} %",
        _milliseconds(row["numpy_ms"]),
        f"{row['ratio']:.2f}" + (" slower" if row["ratio"] < 1 else ""),
    )


class Table:
    """Prints rows as they come; widths are those of the widest op and shape to come."""

    def __init__(self, cases):
        op = max([len(c.op) for c in cases] + [len(COLUMNS[0])])
        shape = max([len(c.shape) for c in cases] + [len(COLUMNS[1])])
        self._widths = (op, shape, 9, 14, 7, 9, 15)

    def head(self):
        self._line(COLUMNS)
        rules = ["-" * width for width in self._widths]
        self._line(rules[:2] + [rule[:-1] + ":" for rule in rules[2:]])

    def row(self, row):
        self._line(cells(row))

    def _line(self, texts):
        left = [f"{t:<{w}}" for t, w in zip(texts[:2], self._widths[:2], strict=True)]
        right = [f"{t:>{w}}" for t, w in zip(texts[2:], self._widths[2:], strict=True)]
        print("| " + " | ".join(left + right) + " |", flush=True)


def print_block(text):
    """Prints text between empty lines, indented: code in Markdown, so that the whole output can be pasted."""
    print(f"\n{textwrap.indent(text, '    ')}\n", flush=True)


def facts_text(facts):
    """The heading as lines of two columns."""
    width = max(map(len, facts))
    return "\n".join(f"{title:<{width}}  {text}" for title, text in facts.items())


def summary(rows):
    """A line on how many rows win, and the mean ratio of each family."""
    large = [row for row in rows if row["elements"] >= FAIR_SIZE]
    lost = [row for row in rows if row["ratio"] < 1]
    lost_large = sum(row["ratio"] < 1 for row in large)
    lines = [
        f"{len(rows)} rows, {len(lost)} slower than NumPy; of the {len(large)} rows from {FAIR_SIZE:,} elements up, "
        f"{lost_large} slower"
    ]
    families = dict.fromkeys(row["family"] for row in rows)
    for family in families:
        ratios = [row["ratio"] for row in rows if row["family"] == family]
        lines.append(f"  {family}: {exp(sum(map(log, ratios)) / len(ratios)):.1f} times NumPy's speed (geometric mean)")
    return "\n".join(lines)


def write_json(path, facts, rows):
    """Writes {"machine": {title: text}, "rows": [row, ...]}, with rows as measure.run_case gives them."""
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"machine": facts, "rows": rows}, file, indent=1)
        file.write("\n")
