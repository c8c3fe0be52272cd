"""Is this the paper's net? Any PyTorch net held against one of the catalog: what differs, where, and what it costs."""

import html
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from math import log
from statistics import fmean, mode

import torch
from torch import Tensor, nn

from paper_nets.lab.differences import Comparison, Difference, listed
from paper_nets.lab.graph import Recorder, record
from paper_nets.lab.outline import Outline, channels_in_order, outline
from paper_nets.language import say
from paper_nets.nets import NAMES, InputError, build, cost, plan
from paper_nets.nets.catalog import title
from paper_nets.nets.cost import Cost


@dataclass(frozen=True)
class Audit:
    """How a net compares with the paper's.

    Args:
        net: the catalog's name.
        differences: the first and deepest cause first; each has a `kind`, as "depth", its `place`, what was `found` and
            is `expected`, and its `cost`: the parameters, multiply_adds and activation_bytes that it alone adds.
        notes: what else a reader should know, as what could not be decided.
        theirs, papers: what both cost.
    """

    net: str
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    theirs: Cost
    papers: Cost

    @property
    def matches(self) -> bool:
        """Whether it is the paper's net; how its weights were drawn is told, but decides nothing."""
        return all(difference.kind == "initial weights" for difference in self.differences)

    def __str__(self) -> str:
        told = [f"{number}. {difference}." for number, difference in enumerate(self.differences, 1)]
        if self.matches:
            drawn = "Its weights were drawn otherwise: {0.found}; the paper has {0.expected}."
            told = [say(drawn.format(difference)) for difference in self.differences]
        return "\n".join([say(self._verdict()), *told, *map(say, self.notes)])

    __repr__ = __str__

    def _verdict(self) -> str:
        name, counts = title(self.net), [f"{cost.parameters:,}" for cost in (self.theirs, self.papers)]
        if self.matches and self.net in NAMES:
            return f"This is {name} of the paper, to the parameter: {counts[0]}."
        if self.matches:
            return f"This is {name} as the paper would build it, to the parameter: {counts[0]}."
        adds = [f"{cost.multiply_adds:,}" for cost in (self.theirs, self.papers)]
        return (
            f"This is not {name} of the paper: it has {counts[0]} parameters and {adds[0]} multiply–adds, "
            f"the paper's {counts[1]} and {adds[1]}."
        )

    def _repr_html_(self) -> str:
        names = map(say, ("where", "found", "the paper has", "parameters", "multiply–adds", "MB an image"))
        rows = [
            (one.place, one.found, one.expected)
            + (f"{one.cost.parameters:+,}", f"{one.cost.multiply_adds:+,}", f"{one.cost.activation_bytes / 1e6:+,.2f}")
            for one in self.differences
        ]
        left = 'style="text-align: left"'
        cells = ("".join(f"<td {left}>{html.escape(say(text))}</td>" for text in row) for row in rows)
        body = "".join(f"<tr>{row}</tr>" for row in cells)
        head = "".join(f'<th scope="col" {left}>{name}</th>' for name in names)
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if rows else ""
        said = [f"<p>{html.escape(say(text))}</p>" for text in (self._verdict(), *self.notes)]
        return said[0] + table + "".join(said[1:])


def audit(net: nn.Module, name: str | None = None, image: tuple[int, int, int] | None = None) -> Audit | list[Audit]:
    """Hold any net against one of the papers'.

    The net runs once on random images, in evaluation mode, and each operation is written down: so it does not matter
    in which style it was written. Where nothing differs, the paper's net is given its weights, and both must put out
    the same. Nothing of the net is changed.

    Args:
        net: any module from images (N, C, H, W) to logits. Its own channels and classes are taken.
        name: a net of the catalog, as "densenet40_k12"; without it the nearest are tried.
        image: (C, H, W); by default 224 × 224 pixels for nets that have a 7×7 convolution, else 32 × 32, and as few
            channels as any convolution reads.

    Returns:
        An `Audit`, with `matches`, `differences` (each with kind, place, found, expected and cost), `notes`, and what
        both cost, `theirs` and `papers`; without a name a list of three, the nearest first.

    Raises:
        InputError: for a name that is not the catalog's, and for what is no net. What the net's own `forward` raises
            comes as it is.
    """
    if not isinstance(net, nn.Module):
        raise InputError(f"audit takes a net, an nn.Module; this is {type(net).__name__}.")
    if name is not None:
        plan(name)
    net = getattr(net, "_orig_mod", net)  # of torch.compile, which hides its operations
    if isinstance(net, torch.jit.ScriptModule) and not list(net.parameters()):
        raise InputError("TorchScript has frozen this net's weights: audit the net as it was before.")
    if image is None:
        convs = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
        large = plan(name).stem == "7x7" if name else any(conv.kernel_size == (7, 7) for conv in convs)
        side = 224 if large else 32
        image = min((conv.in_channels for conv in convs), default=3), side, side
    if not (isinstance(image, tuple) and len(image) == 3):
        raise InputError(f"image is {image!r}; it must be (channels, height, width), as (3, 32, 32).")
    like = next(net.parameters(), torch.zeros(()))
    images = torch.rand(1, *image, generator=torch.Generator().manual_seed(0)).to(like.device, like.dtype)
    run = record(net, images)
    names = [name] if name else _nearest(outline(run.ops), images)
    audits = [_held_against(name, net, run) for name in names]
    return audits[0] if name else sorted(audits, key=lambda audit: (not audit.matches, len(audit.differences)))


def _nearest(theirs: Outline, images: Tensor) -> list[str]:
    """The three nets of the catalog most like an outline: by shortcuts, image, layers and cost."""
    image = tuple(images.shape[1:])
    own = theirs.cost(image)

    def apart(one: float, other: float) -> float:
        return max(one, other, 1) / max(min(one, other), 1) - 1

    def distance(name: str) -> float:
        made = plan(name)
        join = "concatenation" if hasattr(made, "growth_rate") else "addition" if made.residual else ""
        other = (join != mode(theirs.joins or [""])) + ((image[1] < 64) != (made.stem == "3x3"))
        papers = cost(name, in_channels=image[0])
        return 2 * other + 2 * apart(len(theirs.layers) - 1, made.depth) + apart(own.parameters, papers.parameters)

    return sorted(NAMES, key=distance)[:3]


@cache
def _papers(name: str, num_classes: int, image: tuple[int, int, int]) -> Outline:
    with torch.device("meta"):
        net = build(name, in_channels=image[0], num_classes=num_classes)
        return outline(record(net, torch.zeros(1, *image)).ops)


def _held_against(name: str, net: nn.Module, run: Recorder) -> Audit:
    image, notes, theirs = tuple(run.images.shape[1:]), list(run.notes), outline(run.ops)
    papers = _papers(name, run.logits.shape[-1], image)
    found = Comparison(theirs, papers, image).differences()
    for one in _of_weights(net, run):  # what is left out has unused weights, which are not told again
        if one.kind != "unused" or all(one.cost.parameters != -other.cost.parameters for other in found):
            found.append(one)
    named = all("weight" in op.weights for op in run.ops if op.kind in ("conv", "linear"))
    if not found and named and not run.logits.is_meta:
        try:
            apart = _outputs_apart(name, net, theirs, papers, run)
            words = f"with the same weights its outputs differ by {100 * apart:.2g} %, though no layer does"
        except (KeyError, ValueError, RuntimeError) as error:
            apart, words = 1, f"its weights do not fit, though no layer differs: {error}"
        if not apart <= max(1e-3, 4 * torch.finfo(run.logits.dtype).eps):
            found.append(Difference("outputs", "the whole net", words, "others", Cost(0, 0, 0)))
    elif not found:
        notes += ["That both put out the same with the same weights could not be tried: its weights are not at hand."]
    found += _initial_weights(net, theirs, plan(name).init)
    total = sum(p.numel() for p in net.parameters())
    return Audit(name, tuple(found), tuple(notes), replace(theirs.cost(image), parameters=total), papers.cost(image))


def _of_weights(net: nn.Module, run: Recorder) -> Iterator[Difference]:
    """Weights that are computed from others, that several layers use, and that none does."""
    sizes = {name: parameter.numel() for name, parameter in net.named_parameters()}
    layers = [op for op in run.ops if op.kind in ("conv", "linear", "norm")]
    if computed := [op for op in layers if any(" from " in what for what in op.weights)]:
        found = f"the weights of {len(computed)} layers are computed from others"
        size = sum(op.settings.get("learned", 0) for op in computed)
        yield Difference("other", computed[0].place, found, "weights of their own", Cost(size, 0, 0))
    users = Counter(name for op in layers for name in op.weights.values() if name in sizes)
    if shared := [name for name in users if users[name] > 1]:
        found = f"the same weights used {max(users.values())} times"
        size = -sum((users[name] - 1) * sizes[name] for name in shared)
        yield Difference("shared", _modules(shared, sizes), found, "weights for each", Cost(size, 0, 0))
    used = {name for op in run.ops for name in op.weights.values()}
    if unused := [name for name in sizes if name not in used]:
        size = sum(sizes[name] for name in unused)
        found = f"{size:,} parameters that no image meets"
        yield Difference("unused", _modules(unused, sizes), found, "none", Cost(size, 0, 0))


def _modules(some: list[str], names: Iterable[str]) -> str:
    """Some parameters in few words: by the largest modules that have no others."""
    others = [name for name in names if name not in some]
    found = {}
    for name in some:
        ends = [i for i, letter in enumerate(name) if letter == "."]
        whole = [name[:i] for i in ends if not any(other.startswith(name[: i + 1]) for other in others)]
        found[(whole or [name])[0]] = True
    first = [*found][:3]
    return listed([*first, f"{len(found) - 3} more"] if len(found) > 3 else first)


def _steps(net: Outline):
    """All operations with weights, in order: each layer's, those before it, and those on shortcuts."""
    for layer in net.layers:
        before = [op for step in layer.before for op in (*step.around, step.op)]
        yield from [op for op in (*before, layer.op) if op is not None and op.weights]


def _outputs_apart(name: str, net: nn.Module, theirs: Outline, papers: Outline, run: Recorder) -> float:
    """How far the outputs of the paper's net with their weights are from theirs, as a share of their size."""
    with torch.device("meta"):
        made = build(name, in_channels=run.images.shape[1], num_classes=run.logits.shape[-1])
    tensors, state = {**dict(net.named_parameters()), **dict(net.named_buffers())}, {}
    for own, paper in zip(_steps(theirs), _steps(papers), strict=True):
        order, given = channels_in_order(run.ops, own), {what: tensors[at] for what, at in own.weights.items()}
        if own.affine:
            zero, one = own.affine
            variance = torch.ones_like(one) - paper.settings["eps"]
            given = {"weight": one - zero, "bias": zero, "running_mean": 0 * variance, "running_var": variance}
        for what, papers_name in paper.weights.items():
            tensor = given[what].detach()
            if order is not None and not (own.kind in ("conv", "linear") and what == "bias"):
                tensor = tensor[:, order] if own.kind in ("conv", "linear") else tensor[order]
            state[papers_name] = tensor.flatten(1) if own.kind == "linear" and what == "weight" else tensor
    made.load_state_dict(state, strict=False, assign=True)
    with torch.no_grad():
        outputs = made.eval().to(run.logits.dtype)(run.images.to(run.logits.dtype))
    return float((outputs - run.logits).abs().max() / run.logits.abs().max().clamp(min=1e-12))


# Variance times fan, by what weights are drawn: what PyTorch itself does is kaiming_uniform_(a=√5).
DRAWN = {
    "fan_in": ("He's variance 2 / fan-in", lambda fan_in, fan_out: 2 / fan_in),
    "fan_out": ("variance 2 / fan-out", lambda fan_in, fan_out: 2 / fan_out),
    "default": ("PyTorch's own default, variance 1 / (3 fan-in)", lambda fan_in, fan_out: 1 / (3 * fan_in)),
    "xavier": ("Glorot's variance 2 / (fan-in + fan-out)", lambda fan_in, fan_out: 2 / (fan_in + fan_out)),
}


def _initial_weights(net: nn.Module, theirs: Outline, papers: str) -> list[Difference]:
    """How fresh weights were drawn; nothing of weights that have been trained."""
    means = [buffer for name, buffer in net.named_buffers() if name.endswith("running_mean")]
    if not means or any(mean.is_meta or mean.any() for mean in means):
        return []
    parameters, apart = dict(net.named_parameters()), {name: [] for name in DRAWN}
    for layer in theirs.layers:
        weight = parameters.get(layer.op.weights.get("weight"))
        if layer.op.kind == "conv" and weight is not None and weight.numel() >= 400:
            area = weight[0, 0].numel()
            fans = weight.shape[1] * area, weight.shape[0] * area / layer.op.settings["groups"]
            for name, (_, variance) in DRAWN.items():
                apart[name].append(abs(log(float(weight.detach().float().var()) / variance(*fans) + 1e-12)))
    apart = {name: fmean(values) for name, values in apart.items() if values}
    if not apart or apart[papers] < 0.15:
        return []
    nearest = min(apart, key=apart.get)
    found = DRAWN[nearest][0] if apart[nearest] < 0.15 else "another variance"
    return [Difference("initial weights", "the convolutions", found, DRAWN[papers][0], Cost(0, 0, 0))]
