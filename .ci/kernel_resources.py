"""What each CUDA kernel takes, from a log of nvcc with -Xptxas=-v; fails where a kernel spills or keeps a stack.

python kernel_resources.py LOG: a line for all variants of a kernel, with the largest number of each column. Shared
memory is what is declared; the launch asks for the rest.
"""

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ENTRY = re.compile(
    r"Compiling entry function '(?P<symbol>\S+)' for '(?P<arch>\S+)'.*?"
    r"(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, (?P<loads>\d+) bytes spill loads.*?"
    r"Used (?P<registers>\d+) registers(?P<rest>[^\n]*)",
    re.DOTALL,
)
UNNAMED = re.compile(r"_GLOBAL__N__[0-9a-f]+_\d+_(\w+?)_cu_")
COLUMNS = ("registers", "shared", "stack", "spills")


def kernels(log: str) -> list[dict]:
    """One entry for each kernel and architecture: its names and the numbers of COLUMNS."""
    found = [m.groupdict() for m in ENTRY.finditer(log)]
    symbols = "\n".join(k["symbol"] for k in found)
    names = subprocess.run(["c++filt"], input=symbols, text=True, capture_output=True, check=True).stdout.splitlines()
    for kernel, name in zip(found, names, strict=True):
        name = re.sub(r"^void |hotloop::|cuda::|\(anonymous namespace\)::", "", name)
        file = UNNAMED.search(kernel["symbol"])
        kernel["variant"] = re.sub(r"\(.*", "", re.sub(r"\((int|bool|unsigned int|long)\)", "", name))
        kernel["name"] = (f"{file[1]}: " if file else "") + re.split(r"[<(]", name)[0]
        shared = re.search(r"(\d+) bytes smem", kernel["rest"])
        kernel["shared"] = int(shared[1]) if shared else 0
        kernel["spills"] = int(kernel["stores"]) + int(kernel["loads"])
        kernel["registers"], kernel["stack"] = int(kernel["registers"]), int(kernel["stack"])
    return found


def main() -> int:
    found = kernels(Path(sys.argv[1]).read_text())
    if not found:
        print("the log names no kernel")
        return 1
    groups = defaultdict(list)
    for kernel in found:
        groups[kernel["arch"], kernel["name"]].append(kernel)
    print(f"{'':8}{'kernel':40}{'variants':>9}" + "".join(f"{column:>11}" for column in COLUMNS))
    for (arch, name), variants in sorted(groups.items()):
        most = "".join(f"{max(v[column] for v in variants):>11}" for column in COLUMNS)
        print(f"{arch:8}{name:40}{len(variants):>9}{most}")
    bad = [k for k in found if k["spills"] or k["stack"]]
    for kernel in bad:
        print(f"{kernel['arch']} {kernel['variant']}: {kernel['stack']} bytes of stack, {kernel['spills']} of spills")
    print(f"{len(found)} kernels, {len(bad)} with a stack or spills")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
