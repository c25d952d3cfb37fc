"""Writing a file all or nothing."""

import contextlib
import os
import stat


@contextlib.contextmanager
def atomic_file(path):
    """A binary file that takes the place of `path` when the block ends well, and leaves no trace when it doesn't."""
    target = os.path.realpath(os.fsdecode(path))
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"[save] no such folder: {folder!r}")
    # os.replace would put a plain file in the place of a device such as /dev/null.
    if os.path.exists(target) and not os.path.isfile(target):
        raise ValueError(f"[save] not a regular file: {target!r}")
    temporary = os.path.join(folder, f".hotloop-{os.urandom(8).hex()}.tmp")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(target):
            os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
