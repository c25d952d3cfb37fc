"""python -m hotloop bench."""

import re
import shlex
import sys

from hotloop.bench import cases, measure, report

SECONDS, QUICK_SECONDS = 0.4, 0.08  # a row
QUICK_ELEMENTS = 200_000  # a quick run leaves larger rows out


def _chosen(options):
    pattern = re.compile(options.ops or "", re.IGNORECASE)
    return [
        case
        for case in cases.all_cases()
        if pattern.search(f"{case.family} {case}") and (not options.quick or case.elements <= QUICK_ELEMENTS)
    ]


def _command(options):
    words = ["python -m hotloop bench"]
    for name in ("ops", "json", "plot"):
        if getattr(options, name):
            words.append(f"--{name} {shlex.quote(getattr(options, name))}")
    return " ".join(words + ["--quick"] * options.quick)


def run(options):
    """Runs the rows, prints the table and writes what was asked for.

    Returns:
        The exit status: 0, 1 where a result was wrong, 2 where no row was chosen.
    """
    try:
        chosen = _chosen(options)
    except re.error as error:
        print(f"[bench] --ops {options.ops!r} is not a regular expression: {error}", file=sys.stderr)
        return 2
    if not chosen:
        print(f"[bench] no row matches --ops {options.ops!r}", file=sys.stderr)
        return 2
    facts = report.heading(_command(options))
    width = max(map(len, facts))
    print("\n".join(f"{title:<{width}}  {text}" for title, text in facts.items()), end="\n\n", flush=True)
    table, peaks, rows, wrong = report.Table(chosen), measure.Peaks(), [], []
    table.head()
    for case in chosen:
        try:
            rows.append(measure.run_case(case, QUICK_SECONDS if options.quick else SECONDS, peaks))
        except measure.WrongResult as error:
            wrong.append(str(error))
        else:
            table.row(rows[-1])
    print()
    if rows:
        print(report.summary(rows))
        if options.json:
            report.write_json(options.json, facts, rows)
        if options.plot:
            from hotloop.bench import plot

            plot.draw(options.plot, rows, facts)
    for text in wrong:
        print(f"[bench] wrong result, not timed: {text}", file=sys.stderr)
    return 1 if wrong else 0
