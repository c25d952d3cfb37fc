"""The table that model.summary() prints."""

from hotloop.layers.tree import direct_layers, named_weights


def format_summary(model):
    """Keras' table: layers, output shapes, numbers of parameters, totals."""
    rows = [("Layer (type)", "Output Shape", "Param #")]
    for layer in direct_layers(model):
        rows.append((f"{layer.name} ({type(layer).__name__})", _output_shape(layer), f"{layer.count_params():,}"))
    widths = [max(len(row[column]) for row in rows) + 2 for column in range(3)]
    lines = [f'Model: "{model.name}"', _rule("┏", "┳", "┓", "━", widths), _row(rows[0], widths, "┃")]
    lines.append(_rule("┡", "╇", "┩", "━", widths))
    for i, row in enumerate(rows[1:]):
        if i:
            lines.append(_rule("├", "┼", "┤", "─", widths))
        lines.append(_row(row, widths, "│"))
    lines.append(_rule("└", "┴", "┘", "─", widths))
    weights = [weight for _, weight in named_weights(model)]
    lines.append(_total("Total params", weights))
    lines.append(_total("Trainable params", [weight for weight in weights if weight.requires_grad]))
    lines.append(_total("Non-trainable params", [weight for weight in weights if not weight.requires_grad]))
    return "\n".join(lines)


def _output_shape(layer):
    if not layer.built or layer._built_shape is None:
        return "?"
    return str(tuple(layer.compute_output_shape(layer._built_shape)))


def _rule(left, middle, right, line, widths):
    return left + middle.join(line * width for width in widths) + right


def _row(cells, widths, bar):
    padded = [f" {cell:<{width - 1}}" for cell, width in zip(cells[:2], widths[:2], strict=True)]
    return bar + bar.join([*padded, f"{cells[2]:>{widths[2] - 1}} "]) + bar


def _total(title, weights):
    size = float(sum(weight.data.nbytes for weight in weights))
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024 or unit == "GB":
            break
        size /= 1024
    return f" {title}: {sum(weight.size for weight in weights):,} ({size:.2f} {unit})"
