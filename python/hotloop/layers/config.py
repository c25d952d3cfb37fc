"""Constructor arguments as JSON: numbers, names, tuples, initialisers, layers; functions by their name.

Nothing that a file names is looked up anywhere but in hotloop's own tables and the `custom_objects` given.
"""

import numpy as np

from hotloop import initializers
from hotloop.names import choose


def to_json(value):
    """What JSON can hold of a config value; objects become {"class": name, "config": {...}}.

    Raises:
        TypeError: value has neither a config nor a name.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, dict):
        return {key: to_json(item) for key, item in value.items()}
    if hasattr(value, "get_config") and not isinstance(value, type):
        return {"class": class_name(type(value)), "config": to_json(value.get_config())}
    name = getattr(value, "__name__", None)
    if name is None or not name.isidentifier():
        raise TypeError(f"[get_config] can't be written as JSON: {value!r} is neither a value, a class nor a function")
    return {"function": name}


def class_name(cls):
    """What files call a class: its name, or `json_name` where the class itself, not a base, defines that."""
    return vars(cls).get("json_name", cls.__name__)


def from_json(value, custom_objects=None, classes=None):
    """The opposite of to_json; lists stay lists.

    Args:
        value: what to_json gave.
        custom_objects: dict of name to class or function, for what is not hotloop's own.
        classes: dict of hotloop's own classes that may occur; by default the initialisers.

    Raises:
        ValueError: a class or function is neither hotloop's nor in custom_objects.
    """
    custom_objects = custom_objects or {}
    if isinstance(value, list):
        return [from_json(item, custom_objects, classes) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"function"}:
        return choose("from_config", "function", value["function"], custom_objects)
    if value.keys() == {"class", "config"}:
        known = classes_by_name(initializers.BY_NAME.values()) if classes is None else classes
        cls = choose("from_config", "class", value["class"], known | custom_objects)
        return make(cls, value["config"], custom_objects)
    return {key: from_json(item, custom_objects, classes) for key, item in value.items()}


def make(cls, config, custom_objects=None):
    """An object of a class from its config."""
    if hasattr(cls, "from_config"):
        return cls.from_config(config, custom_objects) if takes_custom_objects(cls) else cls.from_config(config)
    return cls(**from_json(config, custom_objects))


def takes_custom_objects(cls):
    """Whether a from_config, which a user may have written as Keras has it, takes more than the config."""
    return cls.from_config.__func__.__code__.co_argcount > 2


def classes_by_name(classes):
    """Dict of the classes' names."""
    return {cls.__name__: cls for cls in classes}
