"""What all optimizers share: their parameters in flat buffers, the learning rate, saving and loading."""

from numbers import Real

import numpy as np

from hotloop import _core, checks
from hotloop.autograd import Tensor
from hotloop.optim import schedules
from hotloop.optim.checks import as_tensors
from hotloop.optim.flat import group


class Optimizer:
    """Base of the optimizers; see the subclasses for their arithmetic.

    The first `step()` moves the parameters into one flat buffer, their gradients into another, and each Tensor's data
    and grad become views there, so that a step is one kernel call. A parameter whose grad is None is skipped and keeps
    its own count of updates, as in PyTorch.

    A subclass says which arrays it keeps (`_state_fill`), what the kernels take its options as (`_make_spec`), and
    which kernel updates a run of parameters (`_call`).

    Ctrl-C at any moment finds a step made, in all that it changes, or not begun.

    Args:
        params: one Tensor, several, or None: `bind` gives them later. A number or a schedule in this place is the lr.
        lr: number, or a function of the number of steps made, such as those of optim.schedules.
        learning_rate: another name of lr.
        default_lr: the lr that stands for none given.
        options: the optimizer's own arguments, by name.

    Raises:
        ValueError: lr or an option is out of its range, or a parameter comes twice.
        TypeError: params are not Tensors, or lr is given twice.
    """

    def __init__(self, params, lr, learning_rate, default_lr, options):
        if isinstance(params, Real) or _is_schedule(params):
            given, params = [params], None
        else:
            given = []
        given += [
            rate
            for rate in (learning_rate, None if isinstance(lr, Real) and lr == default_lr else lr)
            if rate is not None
        ]
        if len(given) > 1:
            raise TypeError(f"[{self.name}] the learning rate is given twice: {given[0]!r} and {given[1]!r}")
        self._start(given[0] if given else lr, options)
        if params is not None:
            self.bind(params)

    def _start(self, lr, options):
        self._options = _as_options(options)
        self._spec = self._make_spec(**self._options)
        self._step_state = _core.step_state()
        self._count = 0  # steps made
        self._tensors = []
        self._groups = None
        self._missed = None  # by parameter: steps it was skipped; None where no parameter ever was
        self.lr = lr

    # -- for subclasses -----------------------------------------------------------------------------------------------

    def _make_spec(self, **options):
        raise NotImplementedError

    def _state_fill(self, options):
        """{name of a state array: value it starts at}, in the order in which _call takes them."""
        raise NotImplementedError

    def _call(self, step, gradient, weight, *state):
        """(kernel, *arguments) that updates a run of parameters; `step` is a StepState that `_tell` was given."""
        raise NotImplementedError

    def _tell(self, step, lr, number):
        """Sets what changes from step to step: the lr and the number of the update."""
        step.lr, step.step = lr, number

    # -- parameters ---------------------------------------------------------------------------------------------------

    @property
    def name(self):
        """The class' name, as errors and files have it."""
        return type(self).__name__

    @property
    def options(self):
        """The optimizer's own arguments, by name."""
        return dict(self._options)

    @property
    def parameters(self):
        """The Tensors bound, in order."""
        return list(self._tensors)

    def bind(self, params):
        """Takes the parameters to update: those bound before keep their state, others start afresh.

        Args:
            params: one Tensor, or several.

        Raises:
            TypeError: something else than Tensors.
            ValueError: none at all, one twice, or the result of an op.
        """
        tensors = as_tensors(self.name, params)
        if list(map(id, tensors)) == list(map(id, self._tensors)):
            return
        kept, missed = {}, self._missed
        if self._groups is not None:
            counts = {id(tensor): self._updates_of(number) for number, tensor in enumerate(self._tensors)}
            states = {id(tensor): state for tensor, state in zip(self._tensors, self._states(), strict=True)}
            kept = {number: states[id(t)] for number, t in enumerate(tensors) if id(t) in states}
            missed = [self._count - counts.get(id(tensor), 0) for tensor in tensors]
        elif self._count:
            missed = [self._count] * len(tensors)
        missed = missed if missed is not None and any(missed) else None
        groups = self._grouped(tensors, self._options, kept) if kept else None
        self._tensors, self._missed, self._groups = tensors, missed, groups

    def zero_grad(self):
        """Forgets the gradients."""
        for tensor in self._tensors:
            tensor._grad = None

    def _updates_of(self, number):
        return self._count - (0 if self._missed is None else self._missed[number])

    # -- the learning rate --------------------------------------------------------------------------------------------

    @property
    def lr(self):
        """The learning rate of the next step; may be set to a number or a schedule."""
        return self._checked_lr(self._lr(self._count)) if callable(self._lr) else self._lr

    @lr.setter
    def lr(self, value):
        self._lr = self._checked_rate(value, self._count)

    learning_rate = lr

    def _checked_lr(self, value):
        return checks.number(self.name, "lr", value, "[0, inf)")

    def _checked_rate(self, value, count):
        """A number or schedule as the lr, checked for the step behind the count-th."""
        if not _is_schedule(value):
            return self._checked_lr(value)
        self._checked_lr(value(count))
        return value

    # -- a step -------------------------------------------------------------------------------------------------------

    @property
    def step_count(self):
        """Steps made so far."""
        return self._count

    def step(self):
        """Updates the parameters in place from their gradients.

        Raises:
            RuntimeError: no parameters were bound.
            ValueError: a schedule gave a rate that is no finite number >= 0.
        """
        lr, number, step = self.lr, self._count + 1, self._step_state
        if self._groups is None:
            self._regroup(None)
        if not self.is_whole():
            return self._step_by_runs(lr, number)
        self._tell(step, lr, number)
        calls = [self._call(step, *arrays) for part in self._groups for arrays in part.whole]
        return _core.make_step(self, calls, self._tensors, {"_count": number})

    @property
    def step_state(self):
        """What `step` tells its kernels: the learning rate, the number of the update."""
        return self._step_state

    def replay(self, *calls):
        """Makes a step that was recorded, by (function, *arguments) that find its rate and number in step_state."""
        number = self._count + 1
        self._tell(self._step_state, self.lr, number)
        _core.make_step(self, calls, self._tensors, {"_count": number})

    def rewind(self, count):
        """Forgets the steps after the count-th, whose kernels never ran."""
        self._count = count

    def is_whole(self):
        """True where every parameter lies where it was packed and always had its gradient there: a step is one call."""
        if self._missed is not None or self._groups is None:
            return False
        for part in self._groups:
            for member in part.members:
                tensor = member.tensor
                if tensor._grad is not member.slot or tensor._data is not member.data:
                    return False
        return True

    def _step_by_runs(self, lr, number):
        """The step where some parameters have no gradient or moved, or their counts of updates differ."""
        if not all([member.stays() for part in self._groups for member in part.members]):
            self._regroup(dict(enumerate(self._states())))
        missed = [0] * len(self._tensors) if self._missed is None else list(self._missed)
        calls, stepped = [], []
        for part in self._groups:
            by_count = {}
            for member in part.members:
                tensor = member.tensor
                if tensor._grad is None:
                    missed[member.number] += 1
                    continue
                if tensor._grad is not member.slot:
                    member.slot[...] = tensor._grad
                    tensor._grad = member.slot
                by_count.setdefault(number - missed[member.number], []).append(member)
                stepped.append(tensor)
            for count, members in by_count.items():
                step = _core.step_state()
                self._tell(step, lr, count)
                calls += [self._call(step, *arrays) for arrays in part.runs(members)]
        _core.make_step(self, calls, stepped, {"_count": number, "_missed": missed if any(missed) else None})

    def _regroup(self, states):
        if not self._tensors:
            raise RuntimeError(f"[{self.name}] no parameters: pass them, or call bind(params)")
        self._groups = self._grouped(self._tensors, self._options, states or {})

    def _grouped(self, tensors, options, states):
        """Groups of the Tensors, with the states {number: {name: array}} of those that have one."""
        groups = group(tensors, self._state_fill(options))
        for number, views in enumerate(_states_in(groups, len(tensors))):
            for name, array in states.get(number, {}).items():
                views[name][...] = array
        return groups

    def _states(self):
        """By parameter: {name: its part of the state array}, views."""
        return _states_in(self._groups, len(self._tensors))

    # -- saving -------------------------------------------------------------------------------------------------------

    def config(self):
        """{"name": ..., "lr": ..., option: value, ...}, for JSON; optim.from_config makes the optimizer again.

        Raises:
            TypeError: lr is a plain function.
        """
        lr = self._lr
        if callable(lr):
            if not isinstance(lr, schedules.Schedule):
                raise TypeError(f"[{self.name}] lr is a plain function and can't be saved: use one of optim.schedules")
            lr = lr.config()
        return {"name": self.name, "lr": lr} | self._options

    def state_dict(self):
        """Everything a later load_state_dict needs to go on as if never interrupted.

        Returns:
            {"name", "lr", "options", "step", "updates": per parameter, "arrays": {"<number>.<name>": copy}}: all but
            the arrays fit into JSON. A plain function as lr is not saved; lr is then None.
        """
        try:
            lr = self.config()["lr"]
        except TypeError:
            lr = None
        arrays = {}
        if self._groups is not None:
            for number, views in enumerate(self._states()):
                arrays |= {f"{number}.{name}": np.array(view) for name, view in views.items()}
        return {
            "name": self.name,
            "lr": lr,
            "options": self.options,
            "step": self._count,
            "updates": [self._updates_of(number) for number in range(len(self._tensors))],
            "arrays": arrays,
        }

    def load_state_dict(self, state):
        """Goes on from a state_dict: the parameters bound must be those it was taken with, in the same order.

        Raises:
            ValueError: it belongs to another optimizer, or to other parameters.
        """
        missing = {"name", "lr", "options", "step", "updates", "arrays"} - set(state if isinstance(state, dict) else ())
        if missing:
            raise ValueError(f"[{self.name}] not a state_dict(): {', '.join(sorted(missing))} missing")
        if state["name"] != self.name:
            raise ValueError(f"[{self.name}] the state belongs to {state['name']}")
        if len(state["updates"]) != len(self._tensors):
            raise ValueError(
                f"[{self.name}] the state is of {len(state['updates'])} parameters, {len(self._tensors)} are bound"
            )
        options = _as_options(state["options"])
        spec = self._make_spec(**options)
        states = self._states_from(state["arrays"], self._state_fill(options))
        count, lr = int(state["step"]), state["lr"]
        missed = [count - int(updates) for updates in state["updates"]]
        missed = missed if any(missed) else None
        if lr is None:
            lr = self._lr
        else:
            lr = self._checked_rate(schedules.from_config(lr) if isinstance(lr, dict) else lr, count)
        groups = self._grouped(self._tensors, options, states) if states else None
        self._options, self._spec, self._count, self._missed = options, spec, count, missed
        self._lr, self._groups = lr, groups

    def _states_from(self, arrays, names):
        """{"<number>.<name>": array} as {number: {name: array}}, checked against the parameters and the names."""
        states = {}
        for key, array in arrays.items():
            number, _, name = key.partition(".")
            known = number.isdecimal() and int(number) < len(self._tensors) and name in names
            if not known:
                raise ValueError(f"[{self.name}] unknown state {key}")
            tensor = self._tensors[int(number)]
            if np.shape(array) != tensor.shape:
                raise ValueError(f"[{self.name}] state {key} has shape {np.shape(array)}, its parameter {tensor.shape}")
            states.setdefault(int(number), {})[name] = array
        missing = [f"{n}.{name}" for n in range(len(self._tensors)) for name in names if name not in states.get(n, {})]
        if states and missing:
            raise ValueError(f"[{self.name}] the state lacks {', '.join(missing)}")
        return states

    def __getstate__(self):
        return {"lr": self._lr, "tensors": self._tensors, "state": self.state_dict()}

    def __setstate__(self, saved):
        self._start(saved["lr"], saved["state"]["options"])
        self._tensors = saved["tensors"]
        self.load_state_dict(saved["state"])

    def __repr__(self):
        options = {"lr": self._lr} | self._options
        return f"{self.name}({', '.join(f'{key}={value!r}' for key, value in options.items())})"


def _as_options(options):
    """Options as given or as JSON has them, where a pair came back as a list."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}


def _states_in(groups, count):
    """By parameter: {name: its part of the state array}, views."""
    states = [None] * count
    for part in groups:
        for member in part.members:
            states[member.number] = {
                name: array[member.begin : member.end].reshape(member.data.shape) for name, array in part.state.items()
            }
    return states


def _is_schedule(value):
    return callable(value) and not isinstance(value, Tensor) and not hasattr(value, "parameters")
