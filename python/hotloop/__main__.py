"""python -m hotloop: what is installed and used; python -m hotloop bench: speed against NumPy."""

import argparse
import sys

import hotloop
from hotloop import config


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m hotloop", description="Without a command: what is installed and used."
    )
    parser.add_argument("--version", action="version", version=f"hotloop {hotloop.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    bench = commands.add_parser(
        "bench", help="measure every op against NumPy", description="Measures every op against NumPy."
    )
    bench.add_argument("--ops", metavar="REGEX", help="only rows whose family, op or shape matches")
    bench.add_argument("--json", metavar="FILE", help="also write the rows as JSON")
    bench.add_argument("--plot", metavar="FILE", help="also draw a chart: PNG, SVG or PDF by the name's ending")
    bench.add_argument("--quick", action="store_true", help="small rows only, and less time for each")
    return parser


def main(arguments=None):
    """Runs the command line; returns the exit status."""
    options = _parser().parse_args(arguments)
    if options.command is None:
        config.show_config()
        return 0
    from hotloop.bench import command

    return command.run(options)


if __name__ == "__main__":
    sys.exit(main())
