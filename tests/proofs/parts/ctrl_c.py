"""Ctrl-C from outside at a given time, and exactly where Python handles signals: what a call does when it comes."""

import os
import signal
import subprocess
import sys
import time

import hotloop as hl

_PACKAGE = os.path.dirname(hl.__file__)
_PATIENCE = 10.0  # seconds after the signal after which it counts as lost

# Reads a delay in seconds; sends the signal then, and writes when that was and how long each thread of the process had
# waited for a CPU. It ends with the process that started it: PR_SET_PDEATHSIG is 1.
_SENDER = """
import ctypes, os, signal, sys, time
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
target = int(sys.argv[1])
if os.getppid() != target: sys.exit()
signal.signal(signal.SIGINT, signal.SIG_IGN)
for line in sys.stdin:
    time.sleep(float(line))
    waited = {}
    for task in os.listdir(f"/proc/{target}/task"):
        try:
            waited[int(task)] = int(open(f"/proc/{target}/task/{task}/schedstat").read().split()[1])
        except (OSError, IndexError):
            pass
    now = time.monotonic()
    os.kill(target, signal.SIGINT)
    print([now, waited], flush=True)
"""


class Sender:
    """A process that sends this one SIGINT when asked to."""

    def __init__(self):
        environment = {key: text for key, text in os.environ.items() if key != "LD_PRELOAD"}
        command = [sys.executable, "-I", "-S", "-c", _SENDER, str(os.getpid())]
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def send(self, delay):
        """Asks for the signal in so many seconds."""
        self.process.stdin.write(f"{delay}\n")
        self.process.stdin.flush()

    def sent(self):
        """(when it came by time.monotonic, {thread: nanoseconds that it had waited for a CPU})"""
        return eval(self.process.stdout.readline())


def _waited_since(before):
    """Seconds that this thread waited for a CPU since, or another one that had to longer."""
    main, other = 0, 0
    for task, then in before.items():
        try:
            with open(f"/proc/self/task/{task}/schedstat") as file:
                waited = int(file.read().split()[1]) - then
        except (OSError, IndexError):
            continue
        if task == os.getpid():
            main = waited
        else:
            other = max(other, waited)
    return max(main, other) * 1e-9


class Lost(AssertionError):
    """No KeyboardInterrupt came."""


_senders = {}


def interrupted_after(delay, call):
    """Calls call(check) again and again until a SIGINT sent after `delay` seconds raises KeyboardInterrupt.

    Args:
        call: may call `check` now and then, which raises Lost where the signal was sent long ago.

    Returns:
        Seconds from the signal to the exception, less what this process' threads waited for a CPU.
    """
    sender = _senders.get(os.getpid()) or _senders.setdefault(os.getpid(), Sender())
    limit = time.monotonic() + delay + _PATIENCE

    def check():
        if time.monotonic() > limit:
            raise Lost("SIGINT raised no KeyboardInterrupt")

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sender.send(delay)
        while True:
            call(check)
            check()
    except KeyboardInterrupt:
        now = time.monotonic()
        then, waited = sender.sent()
        return max(0.0, now - then - _waited_since(waited))
    finally:
        signal.signal(signal.SIGINT, before)


def interrupted_at(number, call):
    """Calls `call` and raises SIGINT at the number-th of the places in hotloop where CPython handles signals: at the
    beginning of each function, and behind each call of a compiled one.

    Returns:
        (whether KeyboardInterrupt came out, how many places were passed, what was raised where nobody could catch it)
    """
    passed, swallowed = 0, []

    def profile(frame, event, argument):
        nonlocal passed
        if event in ("call", "c_return") and frame.f_code.co_filename.startswith(_PACKAGE):
            passed += 1
            if passed == number:
                sys.setprofile(None)
                signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    hook, sys.unraisablehook = (
        sys.unraisablehook,
        lambda info: swallowed.append(f"{info.exc_value!r} in {info.object!r}"),
    )
    sys.setprofile(profile)
    try:
        call()
        return False, passed, swallowed
    except KeyboardInterrupt:
        return True, passed, swallowed
    finally:
        sys.setprofile(None)
        sys.unraisablehook = hook
        signal.signal(signal.SIGINT, before)
