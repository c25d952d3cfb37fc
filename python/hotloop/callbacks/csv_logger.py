"""Writes an epoch's logs as a line of a CSV file."""

import csv
import os

from hotloop import checks
from hotloop.callbacks.base import Callback

__all__ = ["CSVLogger"]


class CSVLogger(Callback):
    """Appends a line an epoch: epoch, then the logs in order of their names.

    Args:
        filename: the file; an older one is overwritten unless append is set.
        separator: between values.
        append: whether to go on with an existing file.
    """

    def __init__(self, filename, separator=",", append=False):
        self.filename = os.fsdecode(checks.path("CSVLogger", "filename", filename))
        self.separator = checks.text("CSVLogger", "separator", separator)
        if len(separator) != 1 or separator in "\r\n\0":
            raise ValueError(f"[CSVLogger] separator must be one character, not a line's end, got {separator!r}")
        self.append = checks.flag("CSVLogger", "append", append)
        self._columns = None

    def on_train_begin(self, logs=None):
        self._columns = None
        if self.append and os.path.exists(self.filename):
            try:
                with open(self.filename, newline="") as file:
                    self._columns = next(csv.reader(file, delimiter=self.separator), None)
            except (csv.Error, UnicodeDecodeError) as error:
                raise ValueError(f"[CSVLogger] {self.filename!r} is not a CSV file: {error}") from None
        else:
            open(self.filename, "w").close()

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch, **{name: logs[name] for name in sorted(logs)}}
        with open(self.filename, "a", newline="") as file:
            writer = csv.writer(file, delimiter=self.separator)
            if self._columns is None:
                self._columns = list(row)
                writer.writerow(self._columns)
            writer.writerow([row.get(name, "NA") for name in self._columns])
