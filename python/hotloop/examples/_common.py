"""What the examples share: arguments that are checked before any training, and figures without matplotlib at import."""

import argparse
from pathlib import Path

# Told apart by colour-blind readers too. Source: M. Okabe, K. Ito, "Color Universal Design", 2008.
BLUE, ORANGE, GREEN, RED, GREY = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#777777"


def positive(text):
    """argparse type: an integer of at least 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1: got {number}")
    return number


def picture(text):
    """argparse type: where a picture can be written."""
    path = Path(text).expanduser()
    if path.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise argparse.ArgumentTypeError(f"must end in .png, .pdf or .svg: got {text!r}")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"no such folder: {str(path.parent)!r}")
    return path


def new_figure(width, height, title):
    """A matplotlib Figure of that many inches, or None, said aloud, where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no picture: matplotlib is missing; pip install hotloop[examples]")
        return None
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
    figure.suptitle(title, fontsize=13, fontweight="bold")
    return figure


def clean(axes, title, x_label, y_label):
    """Title, labels, a light grid and no frame on the right and above."""
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid(alpha=0.3)
    axes.spines[["right", "top"]].set_visible(False)


def save(figure, path):
    """Writes the figure and says where."""
    figure.savefig(path, dpi=120)
    print(f"picture: {path}")
