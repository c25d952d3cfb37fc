"""load_model: reads what model.save wrote."""

from hotloop import checks, optim
from hotloop.compiled import Compiled
from hotloop.io import load_arrays
from hotloop.layers.config import from_json
from hotloop.layers.context import context
from hotloop.models import MODELS
from hotloop.serialization import MODEL_FORMAT, OPTIMIZER, WEIGHTS, load_named, under

__all__ = ["load_model"]


def load_model(path, custom_objects=None):
    """A model as it was saved: layers, weights, and if it was compiled, optimizer with its state, loss and metrics.

    A compiled model runs on what device="auto" finds, any other on the CPU; to() moves it.

    Args:
        path: the file.
        custom_objects: dict of name to class or function, for layers, losses and the like that are not hotloop's.

    Returns:
        Sequential, or the subclass that custom_objects names.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, holds no model, or names something unknown.
    """
    checks.path("load_model", "path", path)
    if custom_objects is not None and not isinstance(custom_objects, dict):
        raise TypeError(f"[load_model] custom_objects must be a dict, got {custom_objects!r}")
    arrays, metadata = load_arrays(path)
    if metadata.get("format") != MODEL_FORMAT:
        raise ValueError(f"[load_model] not a model: {path!r} has format {metadata.get('format')!r}")
    try:
        return _rebuilt(arrays, metadata, custom_objects)
    except MemoryError:
        raise
    except Exception as error:  # whatever a config that is none leads to
        raise ValueError(
            f"[load_model] {path!r} can't be made into a model: {type(error).__name__}: {error}"
        ) from error


def _rebuilt(arrays, metadata, custom_objects):
    from hotloop.nn.layers import NN_CLASSES  # here: most programs need no second set of layers

    custom_objects = NN_CLASSES | (custom_objects or {})
    weights = under(WEIGHTS, arrays)
    # What a config claims is not believed before the file bears it out.
    context.weights_left = sum(array.size for array in weights.values())
    try:
        model = from_json(metadata["model"], custom_objects, MODELS)
        if metadata["built"] is not None:
            model.build(tuple(metadata["built"]))
    finally:
        context.weights_left = None
    load_named("load_model", model, weights)
    if metadata["compiled"] is not None:
        model.to("auto")  # as compile() has it
        model._compiled = Compiled.from_config(metadata["compiled"], custom_objects)
        model.optimizer = optim.from_config(metadata["compiled"]["optimizer"])
        state = metadata["optimizer"] | {"arrays": under(OPTIMIZER, arrays)}
        if state["updates"]:
            model.optimizer.bind(model.parameters())
            model.optimizer.load_state_dict(state)
    return model
