"""The picture of hotloop.examples.regression."""

import numpy as np

from hotloop.examples._common import BLUE, GREEN, GREY, ORANGE, RED, clean, new_figure, save

COLOURS = (BLUE, ORANGE, GREEN, RED)
MARKERS = ("o", "s", "^", "D")


def draw(path, samples, exact, paths, penalised, coefficients):
    """Draws four panels.

    Args:
        path: file to write.
        samples: x (N,), y (N,).
        exact: slope and intercept by least squares.
        paths: {(plan, schedule): (epochs, 2) slopes and intercepts}.
        penalised: {penalty: (slope, intercept)}.
        coefficients: names, learned values and closed form of the diabetes data.
    """
    figure = new_figure(12, 9, "Regression by gradient descent")
    if figure is None:
        return
    (line, plans), (schedules, diabetes) = figure.subplots(2, 2)
    draw_line(line, samples, paths, penalised)
    draw_distance(
        plans,
        {plan: path for (plan, schedule), path in paths.items() if schedule == "fixed"},
        exact,
        "How samples are taken (fixed learning rate)",
    )
    plans.set_xscale("log")
    draw_distance(
        schedules,
        {schedule: path for (plan, schedule), path in paths.items() if plan == "single samples"},
        exact,
        "How the learning rate goes down (single samples)",
    )
    draw_coefficients(diabetes, *coefficients)
    save(figure, path)


def draw_line(axes, samples, paths, penalised):
    ends = np.array([-1.0, 1.0])
    axes.plot(*samples, ".", color=GREY, alpha=0.5, label="samples")
    lines = {"no penalty": paths["whole set", "fixed"][-1], **penalised}
    for (name, (slope, intercept)), colour, style in zip(lines.items(), COLOURS, ("-", "--", "-."), strict=False):
        axes.plot(
            ends,
            slope * ends + intercept,
            style,
            color=colour,
            linewidth=2,
            label=f"{name}: {slope:.2f} x + {intercept:.2f}",
        )
    clean(axes, "y = 4 x + 2 + noise, learned", "x", "y")
    axes.legend(frameon=False)


def draw_distance(axes, paths, exact, title):
    """How far slope and intercept are from least squares, epoch by epoch."""
    for (name, path), colour, marker in zip(paths.items(), COLOURS, MARKERS, strict=False):
        distance = np.linalg.norm(path - exact, axis=1)
        axes.semilogy(
            np.arange(1, len(path) + 1),
            distance,
            color=colour,
            marker=marker,
            markersize=4,
            markevery=0.05 if len(path) > 20 else 1,
            label=name,
        )
    axes.locator_params(axis="x", integer=True)
    clean(axes, title, "passes over the samples", "distance from least squares")
    axes.legend(frameon=False)


def draw_coefficients(axes, names, learned, exact):
    places = np.arange(len(names))
    axes.bar(places, exact, color=ORANGE, alpha=0.6, label="closed form")
    axes.plot(places, learned, "o", color=BLUE, label="learned")
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set_xticks(places, names, rotation=35, ha="right")
    clean(axes, "Diabetes: the linear model's coefficients", "", "points per standard deviation")
    axes.legend(frameon=False, loc="lower right")
