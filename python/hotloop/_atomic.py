"""Writing a file all or nothing."""

import os
import stat


class atomic_file:
    """A binary file that takes the place of `path` when the block ends well, and leaves no trace when it doesn't.

    A class, with what the cleaning up needs made beforehand: it has to work where there is hardly any memory.
    """

    def __init__(self, path):
        self._target = os.path.realpath(os.fsdecode(path))
        folder = os.path.dirname(self._target)
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"[save] no such folder: {folder!r}")
        # os.replace would put a plain file in the place of a device such as /dev/null.
        if os.path.exists(self._target) and not os.path.isfile(self._target):
            raise ValueError(f"[save] not a regular file: {self._target!r}")
        self._temporary = os.fsencode(os.path.join(folder, f".hotloop-{os.urandom(8).hex()}.tmp"))
        self._file = None

    def __enter__(self):
        try:
            self._file = open(self._temporary, "xb")
        except MemoryError:
            self._remove()
            raise
        return self._file

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self._file.flush()
                os.fsync(self._file.fileno())
            self._file.close()
            if kind is None:
                if os.path.exists(self._target):
                    os.chmod(self._temporary, stat.S_IMODE(os.stat(self._target).st_mode))
                os.replace(self._temporary, self._target)
                return
        except BaseException:
            self._remove()
            raise
        self._remove()

    def _remove(self):
        try:
            os.unlink(self._temporary)
        except OSError:
            return
