"""The command line: what it prints and writes, not how fast anything is."""

import builtins
import json

import numpy as np
import pytest

import hotloop as hl
from hotloop import __main__ as command_line
from hotloop.bench import cases, command, measure, plot, report
from hotloop.bench.case import Case, Pair


@pytest.fixture
def few_cases(monkeypatch):
    """Two rows, and hardly any time for each."""
    chosen = [case for case in cases.all_cases() if str(case) in ("relu 1,000", "matmul 32x32 32x32")]
    monkeypatch.setattr(cases, "all_cases", lambda: chosen)
    monkeypatch.setattr(command, "SECONDS", 0.0)
    monkeypatch.setattr(measure.Peaks, "of", lambda self, case: 1e9)
    return chosen


def test_without_a_command_it_shows_the_configuration(capsys):
    assert command_line.main([]) == 0
    printed = capsys.readouterr().out
    hl.show_config()
    assert printed.splitlines()[0] == capsys.readouterr().out.splitlines()[0]


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        command_line.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"hotloop {hl.__version__}\n"


def test_bench_prints_a_table(few_cases, capsys):
    assert command_line.main(["bench"]) == 0
    printed = capsys.readouterr().out
    assert "command" in printed and "python -m hotloop bench\n" in printed
    table = [line for line in printed.splitlines() if line.startswith("|")]
    assert len(table) == 4
    assert len({len(line) for line in table}) == 1
    assert [text.strip() for text in table[0].strip("|").split("|")] == list(report.COLUMNS)
    assert "2 rows" in printed


def test_bench_writes_json_and_a_chart(few_cases, tmp_path):
    files = tmp_path / "rows.json", tmp_path / "chart.png"
    assert command_line.main(["bench", "--ops", "relu", "--json", str(files[0]), "--plot", str(files[1])]) == 0
    written = json.loads(files[0].read_text())
    assert f"--ops relu --json {files[0]}" in written["machine"]["command"]
    (row,) = written["rows"]
    assert (row["family"], row["op"], row["shape"], row["elements"]) == ("activation", "relu", "1,000", 1000)
    assert row["unit"] == "GB/s"
    for key in ("ms", "rate", "peak_percent", "numpy_ms", "ratio"):
        assert row[key] > 0
    assert files[1].read_bytes().startswith(b"\x89PNG")


def test_a_losing_row_says_so():
    row = {"op": "f", "shape": "1", "ms": 2.0, "rate": 1.0, "unit": "GB/s", "peak_percent": 1, "numpy_ms": 1.0}
    assert report.cells(row | {"ratio": 0.5})[-1] == "0.50 slower"
    assert report.cells(row | {"ratio": 2.0})[-1] == "2.00"


@pytest.mark.parametrize("rows", [1, 61, 200])
def test_a_chart_of_any_number_of_rows(tmp_path, rows):
    made = [
        {"family": f"family {i // 20}", "op": f"op {i}", "shape": "1,000", "ratio": 10 ** (i % 7 / 2 - 1)}
        for i in range(rows)
    ]
    plot.draw(tmp_path / "chart.svg", made, report.heading("python -m hotloop bench"))
    drawn = (tmp_path / "chart.svg").read_text()
    assert drawn.count("<!-- op ") == rows


def test_a_chart_without_matplotlib_names_the_extra(monkeypatch, tmp_path):
    importing = builtins.__import__

    def refuse(name, *arguments, **options):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return importing(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r"^\[bench\] --plot needs matplotlib: pip install 'hotloop\[bench\]'$"):
        plot.draw(tmp_path / "chart.png", [], {})


@pytest.mark.parametrize(("pattern", "message"), [("(", "not a regular expression"), ("no such op", "no row matches")])
def test_bad_patterns(few_cases, capsys, pattern, message):
    assert command_line.main(["bench", "--ops", pattern]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [np.float32(1.01), np.float32(np.nan), np.ones(2, np.float32)])
def test_a_wrong_result_is_not_timed(few_cases, monkeypatch, capsys, wrong):
    case = Case("family", "op", "1", 1, 4.0, "byte", lambda rng: Pair(lambda: wrong, lambda: np.float32(1)))
    monkeypatch.setattr(cases, "all_cases", lambda: [case])
    assert command_line.main(["bench"]) == 1
    assert "wrong result" in capsys.readouterr().err


def test_small_rows_are_right():
    for case in cases.all_cases():
        if case.elements <= 2000:
            measure.verify(case, case.build(np.random.default_rng(1)))


def test_rows_are_named_apart():
    names = [f"{case.family} {case}" for case in cases.all_cases()]
    assert len(set(names)) == len(names)
