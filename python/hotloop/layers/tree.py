"""Finds the weights and layers an object holds as attributes, in lists, tuples and dicts too."""

from hotloop.autograd import Tensor


def is_weight(tensor):
    """True for a Tensor that no op made and that is, or was before a freeze, trained."""
    return tensor.is_leaf and (tensor.requires_grad or tensor.name is not None)


_NONE, _TENSOR, _WANTED, _SEQUENCE, _MAPPING = range(5)


class Finder:
    """Finds Tensors and instances of a class. A walk looks at every attribute of a model, most of which are settings:
    what a type can hold is asked once.

    Args:
        wanted: the class.
    """

    def __init__(self, wanted):
        self._wanted = wanted
        self._kinds = {}

    def _kind(self, cls):
        pairs = (self._wanted, _WANTED), (Tensor, _TENSOR), ((list, tuple), _SEQUENCE), (dict, _MAPPING)
        kind = self._kinds[cls] = ([kind for base, kind in pairs if issubclass(cls, base)] or [_NONE])[0]
        return kind

    def among(self, items):
        """[(path, object)] of every weight and every instance in the values of (name, value) pairs."""
        found, kinds = [], self._kinds
        for name, value in items:
            cls = type(value)
            kind = kinds.get(cls)
            if kind is None:
                kind = self._kind(cls)
            if kind == _NONE:
                continue
            if kind == _WANTED or (kind == _TENSOR and is_weight(value)):
                found.append((name, value))
            elif kind in (_SEQUENCE, _MAPPING):
                inner = value.items() if kind == _MAPPING else enumerate(value)
                found += [(f"{name}.{path}", item) for path, item in self.among(inner)]
        return found


def named_weights(layer):
    """(path, Tensor) of all weights of a layer and the layers in it, each Tensor once, in order of the attributes."""
    seen, found = set(), []

    def walk(owner, prefix):
        seen.add(id(owner))
        for path, item in owner.named_children():
            if id(item) in seen:
                continue
            if isinstance(item, Tensor):
                seen.add(id(item))
                found.append((prefix + path, item))
            else:
                walk(item, f"{prefix}{path}.")

    walk(layer, "")
    return found


def direct_layers(layer):
    """The layers that a layer holds itself, each once."""
    return list({id(item): item for _, item in layer.named_children() if not isinstance(item, Tensor)}.values())


def all_layers(layer):
    """The layer and all layers in it, each once, outside first."""
    found, stack = {}, [layer]
    while stack:
        owner = stack.pop()
        if id(owner) not in found:
            found[id(owner)] = owner
            stack.extend(reversed(direct_layers(owner)))
    return list(found.values())
