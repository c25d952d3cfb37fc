"""The line that fit and evaluate print: steps, a bar, time left, time per step, loss and metrics.

On a terminal tqdm redraws it; elsewhere, and with verbose=2, it is printed once, when the pass is over.
"""

import sys
import time

from hotloop.names import choose

_BAR_WIDTH = 20
_LEVELS = {0: 0, 1: 1, 2: 2, "auto": 1}


def level(where, verbose):
    """verbose as 0, 1 or 2.

    Raises:
        ValueError: it is none of these, nor "auto".
    """
    return choose(where, "verbose", verbose, _LEVELS)


class Progress:
    """Reports on one pass over the data.

    Args:
        where: whose pass it is, for errors.
        steps: how many steps it takes.
        verbose: 0 nothing, 1 or "auto" a bar where stdout is a terminal, 2 a line at the end.
        numbers: function that gives the dict of what to show; asked only when a line is drawn.

    Raises:
        ValueError: verbose is none of these.
    """

    def __init__(self, where, steps, verbose, numbers):
        self._verbose = level(where, verbose)
        self._steps, self._numbers = steps, numbers
        self._done = 0
        self._start = time.perf_counter()
        self._bar = _open_bar(steps, self._text) if self._verbose == 1 and sys.stdout.isatty() else None

    def advance(self):
        """Another step is done."""
        self._done += 1
        if self._bar is not None:
            self._bar.update()

    def finish(self, numbers):
        """The pass is over; these are its final numbers."""
        self._numbers = lambda: numbers
        seconds = time.perf_counter() - self._start
        if self._bar is not None:
            self._bar.over = True
            self._bar.refresh()
        elif self._verbose:
            print(f"{self._done}/{self._steps} - {_clock(seconds)} {self._text(seconds)}")

    def close(self):
        """Ends the line, whether or not the pass came to its end."""
        if self._bar is not None:
            self._bar.close()

    def _text(self, seconds):
        if not self._done:
            return ""
        parts = [_per_step(seconds / self._done)]
        parts += [f"{name}: {_number(value)}" for name, value in self._numbers().items()]
        return " - ".join(parts)


def _open_bar(steps, text):
    from tqdm import tqdm  # here: not every program that imports hotloop shows a bar

    class Bar(tqdm):
        monitor_interval = 0  # no thread that would outlive a fork
        over = False

        @property
        def format_dict(self):
            values = super().format_dict
            done, seconds = max(values["n"], 1), values["elapsed"]
            left = seconds if self.over else seconds / done * (self.total - values["n"])
            return {**values, "left": _clock(left), "text": text(seconds)}

    return Bar(
        total=steps,
        file=sys.stdout,
        ascii="─━",
        dynamic_ncols=True,
        bar_format=f"{{n_fmt}}/{{total_fmt}} {{bar:{_BAR_WIDTH}}} {{left}} {{text}}",
    )


def _clock(seconds):
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    return f"{whole // 60}:{whole % 60:02d}" if whole >= 60 else f"{whole}s"


def _per_step(seconds):
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * scale >= 1 or unit == "us":
            return f"{seconds * scale:.0f}{unit}/step"


def _number(value):
    return f"{value:.4f}" if abs(value) > 1e-3 or value == 0 else f"{value:.4e}"
