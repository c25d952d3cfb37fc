"""Makes the report of check.sh out of what its stages left in a folder: one file of JSON and one of tables.

    python benchmarks/gpu/report.py FOLDER COMMAND [--emulated]

Only what was run is in it: a number that is missing stands as "not run". Peaks follow from the clocks that the driver
names and from what a multiprocessor of the architecture does in a cycle at most; see PEAKS.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("build", "test", "sanitize", "train", "measure")
# Operations a multiprocessor does in a cycle, a fused product and sum as two, dense, sums in float32.
# Source: CUDA C++ Programming Guide, "Arithmetic Instructions"; NVIDIA's papers on the architectures.
PEAKS = {
    "7.5": {"float32": 128},
    "8.0": {"float32": 128, "tf32": 1024, "bfloat16": 2048},
    "8.6": {"float32": 256, "tf32": 256, "bfloat16": 512},
    "8.9": {"float32": 256, "tf32": 512, "bfloat16": 1024},
    "9.0": {"float32": 256, "tf32": 2048, "bfloat16": 4096},
    "10.0": {"float32": 256, "tf32": 4096, "bfloat16": 8192},
    "12.0": {"float32": 256, "tf32": 512, "bfloat16": 1024},
}


def lines_of(file):
    """The complete lines of JSON in a file; a program that was stopped leaves half a line."""
    found = []
    for line in file.read_text().splitlines() if file.exists() else []:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return found


def read(folder):
    steps = []
    for stage in STAGES:
        file = folder / f"{stage}.tsv"
        rows = file.read_text().splitlines() if file.exists() else [f"{stage}\tall of it\tnot run: not asked for\t0"]
        steps += [dict(zip(("stage", "what", "outcome", "seconds"), row.split("\t"), strict=True)) for row in rows]
    results = {name: lines_of(folder / f"{name}.jsonl") for name in ("kernels", "torch", "train", "step")}
    device = next((line for line in results["kernels"] if "device" in line), {})
    cases = [line for line in results["kernels"] if "kernel" in line]
    for case in cases:
        case |= shares_of_peak(case, device)
    return {"device": device, "steps": steps} | results | {"kernels": cases}


def shares_of_peak(case, device):
    """What part of the chip's peak a case reaches, of arithmetic and of memory; nothing where a clock is unknown."""
    seconds, shares = case["ms"] / 1e3, {}
    products = "tf32" if case["precision"] == "tf32x3" else case["precision"]
    each_cycle = PEAKS.get(device.get("capability"), {}).get(products, 0)
    arithmetic = each_cycle * device["multiprocessors"] * device["clock_khz"] * 1e3  # a second
    memory = 2e3 * device["memory_clock_khz"] * device["bus_bits"] / 8  # bytes a second: two transfers a clock
    if case["flop"] and arithmetic:
        shares["arithmetic"] = case["flop"] / seconds / arithmetic
    elif not case["flop"] and memory:
        shares["memory"] = case["bytes"] / seconds / memory
    return {"shares": shares}


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def commit():
    named = os.environ.get("HOTLOOP_COMMIT") or output_of("git", "rev-parse", "--short", "HEAD") or "unknown"
    changed = output_of("git", "status", "--porcelain", "--untracked-files=no")
    return named + (" with changes" if changed else "")


def table(head, rows):
    widths = [max(len(str(row[i])) for row in [head, *rows]) for i in range(len(head))]
    lines = [zip(row, widths, strict=True) for row in [head, *rows]]
    text = [" | ".join(str(cell).ljust(width) for cell, width in line) for line in lines]
    text.insert(1, " | ".join("-" * width for width in widths))
    return "\n".join(f"| {line} |" for line in text) + "\n"


def rate(case):
    """TFLOP/s where there is arithmetic to speak of, else GB/s."""
    if case["flop"]:
        return f"{case['flop'] / case['ms'] / 1e9:.1f} TFLOP/s"
    return f"{case['bytes'] / case['ms'] / 1e6:.0f} GB/s"


def peers_of(case, torch):
    """Pairs of a peer's name and its ms, or its error, for a case."""
    if "peer" in case:
        yield case["peer"], case["peer_ms"]
    for line in torch:
        if all(line.get(key) == case[key] for key in ("kernel", "size", "precision")):
            yield line["peer"], line.get("ms", line.get("error"))


def kernel_rows(report):
    for case in report["kernels"]:
        share = ", ".join(f"{100 * value:.0f} % of {name}" for name, value in case["shares"].items())
        peers = [
            f"{name} {ms:.4g} ms ({ms / case['ms']:.2f}x)" if isinstance(ms, float) else f"{name}: {ms}"
            for name, ms in peers_of(case, report["torch"])
        ]
        size = " x ".join(map(str, case["size"]))
        yield case["kernel"], size, case["precision"], f"{case['ms']:.4g}", rate(case), share, "; ".join(peers)


def step_rows(report):
    own = {line["batch_size"]: line.get("ms") for line in report["step"] if line["step"] == "hotloop fit"}
    for line in report["step"]:
        if "error" in line:
            yield line["step"], line["batch_size"], line["error"], ""
        else:
            ours = own.get(line["batch_size"])
            ratio = f"{line['ms'] / ours:.2f}" if ours else ""
            yield line["step"], line["batch_size"], f"{line['ms']:.4g}", ratio


def markdown(report):
    device = report["device"]
    text = [f"# {report['gpu']}\n", f"```\ncommit: {report['commit']}\ncommand: {report['command']}"]
    text += [f"{key}: {device[key]}" for key in ("capability", "multiprocessors", "driver", "runtime") if key in device]
    text += ["```\n", "## What ran\n"]
    steps = [(step["stage"], step["what"], step["outcome"], step["seconds"]) for step in report["steps"]]
    text += [table(("stage", "what", "outcome", "s"), steps), "## MNIST\n"]
    checks = [
        (line["check"], f"{line['value']:.4g}", line["limit"], "ok" if line["ok"] else "missed")
        for line in report["train"]
    ]
    text += [table(("check", "value", "limit", ""), checks) if checks else "not run\n", "## A training step\n"]
    steps = list(step_rows(report))
    text += [table(("row", "batch", "ms a step", "to hotloop's"), steps) if steps else "not run\n", "## Kernels\n"]
    kernels = list(kernel_rows(report))
    head = ("kernel", "size", "precision", "ms", "rate", "of peak", "peers: time (to hotloop's)")
    text += [table(head, kernels) if kernels else "not run\n"]
    return "\n".join(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("command")
    parser.add_argument("--emulated", action="store_true", help="no GPU: the report stays in the folder")
    options = parser.parse_args()
    report = read(options.folder)
    gpu = report["device"].get("device") or output_of("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    gpu = "no GPU: times of the emulation say nothing" if options.emulated else (gpu or "unknown GPU").splitlines()[0]
    report = {"gpu": gpu, "commit": commit(), "command": options.command} | report
    target = options.folder if options.emulated else ROOT / "benchmarks" / "results"
    stem = "report" if options.emulated else re.sub(r"[^a-z0-9]+", "-", gpu.lower()).strip("-")
    target.mkdir(exist_ok=True)
    (target / f"{stem}.json").write_text(json.dumps(report, indent=1) + "\n")
    (target / f"{stem}.md").write_text(markdown(report))
    print(f"{target / stem}.md and .json")
    failed = [step["what"] for step in report["steps"] if step["outcome"].startswith("failed")]
    if failed:
        print(f"failed: {', '.join(failed)}")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
