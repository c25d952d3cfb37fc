"""Finds the weights and layers an object holds as attributes, in lists, tuples and dicts too."""

from hotloop.autograd import Tensor


def is_weight(tensor):
    """True for a Tensor that no op made and that is, or was before a freeze, trained."""
    return tensor.is_leaf and (tensor.requires_grad or tensor.name is not None)


def find(path, value, wanted):
    """(path, object) of every Tensor and every instance of `wanted` in value."""
    if isinstance(value, wanted) or (isinstance(value, Tensor) and is_weight(value)):
        yield path, value
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from find(f"{path}.{i}", item, wanted)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from find(f"{path}.{key}", item, wanted)


def named_weights(layer):
    """(path, Tensor) of all weights of a layer and the layers in it, each Tensor once, in order of the attributes."""
    seen = set()

    def walk(owner, prefix):
        seen.add(id(owner))
        for path, item in owner.named_children():
            if id(item) in seen:
                continue
            if isinstance(item, Tensor):
                seen.add(id(item))
                yield prefix + path, item
            else:
                yield from walk(item, f"{prefix}{path}.")

    return list(walk(layer, ""))


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
