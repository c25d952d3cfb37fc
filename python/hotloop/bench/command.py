"""python -m hotloop bench."""

import re
import shlex
import sys

from hotloop.bench import cases, measure, plot, report

SECONDS, QUICK_SECONDS = 0.4, 0.08  # a row
QUICK_ELEMENTS = 200_000  # a quick run leaves larger rows out


def _chosen(options):
    """The cases to run; raises ValueError where there are none."""
    try:
        pattern = re.compile(options.ops or "", re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"[bench] --ops {options.ops!r} is not a regular expression: {error}") from None
    chosen = [
        case
        for case in cases.all_cases()
        if pattern.search(f"{case.family} {case}") and (not options.quick or case.elements <= QUICK_ELEMENTS)
    ]
    if not chosen:
        raise ValueError(f"[bench] no row matches --ops {options.ops!r}")
    return chosen


def _command(options):
    """The command line that these options came from."""
    words = ["python -m hotloop bench"]
    for name in ("ops", "json", "plot"):
        if getattr(options, name):
            words.append(f"--{name} {shlex.quote(getattr(options, name))}")
    return " ".join(words + ["--quick"] * options.quick)


def _measured(chosen, seconds):
    """Prints the table row by row; returns (the rows, what was wrong)."""
    table, peaks, rows, wrong = report.Table(chosen), measure.Peaks(), [], []
    table.head()
    for case in chosen:
        try:
            rows.append(measure.run_case(case, seconds, peaks))
        except measure.WrongResult as error:
            wrong.append(str(error))
        else:
            table.row(rows[-1])
    return rows, wrong


def run(options):
    """Runs the rows, prints the table and writes what was asked for.

    Returns:
        The exit status: 0, 1 where a result was wrong, 2 where the options can't be met.
    """
    try:
        chosen = _chosen(options)
        if options.plot:
            plot.require_matplotlib()
    except (ValueError, ImportError) as error:
        print(error, file=sys.stderr)
        return 2
    facts = report.heading(_command(options))
    report.print_block(report.facts_text(facts))
    rows, wrong = _measured(chosen, QUICK_SECONDS if options.quick else SECONDS)
    if rows:
        report.print_block(report.summary(rows))
        if options.json:
            report.write_json(options.json, facts, rows)
        if options.plot:
            plot.draw(options.plot, rows, facts)
    for text in wrong:
        print(f"[bench] wrong result, not timed: {text}", file=sys.stderr)
    return 1 if wrong else 0
