"""What differs between two outlines: the causes, each with its place and what it alone would cost."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from paper_nets.lab.graph import ACTIVATIONS
from paper_nets.lab.outline import JOINS, SHORTCUT, Key, Layer, Outline, Step
from paper_nets.nets.cost import Cost

# What is told first: a cause before what follows from it.
ORDER = (
    *("shortcuts", "depth", "block", "order", "growth rate", "bottleneck", "compression", "width"),
    *("kernel", "stride", "padding", "dilation", "groups", "pooling", "activation", "shortcut option", "classifier"),
    *("norm", "bias", "eps", "momentum", "affine", "other", "shared", "unused", "outputs", "initial weights"),
)
SETTINGS = ("kernel", "stride", "padding", "dilation", "groups", "bias")  # of a layer; its channels come by themselves

Pair = tuple[Layer, Layer]  # theirs, and the paper's in the same place


@dataclass(frozen=True)
class Difference:
    """One difference between a net and the paper's.

    Args:
        kind: one of ORDER.
        place: where, in the paper's words; in brackets the net's own name of the first such place.
        found, expected: theirs, and the paper's.
        cost: what this alone does to the paper's net: parameters, multiply–adds and bytes more, or fewer.
    """

    kind: str
    place: str
    found: str
    expected: str
    cost: Cost

    def __str__(self) -> str:
        parts = [(self.cost.parameters, "parameters"), (self.cost.multiply_adds, "multiply–adds")]
        words = [f"{number:+,} {what}" for number, what in parts if number]
        if megabytes := round(self.cost.activation_bytes / 1e6, 2):
            words.append(f"{megabytes:+,} MB of memory an image")
        costs = f" ({', '.join(words)})".replace("-", "−") if words else ""
        return f"{self.place}: {self.found}; the paper has {self.expected}{costs}"


def differences(theirs: Outline, papers: Outline, image: tuple[int, int, int]) -> list[Difference]:
    """What differs, the first and deepest cause first; costs are those for images (C, H, W)."""
    return _Comparison(theirs, papers, image).differences()


class _Comparison:
    def __init__(self, theirs: Outline, papers: Outline, image: tuple[int, int, int]):
        self.theirs, self.papers, self.image = theirs, papers, image
        self.dense = "concatenation" in papers.joins
        self.found: list[Difference] = []
        # Pairs that differ in one way, each with the paper's layer as this difference alone would make it.
        self.alike: dict[tuple[str, str, str, str], list[tuple[Pair, Layer]]] = {}
        # The pair before each pair: where a shortcut ends is the end of the block before.
        self.previous: dict[Key, Pair] = {}

    def differences(self) -> list[Difference]:
        self.same_joins = self._compare_joins()
        if not self.same_joins and self.theirs.joins and self.papers.joins:
            return self.found  # sums for concatenations: nothing else stands in the same place
        self.pairs = self._align()
        self.previous = {pair[1].key: before for before, pair in pairwise(self.pairs)}
        self._compare_channels()
        self.restrided = {key for pairs in self._blocks() for key in self._compare_strides(pairs)}
        self._compare_steps()
        for pair in self.pairs:
            self._compare_settings(pair)
        for (kind, before, found, expected), some in self.alike.items():
            edited = {layer.key: layer for _, layer in some}
            other = replace(self.papers, layers=tuple(edited.get(layer.key, layer) for layer in self.papers.layers))
            whole = before not in ("", "before ")
            self._tell(kind, before + self._places([pair for pair, _ in some], whole), found, expected, other)
        return sorted(self.found, key=lambda difference: ORDER.index(difference.kind))

    def _note(self, kind: str, pair: Pair, found: str, expected: str, edited: Layer, before: str = "") -> None:
        """A difference in one place, to be told together with those like it; with `before`, of what stands before it."""
        if before not in ("", "before "):
            pair = self.previous.get(pair[1].key, pair)
        self.alike.setdefault((kind, before, found, expected), []).append((pair, edited))

    def _tell(self, kind: str, place: str, found: str, expected: str, other: Outline) -> None:
        """A difference, which alone would make the other outline of the paper's net."""
        made, was = (vars(net.cost(self.image)) for net in (other, self.papers))
        cost = Cost(*(made[name] - was[name] for name in was))
        self.found.append(Difference(kind, place, found, expected, cost))

    def _places(self, pairs: Sequence[Pair], whole: bool = False) -> str:
        """Where, in words: "transitions 1 and 2 (features.transition1.conv)"; of `whole` blocks, not convolutions."""
        keys, all_keys = [papers.key for _, papers in pairs], [layer.key for layer in self.papers.layers]
        own = f" ({pairs[0][0].op.place})" if pairs[0][0].op.place else ""
        block, stage = ("layer", "block") if self.dense else ("block", "stage")
        most = max((key.number for key in all_keys if key.part == "stage"), default=0)
        numbers, stages = sorted({key.number for key in keys}), sorted({key.stage for key in keys})
        convolutions = f"convolution {_listed(numbers)} of " if len(numbers) < most and not whole else ""
        if len(keys) == 1 and keys[0].part == "stage":
            return f"{convolutions}{stage} {keys[0].stage}, {block} {keys[0].block}{own}"
        if len(keys) == 1:
            return f"{keys[0]}{own}"
        if len(keys) >= len(all_keys) - 1:
            return f"everywhere{own}"
        if all(key.part == "transition" for key in keys):
            return f"transitions {_listed(stages)}{own}"
        alike = {key for key in all_keys if key.part == "stage" and key.number in numbers}
        if set(keys) == alike:
            return f"{convolutions}every {block}{own}"
        if set(keys) == {key for key in alike if key.stage in stages}:
            return f"{convolutions}every {block} of {stage} {_listed(stages)}{own}"
        if set(keys) == {key for key in alike if key.stage in stages and key.block == 1}:
            return f"{convolutions}the first {block} of {stage} {_listed(stages)}{own}"
        return f"{len(keys)} places, the first in {self._places(pairs[:1], whole)}"

    def _blocks(self) -> list[list[Pair]]:
        """The pairs of each block, and each pair outside of blocks."""
        blocks: dict[tuple, list[Pair]] = {}
        for pair in self.pairs:
            key = pair[1].key
            blocks.setdefault(key[:3] if key.part == "stage" else key, []).append(pair)
        return list(blocks.values())

    # Shortcuts and depth

    def _compare_joins(self) -> bool:
        """Whether shortcuts end in both nets as sums, or concatenations, or there are none in both."""
        words = {"": "no shortcuts", "addition": "sums", "concatenation": "concatenations"}
        theirs, papers = ((Counter(net.joins).most_common(1) or [("", 0)])[0][0] for net in (self.theirs, self.papers))
        if theirs != papers:
            plain = replace(
                self.papers,
                layers=tuple(replace(layer, before=_without_joins(layer.before)) for layer in self.papers.layers),
                after=_without_joins(self.papers.after),
            )
            self._tell("shortcuts", "the whole net", words[theirs], words[papers], self.theirs if theirs else plain)
        return theirs == papers

    def _align(self) -> list[Pair]:
        """Which of their layers stands where in the paper's net; tells of another depth, or other blocks."""
        theirs, papers = self.theirs, self.papers
        kernels, widths = (
            [[layer.op.settings.get(name, "linear") for layer in net.layers] for net in (theirs, papers)]
            for name in ("kernel", "out")
        )
        moved = sum(theirs.blocks) == sum(papers.blocks) and widths[0] != widths[1]
        if len(theirs.layers) == len(papers.layers):
            if theirs.blocks == papers.blocks or (kernels[0] == kernels[1] and not moved):
                return list(zip(theirs.layers, papers.layers, strict=True))
        if theirs.blocks != papers.blocks:
            what = "layers in the blocks" if self.dense else "blocks in the stages"
            found, expected = (_listed(net.blocks) or "no" for net in (theirs, papers))
            self._tell("depth", "the whole net", f"{found} {what}", expected, self._with_depth(theirs.blocks))
        by_key = {layer.key: layer for layer in theirs.layers}
        pairs = [(by_key[layer.key], layer) for layer in papers.layers if layer.key in by_key]
        found, expected = (Counter(_kernels(net).values()).most_common(1)[0][0] for net in (theirs, papers))
        if found != expected:
            words = [" – ".join(f"{kernel}×{kernel}" for kernel in some) for some in (found, expected)]
            self._tell("block", "every block", f"convolutions {words[0]}", words[1], theirs)
            pairs = [pair for pair in pairs if pair[1].key.part != "stage"]
        for part, kind in (("stem", "other"), ("transition", "other"), ("head", "classifier")):
            found, expected = (sum(layer.key.part == part for layer in net.layers) for net in (theirs, papers))
            if found != expected:
                self._tell(kind, f"the {part}", f"{found or 'no'} layers", f"{expected}", theirs)
                pairs = [pair for pair in pairs if pair[1].key.part != part]
        return pairs

    def _with_depth(self, blocks: Sequence[int]) -> Outline:
        """The paper's net with other numbers of blocks in its stages, the last of each stage repeated."""
        layers = []
        for i, layer in enumerate(self.papers.layers):
            key = layer.key
            if key.part != "stage" or key.stage > len(blocks):
                layers += [layer] if key.part != "stage" else []
                continue
            layers += [layer] if key.block <= blocks[key.stage - 1] else []
            if self.papers.layers[i + 1].key[:3] != key[:3] and key.block == self.papers.blocks[key.stage - 1]:
                last = [one for one in self.papers.layers if one.key[:3] == key[:3]]
                layers += last * (blocks[key.stage - 1] - key.block)
        return replace(self.papers, layers=tuple(layers))

    # Channels

    def _compare_channels(self) -> None:
        for pairs in (
            [pair for pair in self.pairs if pair[1].key.part == part] for part in ("stage", "stem", "transition")
        ):
            if self.dense and self.same_joins:
                self._compare_dense_channels(pairs)
        if not self.dense:
            self._compare_widths()
        for theirs, papers in self.pairs:
            if papers.key.part == "head" and theirs.op.settings["out"] != papers.op.settings["out"]:
                found, expected = (f"{layer.op.settings['out']} outputs" for layer in (theirs, papers))
                self._note("classifier", (theirs, papers), found, expected, _with((theirs, papers), "out"))

    def _compare_dense_channels(self, pairs: Sequence[Pair]) -> None:
        """k and 4k in the layers, 2k or 16 from the stem, θ in the transitions."""
        k = [self._growth_rate(net) for net in (self.theirs, self.papers)]
        for pair in pairs:
            (theirs, papers), key = (layer.op.settings for layer in pair), pair[1].key
            if key.part == "transition":
                theta = papers["out"] / papers["in"]
                if abs(theirs["out"] - theta * theirs["in"]) >= 1:
                    found, expected = (f"θ = {some['out'] / some['in']:.2g}" for some in (theirs, papers))
                    edited = _changed(pair[1], theta=theirs["out"] / theirs["in"])
                    self._note("compression", pair, found, expected, edited)
            elif theirs["out"] == papers["out"]:
                continue
            elif key.part == "stem":
                if theirs["out"] * k[1] != papers["out"] * k[0]:
                    self._note("width", pair, *(f"{some['out']} maps" for some in (theirs, papers)), _with(pair, "out"))
            elif papers["out"] == k[1]:
                found, expected = (f"growth rate k = {some['out']}" for some in (theirs, papers))
                self._note("growth rate", pair, found, expected, _with(pair, "out"))
            elif theirs["out"] * k[1] != papers["out"] * k[0]:
                found, expected = (
                    f"{some['out'] / rate:g}k maps" for some, rate in zip((theirs, papers), k, strict=True)
                )
                self._note("bottleneck", pair, found, expected, _with(pair, "out"))

    @staticmethod
    def _growth_rate(net: Outline) -> int:
        """What most layers of the blocks add."""
        last = {layer.key[:3]: layer.op.settings["out"] for layer in net.layers if layer.key.part == "stage"}
        return (Counter(last.values()).most_common(1) or [(1, 0)])[0][0]

    def _compare_widths(self) -> None:
        """All layers that are wider by one factor are told together."""
        by_factor: dict[float, list[Pair]] = {}
        for theirs, papers in self.pairs:
            if papers.key.part in ("stem", "stage"):
                factor = theirs.op.settings["out"] / papers.op.settings["out"]
                by_factor.setdefault(factor, []).append((theirs, papers))
        by_factor.pop(1, None)
        for pairs in by_factor.values():
            first = min(papers.key.number for _, papers in pairs)
            some = zip(*(pair for pair in pairs if pair[1].key.number == first), strict=True)
            said = (f"{_listed(dict.fromkeys(one.op.settings['out'] for one in layers))} maps" for layers in some)
            found, expected = said
            for pair in pairs:
                self._note("width", pair, found, expected, _with(pair, "out"))

    # What stands between layers

    def _compare_steps(self) -> None:
        groups: dict[tuple, list[Pair]] = {}
        for pair in self.pairs:
            found, expected = (layer.before if self.same_joins else _without_joins(layer.before) for layer in pair)
            if any(_count(found, name) != _count(expected, name) for name in (SHORTCUT, *JOINS.values())):
                # Where a shortcut begins in one net only is told where it ends.
                found, expected = (tuple(step for step in some if step.name != SHORTCUT) for some in (found, expected))
            names = tuple(tuple(step.name for step in some) for some in (found, expected))
            if names[0] != names[1]:
                groups.setdefault(names, []).append(pair)
            else:
                for steps in zip(found, expected, strict=True):
                    self._compare_step(pair, *steps)
        kinds = {names: _kind(*names) for names in groups}
        in_order = "order" in kinds.values()
        causes: dict[tuple, list] = {}
        for names, pairs in groups.items():
            # Where the order is another, what is missing or too much at both ends of the net follows from it.
            follows = in_order and kinds[names] in ("order", "norm", "activation")
            cause = ("order",) if follows else (kinds[names], *map(tuple, map(sorted, _apart(*names))))
            causes.setdefault(cause, []).append((names, pairs))
        for (kind, *_), several in causes.items():
            names, _ = max(several, key=lambda one: (kinds[one[0]] == kind, len(one[1])))
            found, expected = (" – ".join(some) or "nothing" for some in names)
            joins = all(any(name in JOINS.values() for name in some[1]) for some, _ in several)
            for pair in (pair for _, pairs in several for pair in pairs):
                edited = replace(pair[1], before=pair[0].before)
                self._note(kind, pair, found, expected, edited, "the end of " if joins else "before ")

    def _compare_step(self, pair: Pair, theirs: Step, papers: Step) -> None:
        """Two steps of one name."""
        differing = [
            name
            for name in dict.fromkeys([*papers.settings, *theirs.settings])
            if theirs.settings.get(name) != papers.settings.get(name)
        ]
        edited = replace(pair[1], before=tuple(theirs if step is papers else step for step in pair[1].before))
        if self.previous.get(pair[1].key, pair)[1].key[:3] in self.restrided and papers.name == "addition":
            differing = [name for name in differing if name != "stride"]  # it follows the main path's
        if not differing:
            return
        if papers.name in JOINS.values() and "reads" in differing:
            self._note(
                "shortcuts", pair, f"it reads {theirs.settings.get('reads', 'all')}", "all", edited, "the end of "
            )
        elif (
            papers.name in JOINS.values()
            and "shortcut" in differing
            or papers.name == "addition"
            and theirs.settings.get("shortcut") != "projection"
        ):
            found, expected = (_described(step) for step in (theirs, papers))
            self._note("shortcut option", pair, found, expected, edited, "the shortcut of ")
        else:
            place = "the projection of " if papers.name in JOINS.values() else "before "
            for name in differing:
                kind = "pooling" if "pool" in papers.name else name if name in ORDER else "other"
                found, expected = (_setting(name, step.settings.get(name)) for step in (theirs, papers))
                self._note(
                    kind, pair, f"{papers.name}, {found}" if place == "before " else found, expected, edited, place
                )

    # Each layer by itself

    def _compare_strides(self, pairs: Sequence[Pair]) -> Iterator[tuple]:
        """Tells once for a block that its stride stands in another convolution. Yields the keys of blocks that shrink
        their maps otherwise."""
        found, expected = (
            [layer.op.settings.get("stride", 1) for layer in layers] for layers in zip(*pairs, strict=True)
        )
        if found != expected and sorted(found, key=str) == sorted(expected, key=str):
            words = []
            for strides, layers in zip((found, expected), zip(*pairs, strict=True), strict=True):
                place, stride = next((i, stride) for i, stride in enumerate(strides) if stride != 1)
                words.append(f"stride {stride} in convolution {place + 1}, {layers[place].op}")
            for pair in pairs:
                self._note("stride", pair, *words, _with(pair, "stride"))
        else:
            for pair, *strides in zip(pairs, found, expected, strict=True):
                if strides[0] != strides[1]:
                    yield pair[1].key[:3]
                    self._note("stride", pair, *(f"stride {stride}" for stride in strides), _with(pair, "stride"))

    def _compare_settings(self, pair: Pair) -> None:
        theirs, papers = (layer.op.settings for layer in pair)
        for name in SETTINGS:
            if name == "stride" or theirs.get(name) == papers.get(name):
                continue
            if name == "padding" and _keeps_size(theirs) and _keeps_size(papers):
                continue  # follows from the kernel
            found, expected = (_setting(name, some.get(name)) for some in (theirs, papers))
            self._note(name, pair, found, expected, _with(pair, name))


def _keeps_size(settings: dict) -> bool:
    kernel = settings.get("kernel", 1)
    return isinstance(kernel, int) and settings.get("padding", 0) == settings.get("dilation", 1) * (kernel // 2)


def _setting(name: str, value) -> str:
    """A setting in words."""
    if name == "bias":
        return "a bias" if value else "no bias"
    return f"{name.replace('_', ' ')} {value}"


def _described(step: Step) -> str:
    """A shortcut in words, by the option of the paper that it is."""
    settings = step.settings
    kind = settings.get("shortcut", "")
    if kind == "projection":
        return f"a projection, {settings['order']}"
    if kind == "zero-padded identity":
        through = f" through {settings['through']}" if "through" in settings else ""
        pixels = f", every {settings['stride']}nd pixel" if settings.get("stride", 2) != 2 else ""
        return f"the identity{through}{pixels}, zeros {settings['zeros']} (option A)"
    others = ", ".join(f"{name} {value}" for name, value in settings.items() if name != "shortcut")
    return f"the {kind}{f', {others}' if others else ''}"


def _kind(found: Sequence[str], expected: Sequence[str]) -> str:
    """What kind of difference it is that these steps stand there and not those."""
    names = [name for some in _apart(found, expected) for name in some]
    if not names:
        return "order"
    if any(name in JOINS.values() for name in names):
        return "shortcuts"
    for kind, word in (("pooling", "pool"), ("pooling", "subsample"), ("norm", "norm")):
        if any(word in name for name in names):
            return kind
    return "activation" if all(name in ACTIVATIONS.values() for name in names) else "other"


def _apart(found: Sequence[str], expected: Sequence[str]) -> tuple[Counter, Counter]:
    """What is missing, and what is too much."""
    return Counter(expected) - Counter(found), Counter(found) - Counter(expected)


def _count(steps: Iterable[Step], name: str) -> int:
    return sum(step.name == name for step in steps)


def _without_joins(steps: Sequence[Step]) -> tuple[Step, ...]:
    return tuple(step for step in steps if step.name not in (SHORTCUT, *JOINS.values()))


def _kernels(net: Outline) -> dict[tuple, tuple]:
    """The kernels of each block's convolutions."""
    kernels: dict[tuple, tuple] = {}
    for layer in net.layers:
        if layer.key.part == "stage":
            kernels[layer.key[:3]] = (*kernels.get(layer.key[:3], ()), layer.op.settings.get("kernel"))
    return kernels or {(): ()}


def _changed(layer: Layer, **settings) -> Layer:
    return replace(layer, op=replace(layer.op, settings={**layer.op.settings, **settings}))


def _with(pair: Pair, name: str) -> Layer:
    """The paper's layer with one setting of theirs."""
    theirs, papers = pair
    return _changed(papers, **{name: theirs.op.settings.get(name)}) if name in theirs.op.settings else papers


def _listed(values: Iterable) -> str:
    """ "1", "1 and 2", "1, 2 and 3"."""
    *some, last = [*map(str, values)] or [""]
    return f"{', '.join(some)} and {last}" if some else last
