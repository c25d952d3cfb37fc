"""Looks names up, and says what there is when one is unknown."""

import difflib


def choose(where, what, name, table):
    """table[name]; an unknown name raises ValueError with the nearest match and the choices.

    Args:
        where: the op or function, for the error.
        what: what the name stands for, e.g. "activation".
        name: str.
        table: dict from names.
    """
    try:
        return table[name]
    except (KeyError, TypeError):
        pass
    near = difflib.get_close_matches(str(name), [str(key) for key in table], 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    choices = ", ".join(repr(key) for key in table)
    raise ValueError(f"[{where}] unknown {what} {name!r}{hint} (choices: {choices})") from None


def resolve(where, what, identifier, base, table, of_function, arguments="(y_true, y_pred)"):
    """The object that a name, an object or subclass of `base`, or a function stands for.

    Args:
        where, what: as in choose.
        identifier: one of these.
        base: class.
        table: dict from names to subclasses of base.
        of_function: makes an object of a function.
        arguments: what such a function takes, for the error.

    Raises:
        ValueError: the name is unknown.
        TypeError: identifier is none of these.
    """
    if isinstance(identifier, base):
        return identifier
    if isinstance(identifier, str):
        return choose(where, what, identifier, table)()
    if isinstance(identifier, type) and issubclass(identifier, base):
        return identifier()
    if callable(identifier):
        return of_function(identifier)
    raise TypeError(f"[{where}] {what} must be a name, a {base.__name__} or a function {arguments}: got {identifier!r}")
