"""Puts what a command printed into the README, between the markers that name it.

COMMAND | python benchmarks/readme.py NAME      the text between <!-- NAME:begin ... --> and <!-- NAME:end -->
python benchmarks/readme.py --code N            prints the N-th Python block of the README, to be run
"""

import argparse
import itertools
import re
import sys
import textwrap
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"


def code_block(text, number):
    """The number-th (from 1) Python block of a Markdown text."""
    return re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)[number - 1]


def as_markdown(output):
    """What a command printed: tables as they are, the lines between them as blocks."""
    parts = []
    for is_table, lines in itertools.groupby(output.splitlines(), lambda line: line.startswith("|")):
        part = textwrap.dedent("\n".join(lines)).strip("\n")
        if part:
            parts.append(part if is_table else f"```\n{part}\n```")
    return "\n\n".join(parts)


def filled(text, name, output):
    """The text with `output` between the markers of `name`."""
    body = as_markdown(output)
    pattern = re.compile(rf"(<!-- {re.escape(name)}:begin[^\n]*-->\n).*?(<!-- {re.escape(name)}:end -->)", re.S)
    new, count = pattern.subn(lambda match: f"{match[1]}\n{body}\n\n{match[2]}", text)
    if count != 1:
        raise SystemExit(f"README has {count} places named {name!r}, wants 1")
    return new


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?")
    parser.add_argument("--code", type=int, metavar="N")
    options = parser.parse_args()
    text = README.read_text(encoding="utf-8")
    if options.code is not None:
        print(code_block(text, options.code), end="")
    elif options.name is not None:
        README.write_text(filled(text, options.name, sys.stdin.read()), encoding="utf-8")
    else:
        parser.error("wants NAME or --code N")


if __name__ == "__main__":
    main()
