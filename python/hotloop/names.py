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
