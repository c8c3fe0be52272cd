"""A net in the words of the papers: its layers in order, what stands between two of them, and what goes around them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor

from paper_nets.lab.graph import CONSTANT, IMAGE, Op, both, one
from paper_nets.nets.cost import FLOAT, INDEX, Cost
from paper_nets.nets.densenet import compressed


class Step(NamedTuple):
    """What stands between two layers.

    Args:
        name: in words, as "batch norm", "ReLU", "2×2 max pool", "addition"; or "shortcut", where one begins.
        op: the operation; None where a shortcut begins, and of a concatenation.
        around: the operations on the shortcut that ends in an addition, or from which a factor comes.
        reads: what a join reads, where it isn't F and the shortcut.
        channels: as many as F reads of a concatenation where it reads some; else 0.
    """

    name: str
    op: Op | None = None
    around: tuple[Op, ...] = ()
    reads: str = ""
    channels: int = 0


class Key(NamedTuple):
    """Where a layer stands: its part of the net ("stem", "stage", "transition", "head", "output"), the stage, block
    and convolution, counted from 1; 0 where there is none."""

    part: str
    stage: int = 0
    block: int = 0
    number: int = 0

    def __str__(self) -> str:
        return f"transition {self.stage}" if self.part == "transition" else f"the {self.part}"


@dataclass(frozen=True)
class Layer:
    """A convolution or linear layer on the main path, or the net's output, and the steps before it."""

    key: Key
    op: Op
    before: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Outline:
    """The layers of a net's main path in order; the last is its output."""

    layers: tuple[Layer, ...]

    def cost(self, image: tuple[int, int, int]) -> Cost:
        """Parameters, multiply–adds and memory for images (C, H, W), counted along the main path.

        In-going channels follow from what went before, whatever the settings say: so an outline with one thing changed
        costs what that change costs.
        """
        main = _Walk(image, dict.fromkeys(("parameters", "multiply_adds", "activation_bytes"), 0))
        forks = []
        for layer in self.layers:
            for step in layer.before:
                if step.name == SHORTCUT:
                    forks.append((main.shape, main.kept))
                    main.shape = (step.channels or main.shape[0], *main.shape[1:])
                elif step.name in JOINS.values() and forks:
                    shape, kept = forks.pop()
                    # F's first convolution has kept what it is added to.
                    around = _Walk(shape, main.sums, kept or step.name != "concatenation")
                    for op in step.around:
                        if op.kind == "conv":  # a projection to what it is added to
                            stride = one([-(-a // b) for a, b in zip(around.shape[1:], main.shape[1:], strict=True)])
                            op = replace(op, settings={**op.settings, "out": main.shape[0], "stride": stride})
                        around.pass_through(op)
                    if step.name == "concatenation":
                        main.shape = (around.shape[0] + main.shape[0], *main.shape[1:])
                    main.kept = False
                elif step.op is not None:
                    aside = _Walk(main.shape, main.sums, main.kept)
                    for op in (*step.around, step.op):
                        (main if op is step.op else aside).pass_through(op)
            main.pass_through(layer.op)
        return Cost(**main.sums)

    @property
    def joins(self) -> list[str]:
        """How each shortcut joins the main path, as "addition" or "concatenation"."""
        return [step.name for layer in self.layers for step in layer.before if step.name in JOINS.values()]

    @property
    def blocks(self) -> tuple[int, ...]:
        """The number of blocks in each stage."""
        found = {(layer.key.stage, layer.key.block) for layer in self.layers if layer.key.part == "stage"}
        return tuple(count for _, count in sorted(Counter(stage for stage, _ in found).items()))


JOINS = {"add": "addition", "concatenate": "concatenation", "product": "product", "maximum": "maximum"}
SHORTCUT, APART = "the shortcut branches off", "something from elsewhere"


def _sources(ops: Sequence[Op], number: int) -> tuple[int, ...]:
    """The operations whose outputs stand side by side in an output, concatenations in concatenations taken apart."""
    if number < 0 or ops[number].kind != "concatenate":
        return (number,)
    return tuple(source for one in ops[number].inputs for source in _sources(ops, one))


def _joins(op: Op) -> bool:
    return op.kind in JOINS and len(op.inputs) - op.inputs.count(CONSTANT) > 1


def _back(ops: Sequence[Op], number: int) -> list[int]:
    """From an operation back along its first inputs, as far as the next join, which comes last."""
    path = [number]
    while path[-1] >= 0 and not _joins(ops[path[-1]]):
        path.append(ops[path[-1]].inputs[0])
    return path


def channels_in_order(ops: Sequence[Op], op: Op) -> Tensor | None:
    """Where an operation that reads a concatenation finds its maps in the order in which they were made; None where
    they stand in this order."""
    number = op.inputs[0]
    while number >= 0 and ops[number].kind in ("norm", "act", "max pool", "average pool", "global pool"):
        number = ops[number].inputs[0]
    sources = _sources(ops, number)
    if list(sources) == sorted(sources):
        return None
    sizes = [ops[source].shape[1] for source in sources]
    places = dict(zip(sources, torch.arange(sum(sizes)).split(sizes), strict=True))
    return torch.cat([places[source] for source in sorted(sources)])


def _meeting(ops: Sequence[Op], ends: Sequence[int]) -> tuple:
    """Where two paths begin, and the operations on each; None where there are not two, or they do not meet."""
    one, other = (_back(ops, i) for i in ends) if len(ends) == 2 else ((), ())
    fork = next((i for i in one if i in other), None)
    return fork, *([ops[i] for i in reversed(path[: path.index(fork)])] for path in (one, other) if fork is not None)


def _addition(ops: Sequence[Op], number: int):
    """F, the addition, and where F and the shortcut begin; no F where they do not meet, and where to go on."""
    op = ops[number]
    fork, *paths = _meeting(ops, [i for i in op.inputs if i != CONSTANT])
    if fork is None:
        return ([], Step(JOINS[op.kind], op, reads=APART), None), op.inputs[0]
    around, F = sorted(paths, key=lambda path: (sum(op.kind == "conv" for op in path), len(path)))
    return (F, Step(JOINS[op.kind], op, tuple(around)), (fork,)), fork


def _concatenation(ops: Sequence[Op], sources: tuple[int, ...]):
    """F, its output the last of the sources, the concatenation, and the sources that it is put beside; no F where it
    reads none of them, and where to go on."""
    newest = max(sources)
    others = tuple(source for source in sources if source != newest)
    path = _back(ops, newest)
    for length, number in enumerate(path[1:], 1):
        read = _sources(ops, number)
        if set(read) <= set(others):
            some = "" if len(read) == len(others) else f"{'one' if len(read) == 1 else 'some'} of the earlier outputs"
            join = Step("concatenation", reads=some, channels=some and _shape(ops, read)[0])
            return ([ops[i] for i in reversed(path[:length])], join, others), others
    fork, *paths = _meeting(ops, (*others, newest))
    if fork is None:
        return ([], Step("concatenation", reads=APART), None), _sources(ops, path[-1])
    return (paths[1], Step("concatenation", around=tuple(paths[0])), (fork,)), (fork,)


def _factor(ops: Sequence[Op], op: Op) -> tuple[Op, ...]:
    """The operations from which a factor comes, as in squeeze and excitation."""
    if op.kind != "multiplication" or len(op.inputs) < 2:
        return ()
    path = _back(ops, op.inputs[1])
    return tuple(ops[i] for i in reversed(path[: path.index(op.inputs[0]) if op.inputs[0] in path else -1]))


def outline(ops: Sequence[Op]) -> Outline:
    """The outline of a net from the operations of its forward pass (`graph.record`)."""
    parts = []  # from the last to the first: steps and layers of the main path, in lists; with a join each block
    state = _sources(ops, len(ops) - 1)
    while state != (IMAGE,):
        op = ops[state[0]]
        if len(state) > 1:
            part, state = _concatenation(ops, state)
        elif _joins(op):
            part, before = _addition(ops, state[0])
            state = _sources(ops, before)
        else:
            part, state = ([op], None, None), _sources(ops, op.inputs[0])
        parts.append(part)
    return _numbered(list(reversed(parts)), ops)


def _shape(ops, sources) -> tuple[int, int, int]:
    """Channels, height and width of what sources make together."""
    shapes = [ops[i].shape for i in sources if i >= 0]
    return (sum(shape[1] for shape in shapes), *shapes[0][2:]) if shapes else (0, 0, 0)


def _numbered(parts: list, ops: Sequence[Op]) -> Outline:
    """Every layer with its key: a new stage begins where maps change their size, or their number within a stage."""
    blocks = [i for i, (F, join, _) in enumerate(parts) if join and F]
    layers, before = [], []
    stage, block, outside = 0, 0, Counter()  # layers outside of blocks, by their part
    changed = True  # whether a layer or a pool outside of blocks came since the last block
    for i, (path, join, fork) in enumerate(parts):
        if join and path:
            if join.op:
                shape, out = _shape(ops, fork), join.op.shape
                changed = stage == 0 or shape[1:] != tuple(out[2:]) or (shape[0] != out[1] and block > 0)
            stage, block = (stage + 1, 1) if changed else (stage, block + 1)
            changed, number = False, 0
            before.append(Step(SHORTCUT, reads=join.reads, channels=join.channels))
        for op in path:
            if op.kind not in ("conv", "linear"):
                before.append(Step(str(op), op, _factor(ops, op)))
                changed |= not join and "pool" in op.kind
                continue
            if join:
                number += 1
                key = Key("stage", stage, block, number)
            else:
                changed = True
                part = "stem" if not blocks or i < blocks[0] else "head" if i > blocks[-1] else "transition"
                outside[part] += 1
                if part == "transition":  # its outputs follow from its inputs
                    op = replace(op, settings={**op.settings, "theta": op.settings["out"] / op.settings["in"]})
                key = Key(part, outside[part]) if part == "transition" else Key(part, number=outside[part])
            layers.append(Layer(key, op, tuple(before)))
            before = []
        if join:
            before.append(join._replace(reads="" if path else join.reads))
    layers.append(Layer(Key("output"), Op("output", {}, (len(ops) - 1,), ops[-1].shape), tuple(before)))
    return Outline(tuple(layers if blocks else _without_shortcuts(layers)))


def _without_shortcuts(layers: Sequence[Layer]) -> Iterator[Layer]:
    """A plain net's layers, keyed: the first convolution is the stem, then two make a block (the paper's Figure 3)."""
    stage, number, heads, size = 0, 0, 0, None
    for i, layer in enumerate(layers):
        key = layer.key
        if layer.op.kind == "linear":
            heads += 1
            key = Key("head", number=heads)
        elif i and layer.op.kind != "output":
            if layer.op.shape[1:] != size:
                stage, number, size = stage + 1, 0, layer.op.shape[1:]
            number += 1
            key = Key("stage", stage, (number + 1) // 2, (number - 1) % 2 + 1)
        yield replace(layer, key=key)


@dataclass
class _Walk:
    """Counts along a path: the `shape` (C, H, W) of what is here, and the three `sums`, which all paths share."""

    shape: tuple[int, int, int]
    sums: dict[str, int]
    kept: bool = False  # whether what is here is in memory already, for the layer that reads it

    def pass_through(self, op: Op) -> None:
        channels, *size = self.shape
        values, settings = channels * size[0] * size[1], {"padding": 0, **op.settings}
        if "stride" in settings:
            windows = (both(settings.get(name, 1)) for name in ("kernel", "stride", "padding", "dilation"))
            for i, (kernel, stride, padding, dilation) in enumerate(zip(*windows, strict=True)):
                room = size[i] + sum(both(padding)) - dilation * (kernel - 1) - 1
                size[i] = (-(-room // stride) if settings.get("ceil_mode") else room // stride) + 1
        if op.kind == "pad":
            channels += settings["before"] + settings["after"]
        if op.kind == "linear" and settings["in"] == values:  # it reads every pixel
            channels, size = values, [1, 1]
        if op.kind in ("conv", "linear"):
            self.sums["activation_bytes"] += 0 if self.kept else FLOAT * values
            out = compressed(channels, settings["theta"]) if "theta" in settings else settings["out"]
            weights = prod(both(settings.get("kernel", 1))) * channels // settings.get("groups", 1) * out
            self.sums["parameters"] += weights + settings["bias"] * out
            self.sums["multiply_adds"] += weights * size[0] * size[1]
            channels = out
        elif op.kind in ("norm", "act", "average pool", "dropout"):
            self.sums["parameters"] += channels * len(settings.get("affine", ()))
            self.sums["activation_bytes"] += FLOAT * values
        elif op.kind == "max pool":
            self.sums["activation_bytes"] += INDEX * channels * size[0] * size[1]
        elif op.kind == "global pool" or "size" in settings:
            size = [*settings.get("size", (1, 1))]
        self.sums["parameters"] += settings.get("learned", 0)
        self.kept = op.kind == "act"
        self.shape = (channels, *size)
