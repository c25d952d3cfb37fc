"""Busy neighbours: a process for each core that does nothing but compute, stopped while nobody wants it."""

import contextlib
import os
import signal
import subprocess
import sys

# It ends with the process that started it, even while stopped: PR_SET_PDEATHSIG is 1.
_SPIN = (
    "import ctypes, os, signal, sys\n"
    "ctypes.CDLL(None).prctl(1, signal.SIGKILL)\n"
    "if os.getppid() != int(sys.argv[1]): sys.exit()\n"
    "while True: pass\n"
)
_running = {}  # process id of the parent: its neighbours


@contextlib.contextmanager
def busy_neighbours():
    """Within it every core that this process may use has a neighbour that computes."""
    if os.getpid() not in _running:
        environment = {key: text for key, text in os.environ.items() if key != "LD_PRELOAD"}
        command = [sys.executable, "-I", "-S", "-c", _SPIN, str(os.getpid())]
        cores = len(os.sched_getaffinity(0))
        _running[os.getpid()] = [subprocess.Popen(command, env=environment) for _ in range(cores)]
    _signal(signal.SIGCONT)
    try:
        yield
    finally:
        _signal(signal.SIGSTOP)


def _signal(number):
    for process in _running[os.getpid()]:
        if process.poll() is not None:
            raise RuntimeError(f"a busy neighbour ended with status {process.returncode}")
        process.send_signal(number)
