"""The chart: each row's speed relative to NumPy's, as horizontal bars on a logarithmic axis."""

FASTER, SLOWER, TEXT, GRID = "#2f6f9f", "#c4512d", "#333333", "#dddddd"
_ROW_INCHES = 0.19
_MOST_COLUMNS = 4
_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def require_matplotlib():
    """matplotlib's Figure, imported at first use; raises ImportError with the extra that brings it."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("[bench] --plot needs matplotlib: pip install 'hotloop[bench]'") from error
    return Figure


def draw(path, rows, facts):
    """Writes the chart to path, in the format its name ends with.

    Args:
        path: file name.
        rows: as measure.run_case gives them.
        facts: the heading, a dict from titles to text.

    Raises:
        ImportError: matplotlib is not installed.
    """
    Figure = require_matplotlib()
    columns = _columns(rows)
    ratios = [row["ratio"] for row in rows]
    limits = min(*ratios, 0.8) / 1.5, max(*ratios, 2.0) * 1.6
    height = max(sum(len(family) + 1.6 for family in column) for column in columns)
    figure = Figure(figsize=(6.5 * len(columns) + 0.5, _ROW_INCHES * height + 1.8), layout="constrained")
    for axes, column in zip(figure.subplots(1, len(columns), squeeze=False)[0], columns, strict=True):
        _draw_column(axes, column, height)
        _style(axes, limits)
    figure.suptitle("Speed relative to NumPy: 1 is NumPy, longer is faster", fontsize=13, x=0.01, ha="left")
    figure.supxlabel(_caption(facts), fontsize=8, color=TEXT, x=0.01, ha="left")
    figure.savefig(path, dpi=120)


def _columns(rows):
    """The rows as columns of whole families, in their order, the longest column as short as that allows."""
    by_name = {}
    for row in rows:
        by_name.setdefault(row["family"], []).append(row)
    families, count = list(by_name.values()), min(_MOST_COLUMNS, 1 + len(rows) // 60)
    limits = range(max(map(len, families)), len(rows) + 1)
    return next(columns for limit in limits if len(columns := _filled(families, limit)) <= count)


def _filled(families, limit):
    """The families one behind the other in columns of at most `limit` rows."""
    columns = [[]]
    for family in families:
        if columns[-1] and sum(map(len, columns[-1])) + len(family) > limit:
            columns.append([])
        columns[-1].append(family)
    return columns


def _draw_column(axes, families, height):
    labels, places, place = [], [], 0.0
    for family in families:
        name = family[0]["family"]
        axes.text(-0.01, place, name, transform=axes.get_yaxis_transform(), weight="bold", va="center", ha="right")
        for row in family:
            place += 1
            places.append(place)
            labels.append(f"{row['op']}  {row['shape']}")
            _draw_bar(axes, place, row["ratio"])
        place += 1.6
    axes.set_yticks(places, labels, fontsize=7)
    axes.set_ylim(height, -1)


def _draw_bar(axes, place, ratio):
    wins = ratio >= 1
    axes.barh(place, ratio - 1, left=1, height=0.72, color=FASTER if wins else SLOWER)
    axes.annotate(
        f"{ratio:.2f}" if ratio < 1.95 else f"{ratio:.1f}" if ratio < 9.95 else f"{ratio:.0f}",
        (ratio, place),
        xytext=(3 if wins else -3, 0),
        textcoords="offset points",
        ha="left" if wins else "right",
        va="center",
        fontsize=7,
        color=TEXT if wins else SLOWER,
    )


def _style(axes, limits):
    axes.set_xscale("log")
    axes.set_xlim(limits)
    axes.axvline(1, color=TEXT, linewidth=1)
    ticks = [tick for tick in _TICKS if limits[0] <= tick <= limits[1]]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], fontsize=8)
    axes.minorticks_off()
    axes.xaxis.tick_top()
    axes.grid(axis="x", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    for side in ("top", "right", "bottom", "left"):
        axes.spines[side].set_visible(False)


def _caption(facts):
    keys = ("hotloop", "CPU", "ISA tiers", "threads", "NumPy's BLAS", "command")
    return "\n".join(f"{key}: {facts[key]}" for key in keys)
