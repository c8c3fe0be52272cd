"""What differs between two outlines: the causes, each with its place and what it alone would cost."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import groupby, pairwise
from statistics import mode

from paper_nets.lab.graph import ACTIVATIONS, AFFINE, ITSELF, UNKNOWN, Op, both
from paper_nets.lab.outline import JOINS, SHORTCUT, Key, Layer, Outline, Step
from paper_nets.language import say
from paper_nets.nets.cost import Cost

# What is told first: a cause before what follows from it.
ORDER = (
    *("shortcuts", "depth", "block", "order", "growth rate", "bottleneck", "compression", "width"),
    *("kernel", "stride", "padding", "dilation", "groups", "pooling", "activation", "shortcut option", "classifier"),
    *("norm", "bias", "eps", "momentum", "affine", "other", "shared", "unused", "outputs", "initial weights"),
)
KINDS = {"out": "classifier", "padded by": "padding"}  # of what differs, where it isn't called as the setting is
READ = "what is read by "
PLURALS = {"": "no shortcuts", "addition": "sums", "maximum": "maxima"}

Pair = tuple[Layer, Layer]  # theirs, and the paper's in the same place


@dataclass(frozen=True)
class Difference:
    """One difference between a net and the paper's.

    Args:
        kind: one of ORDER.
        place: where, in the paper's words; in brackets the net's own name of the first such place.
        found, expected: theirs, and the paper's.
        cost: what this alone does to the paper's net: parameters, multiply–adds and bytes more, or fewer; where the
            depth is another, to the paper's net of that depth.
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
        costs = f" ({', '.join(say(word.replace('-', '−')) for word in words)})" if words else ""
        papers = say(f"the paper has {self.expected}")
        return f"{say(self.place)}: {say(self.found)}; {papers}{costs}"


class Comparison:
    """Of two outlines; costs are those for images (C, H, W)."""

    def __init__(self, theirs: Outline, papers: Outline, image: tuple[int, int, int]):
        self.theirs, self.papers, self.image = theirs, papers, image
        self.dense = "concatenation" in papers.joins
        self.found: list[Difference] = []
        # Where there is the same difference, in the paper's words and the net's own, and the paper's layers with it.
        self.alike: dict[tuple[str, str, str, str], list[tuple[Key, str, dict[Key, Sequence[Layer]]]]] = {}

    def differences(self) -> list[Difference]:
        """What differs, the first and deepest cause first."""
        self.same_joins = self._compare_joins()
        if not self.same_joins and self.theirs.joins and self.papers.joins:
            return self.found  # sums for concatenations: nothing else stands in the same place
        self.starts: list[Pair] = []  # of blocks and parts that have other numbers of layers, the first of each
        self.pairs = self._align()
        order = {layer.key: place for place, layer in enumerate(self.papers.layers)}
        self.places = sorted(self.pairs + self.starts, key=lambda pair: order.get(pair[1].key, len(order)))
        # The pair before each: where a shortcut ends is the end of the block before.
        self.previous = {pair[1].key: before for before, pair in pairwise(self.places[:1] + self.places)}
        if not self.dense:
            self._compare_widths()
        elif self.same_joins:
            self._compare_dense_channels()
        self.strides: dict[Key, Pair] = {}  # where they differ
        for _, pairs in groupby(self.pairs, lambda pair: pair[1].key[:3]):
            self._compare_strides(list(pairs))
        self.restrided = {key[:3] for key in self.strides}
        self._compare_steps()
        for pair in self.strides.values():
            self._note("stride", pair, *(f"stride {_stride(layer)}" for layer in pair), _with(pair, "stride"))
        for pair in self.pairs:
            self._compare_settings(pair, *(layer.op for layer in pair))
        for (kind, before, found, expected), some in self.alike.items():
            edited = {key: layers for *_, edits in some for key, layers in edits.items()}
            layers = tuple(one for layer in self.papers.layers for one in edited.get(layer.key, [layer]))
            place = before + self._places([key for key, *_ in some], kind == "block" or before not in ("", "before "))
            place = place.replace("before everywhere", "before every layer") + (some[0][1] and f" ({some[0][1]})")
            self._tell(kind, place, found, expected, replace(self.papers, layers=layers))
        return sorted(self.found, key=lambda difference: ORDER.index(difference.kind))

    def _note(self, kind: str, pair: Pair, found: str, expected: str, edited: Layer | dict, before="", own="") -> None:
        """A difference in one place, to be told with those like it; with `before`, of what stands before it; `own` is
        the net's name of what differs, where it isn't the layer."""
        edited = edited if isinstance(edited, dict) else {pair[1].key: [edited]}
        theirs, papers = pair if before in ("", "before ", READ) else self.previous[pair[1].key]
        self.alike.setdefault((kind, before, found, expected), []).append((papers.key, own or theirs.op.place, edited))

    def _tell(self, kind: str, place: str, found: str, expected: str, other: Outline) -> None:
        """A difference, which alone would make the other outline of the paper's net."""
        made, was = (vars(net.cost(self.image)) for net in (other, self.papers))
        cost = Cost(*(made[name] - was[name] for name in was))
        self.found.append(Difference(kind, place, found, expected, cost))

    def _places(self, keys: Sequence[Key], whole: bool) -> str:
        """Where, in words: "transitions 1 and 2"; of `whole` blocks, not convolutions."""
        if len(keys) == 1 and keys[0].part != "stage":
            return str(keys[0])
        if len(keys) >= len(self.papers.layers) - 2:  # all but the head and the output
            return "everywhere"
        numbers, stages = sorted({key.number for key in keys}), sorted({key.stage for key in keys})
        if all(key.part == "transition" for key in keys):
            return _counted("transition", stages)
        block, stage = ("layer", "block") if self.dense else ("block", "stage")
        in_blocks = [layer.key for layer in self.papers.layers if layer.key.part == "stage"]
        alike = {key for key in in_blocks if key.number in numbers}
        there = {key for key in alike if key.stage in stages}
        s, of = "s" if len(stages) > 1 else "", f" of {_counted(stage, stages)}"
        all_convolutions = whole or len(numbers) >= max((key.number for key in in_blocks), default=0)
        convolutions = "" if all_convolutions else f"{_counted('convolution', numbers)} of "
        for words, some in (
            (f"{stage} {keys[0].stage}, {block} {keys[0].block}", {keys[0]}),
            (f"every {block}", alike),
            (f"every {block}{of}", there),
            (f"the first {block}{s}{of}", {key for key in there if key.block == 1}),
        ):
            if set(keys) == some:
                return convolutions + words
        return f"{len(keys)} places, the first in {self._places(keys[:1], whole)}"

    def _compare_joins(self) -> bool:
        """Whether shortcuts end in both nets as sums, or concatenations, or there are none in both."""
        theirs, papers = (mode(net.joins or [""]) for net in (self.theirs, self.papers))
        if theirs != papers:
            layers = tuple(replace(layer, before=_without_joins(layer.before)) for layer in self.papers.layers)
            words = [PLURALS.get(join, f"{join}s") for join in (theirs, papers)]
            if any(step.name == ITSELF for layer in self.theirs.layers for step in layer.before):
                words[0] += ", F is added to itself"
            other = self.theirs if theirs else replace(self.papers, layers=layers)
            self._tell("shortcuts", "the whole net", *words, other)
        return theirs == papers

    def _align(self) -> list[Pair]:
        """Which of their layers stands where in the paper's net; tells of another depth, or other blocks."""
        nets = theirs, papers = self.theirs, self.papers
        keys = [[layer.key for layer in net.layers] for net in nets]
        kernels = [[layer.op.settings.get("kernel", layer.op.kind) for layer in net.layers] for net in nets]
        widths = [[layer.op.settings.get("out") for layer in net.layers] for net in nets]
        moved = sum(theirs.blocks) == sum(papers.blocks) and widths[0] != widths[1]
        if keys[0] == keys[1] or (kernels[0] == kernels[1] and not moved):
            return list(zip(theirs.layers, papers.layers, strict=True))
        if theirs.blocks != papers.blocks:
            found, expected = (listed(net.blocks) or "no" for net in nets)
            s, papers = "" if found == "1" else "s", self._with_depth(theirs.blocks)
            found += f" layer{s} in the blocks" if self.dense else f" block{s} in the stages"
            self._tell("depth", "the whole net", found, expected, papers)
            self.papers = papers  # what else differs is told, and costs what it does, at their depth
        unlike = set()  # the parts that have other numbers of layers
        for part, kind in (("stem", "other"), ("transition", "other"), ("head", "classifier")):
            some = [[layer for layer in net.layers if layer.key.part == part] for net in (theirs, papers)]
            if len(some[0]) != len(some[1]):
                unlike |= {part, "output"} if part == "head" else {part}
                self.starts += [] if [] in some else [(some[0][0], some[1][0])]
                self._tell(kind, f"the {part}", *map(_layers, some), self._with_part(part))
        by_key, pairs = {layer.key: layer for layer in theirs.layers}, []
        for place, some in groupby(papers.layers, lambda layer: layer.key[:3]):
            part, layers, own = place[0], list(some), [layer for layer in theirs.layers if layer.key[:3] == place]
            if part == "stage" and own and len(own) != len(layers):
                edited = {**{layer.key: [] for layer in layers}, layers[0].key: own}
                if not any(step.name in JOINS.values() for step in layers[0].before):  # no block stands before it
                    self.starts.append((own[0], layers[0]))
                    edited[layers[0].key] = [replace(own[0], before=layers[0].before), *own[1:]]
                self._note("block", (own[0], layers[0]), _layers(own), _layers(layers), edited)
            elif part not in unlike:
                pairs += [(by_key[layer.key], layer) for layer in layers if layer.key in by_key]
        return pairs

    def _with_part(self, part: str) -> Outline:
        """The paper's net with one part of theirs, and theirs before the layers that follow it."""

        def others(net: Outline) -> Iterator[tuple[list[Layer], Layer]]:
            """Each layer of other parts, after the layers of this part that stand before it."""
            some = []
            for layer in net.layers:
                if layer.key.part == part:
                    some.append(layer)
                else:
                    yield some, layer
                    some = []

        own, layers = {layer.key: (some, layer) for some, layer in others(self.theirs)}, []
        for papers, layer in others(self.papers):
            some, theirs = own.get(layer.key, ([], layer))
            if papers and some:  # the steps before its first layer are told by themselves
                some = [replace(some[0], before=papers[0].before), *some[1:]]
            layers += [*some, replace(layer, before=theirs.before) if papers or some else layer]
        return Outline(tuple(layers))

    def _with_depth(self, blocks: Sequence[int]) -> Outline:
        """The paper's net with other numbers of blocks, a stage's last repeated; of stages that it lacks, theirs."""
        most, layers, joined = len(self.papers.blocks), [], {}
        more = [layer for layer in self.theirs.layers if layer.key.stage > most - (layer.key.part == "transition")]
        for layer, after in [*pairwise(self.theirs.layers), *pairwise(self.papers.layers)]:
            joined |= {layer.key[:3]: step for step in after.before if step.name in JOINS.values()}
        for (part, stage, block), some in groupby(self.papers.layers, lambda layer: layer.key[:3]):
            times = 1
            if part == "stage":
                wanted = blocks[stage - 1] if stage <= len(blocks) else 0
                times = wanted - block + 1 if block == self.papers.blocks[stage - 1] else block <= wanted
            elif part == "transition":
                times = stage < len(blocks)
            elif part != "stem":
                layers, more = layers + more, []
            some = [*some]
            for i in range(times):
                layers += [replace(layer, key=layer.key._replace(block=block + i)) for layer in some]
        for i, (layer, after) in enumerate(pairwise(layers), 1):  # a block's last sum belongs to it, not to the next
            end = joined.get(layer.key[:3])
            steps = (end if end and step.name in JOINS.values() else step for step in after.before)
            layers[i] = replace(after, before=tuple(steps))
        return replace(self.papers, layers=tuple(layers))

    def _compare_dense_channels(self) -> None:
        """k and 4k in the layers, 2k or 16 from the stem, θ in the transitions."""
        k = [_growth_rate(net.layers) for net in (self.theirs, self.papers)]
        follow = {}  # what has k in it too: 2k in the stem, 4k in the layer
        for pair in self.pairs:
            (theirs, papers), key = (layer.op.settings for layer in pair), pair[1].key
            own = _growth_rate([layer for layer in self.theirs.layers if layer.key[:3] == pair[0].key[:3]])
            if key.part == "transition":
                if abs(theirs["out"] - papers["theta"] * theirs["in"]) >= 1:
                    words = (f"θ = {some['theta']:.2g}" for some in (theirs, papers))
                    self._note("compression", pair, *words, _with(pair, "theta"))
            elif key.part not in ("stem", "stage") or theirs["out"] == papers["out"]:
                continue
            elif key.part == "stage" and papers["out"] == k[1]:
                words = (f"growth rate k = {some['out']}" for some in (theirs, papers))
                self._note("growth rate", pair, *words, {**follow, key: [_with(pair, "out")]})
                follow = {}
            elif papers["out"] / k[1] in (theirs["out"] / k[0], theirs["out"] / own):
                follow[key] = [_with(pair, "out")]
            elif key.part == "stem":
                self._note("width", pair, *(f"{some['out']} maps" for some in (theirs, papers)), _with(pair, "out"))
            else:
                words = (f"{some['out'] / rate:.3g}k maps" for some, rate in zip((theirs, papers), k, strict=True))
                self._note("bottleneck", pair, *words, _with(pair, "out"))

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
            words = [f"{listed(dict.fromkeys(one.op.settings['out'] for one in layers))} maps" for layers in some]
            for pair in pairs:
                self._note("width", pair, *words, _with(pair, "out"))

    def _comparable(self) -> Iterator[Pair]:
        """The pairs whose layers before stand in the same place too, or end the block before."""
        before = [{layer.key: one.key for one, layer in pairwise(net.layers)} for net in (self.theirs, self.papers)]
        paired = {(theirs.key, papers.key) for theirs, papers in self.pairs} | {(None, None)}
        for pair in self.places:
            theirs, papers = (keys.get(layer.key) for keys, layer in zip(before, pair, strict=True))
            inside = pair[1].key.number > 1
            alike = theirs and papers and theirs[:2] == papers[:2] and (theirs[3] == papers[3] or not inside)
            if alike or (theirs, papers) in paired:
                yield pair

    def _compare_steps(self) -> None:
        apart: list[tuple] = []  # pairs, the paper's with their steps, the names, what is missing, what too much
        optioned = {
            self.previous[pair[1].key][1].key[:3]
            for pair in self.pairs
            if len({tuple(_option(step) for step in layer.before if step.around) for layer in pair}) > 1
        }
        for pair in self._comparable():
            steps = [layer.before if self.same_joins else _without_joins(layer.before) for layer in pair]
            ends = [sorted(step.name for step in some if step.name in (SHORTCUT, *JOINS.values())) for some in steps]
            if ends[0] != ends[1] or pair[1].key[:3] in optioned:
                # Where a shortcut begins in one net only is told where it ends, and by its option where it is another.
                steps = [tuple(step for step in some if step.name != SHORTCUT) for some in steps]
            names = [[step.name for step in some] for some in steps]
            alike = {}  # theirs for which the paper has one in the same place
            for at, other, length in SequenceMatcher(None, *names, autojunk=False).get_matching_blocks():
                for theirs, papers in zip(steps[0][at : at + length], steps[1][other : other + length], strict=True):
                    ops = zip(theirs.around, papers.around, strict=False)
                    renamed = any(one.kind == other.kind and str(one) != str(other) for one, other in ops)
                    if names[0] == names[1] or not renamed:  # else it is told where the main path has the same
                        alike[id(theirs)] = papers
                        self._compare_step(pair, theirs, papers)
            if names[0] != names[1]:
                joined = [[name for name in some if name != SHORTCUT] for some in names]
                names = joined if joined[0] != joined[1] else names  # where nothing else differs, it is where F begins
                found, expected = map(Counter, names)
                edited = replace(_with(pair, "in"), before=tuple(alike.get(id(step), step) for step in pair[0].before))
                apart.append((pair, edited, names, expected - found, found - expected))
        self._compare_pools(apart)
        moved = sum((missing for *_, missing, _ in apart), Counter())
        moved = {name for name in moved if moved[name] == sum(extra[name] for *_, extra in apart)}
        causes: dict[tuple, list] = {}
        for pair, edited, names, *some in apart:
            cause = (tuple(sorted(name for name in names.elements() if name not in moved)) for names in some)
            causes.setdefault(tuple(cause), []).append((pair, edited, names))
        for (missing, extra), several in causes.items():
            kind = _kind(missing + extra)
            words = mode(tuple(" – ".join(some) or "nothing" for some in names) for *_, names in several)
            joins = not self.dense and all(set(names[1]) & set(JOINS.values()) for *_, names in several)
            parts = {self.previous[pair[1].key][1].key.part for pair, *_ in several}
            behind = kind == "pooling" and parts <= {"stem", "transition"}
            place = "the end of " if joins else "behind " if behind else "before "
            for pair, edited, _ in several:
                self._note(kind, pair, *words, edited, place)

    def _compare_pools(self, apart: list) -> None:
        """Tells once where maps shrink in a pool and not in the convolution beside it, or the other way round."""
        for pair, edited, _, *some in list(apart):
            beside = [pair[1].key, self.previous[pair[1].key][1].key]
            missing, extra = ([name for name in names if "pool" in name or name == "subsample"] for names in some)
            key = next((key for key in beside if key in self.strides), None)
            if key and len(missing + extra) == 1:
                layers = self.strides.pop(key)
                some_words = zip(layers, (extra, missing), strict=True)
                words = [" and ".join([f"stride {_stride(layer)}", *names]) for layer, names in some_words]
                edits = {pair[1].key: [edited], key: [_with(layers, "stride")]}
                self._note("stride" if extra else "pooling", layers, *words, edits)
                for names in some:
                    names.subtract(names & Counter(missing + extra))
                if not any(names.total() for names in some):
                    apart[:] = [one for one in apart if one[0] is not pair]

    def _compare_step(self, pair: Pair, theirs: Step, papers: Step) -> None:
        edited = replace(pair[1], before=tuple(theirs if step is papers else step for step in pair[1].before))
        if papers.name == "addition":
            restrided = self.previous[pair[1].key][1].key[:3] in self.restrided
            options = [_option(step, restrided) for step in (theirs, papers)]
            kinds = [[op.kind for op in step.around] for step in (theirs, papers)]
            rest = [[(op.kind, op.settings) for op in step.around if op.kind != "pad"] for step in (theirs, papers)]
            if "conv" in kinds[0] and kinds[0] == kinds[1]:
                for ops in zip(theirs.around, papers.around, strict=True):
                    self._compare_settings(pair, *ops, edited, "the projection of ", restrided)
            elif options[0] != options[1] and (rest[0] != rest[1] or kinds[0] == kinds[1]):  # else the width says so
                own = (*theirs.around, theirs.op)[0].place
                self._note("shortcut option", pair, *options, edited, "the shortcut of ", own)
        elif theirs.reads != papers.reads:
            place, whole = (READ, "all") if papers.name == SHORTCUT else ("the end of ", "the block's own input")
            self._note("shortcuts", pair, theirs.reads or whole, papers.reads or whole, edited, place)
        elif papers.op:
            self._compare_settings(pair, theirs.op, papers.op, edited, "before ")

    def _compare_strides(self, pairs: Sequence[Pair]) -> None:
        """Tells once for a block that its stride stands in another convolution."""
        found, expected = ([_stride(layer) for layer in layers] for layers in zip(*pairs, strict=True))
        if found != expected and sorted(found, key=str) == sorted(expected, key=str):
            strided = [next(one for one in layers if _stride(one) != 1) for layers in zip(*pairs, strict=True)]
            where = "stride {} in convolution {} ({kernel}×{kernel})"
            words = [where.format(_stride(one), one.key.number, kernel=one.op.settings["kernel"]) for one in strided]
            for pair in pairs:
                self._note("stride", pair, *words, _with(pair, "stride"))
        else:
            self.strides |= {pair[1].key: pair for pair in pairs if _stride(pair[0]) != _stride(pair[1])}

    def _compare_settings(
        self, pair: Pair, theirs: Op, papers: Op, edited: Layer | None = None, before: str = "", restrided: bool = True
    ) -> None:
        """Two operations of one kind; a layer's stride has been told, as have channels but those of the head."""
        skipped = {"in", "theta", "learned", *(["stride"] if restrided and papers.kind == "conv" else [])}
        skipped |= {"out"} if pair[1].key.part != "head" else set()
        if _keeps_size(theirs.settings) and _keeps_size(papers.settings):
            skipped.add("padding")  # follows from the kernel
        for name in dict.fromkeys([*papers.settings, *theirs.settings]):
            values = [op.settings.get(name) for op in (theirs, papers)]
            if name in skipped or values[0] == values[1] or (theirs.affine and values[0] is None):
                continue
            words = [_setting(name, value) for value in values]
            if before == "before ":
                words = [f"{papers}, {word}" for word in words]
            kind = "pooling" if "pool" in papers.kind else KINDS.get(name, name)
            own = "" if before == "before " else theirs.place
            self._note(kind if kind in ORDER else "other", pair, *words, edited or _with(pair, name), before, own)


def _keeps_size(settings: dict) -> bool:
    sizes = zip(*(both(settings.get(name, 0)) for name in ("kernel", "padding", "dilation")), strict=True)
    return all(padding == dilation * (kernel // 2) for kernel, padding, dilation in sizes)


def _stride(layer: Layer):
    return layer.op.settings.get("stride", 1)


def _growth_rate(layers: Sequence[Layer]) -> int:
    """What most layers of the blocks add."""
    last = {layer.key[:3]: layer.op.settings["out"] for layer in layers if layer.key.part == "stage"}
    return mode(last.values() or [1])


def _setting(name: str, value) -> str:
    if name == "bias":
        return "a bias" if value else "no bias"
    if name == "out":
        return f"{value} outputs"
    if name == "affine":
        return " and ".join(f"{'a' if word in value else 'no'} {word}" for word in AFFINE)
    if name == "padding" and any(isinstance(sides, tuple) for sides in both(value)):
        (top, bottom), (left, right) = map(both, both(value))
        return f"padding {top} above, {bottom} below, {left} on the left, {right} on the right"
    return f"{name.replace('_', ' ')} {'zeros' if name == 'padded by' and value is None else value}"


def _option(step: Step, restrided: bool = False) -> str:
    """A shortcut in words, by the option of the paper that it is."""
    if step.reads or any(op.kind == "conv" for op in step.around):
        return step.reads or f"a projection, {' – '.join(map(str, step.around))}"
    stride, zeros, through = 1, "", []
    for op in step.around:
        before, after = (op.settings.get(name) for name in ("before", "after"))
        if op.kind == "subsample":
            stride = op.settings["stride"]
        elif op.kind == "pad" and (before or after):
            half = "half before, half behind" if before == after else f"{before} before, {after} behind"
            where, value = half if before and after else "before" if before else "behind", op.settings.get("padded by")
            zeros = f", maps of {value} {where}" if value else f", zeros {where} (option A)"
        else:
            through.append(str(op))
    pixels = "" if restrided or stride == 1 or (zeros and stride == 2) else f", one pixel of {stride}×{stride}"
    return f"the identity{' through ' if through else ''}{' – '.join(through)}{pixels}{zeros}"


def _kind(names: Sequence[str]) -> str:
    """What kind of difference it is that these steps are missing or too much."""
    if not names:
        return "order"
    if any("pool" in name or name == "subsample" for name in names):
        return "pooling"
    if set(names) & set(JOINS.values()):
        return "shortcuts"
    if any("norm" in name for name in names):
        return "norm"
    return "activation" if all(name in ACTIVATIONS.values() or name.startswith(UNKNOWN) for name in names) else "other"


def _without_joins(steps: Sequence[Step]) -> tuple[Step, ...]:
    return tuple(step for step in steps if step.name not in (SHORTCUT, ITSELF, *JOINS.values()))


def _layers(layers: Sequence[Layer]) -> str:
    return " – ".join(str(layer.op) for layer in layers) or "nothing"


def _with(pair: Pair, name: str) -> Layer:
    """The paper's layer with one setting of theirs, and the padding that follows from it."""
    theirs, papers = pair[0].op.settings, pair[1].op
    names = [name, *(["padding"] if name in ("kernel", "dilation") and _keeps_size(theirs) else [])]
    settings = {**papers.settings, **{name: theirs[name] for name in names if name in theirs}}
    return replace(pair[1], op=replace(papers, settings=settings))


def _counted(noun: str, numbers: Sequence[int]) -> str:
    """ "stage 2", "stages 2 and 3"."""
    return f"{noun}{'s' if len(numbers) > 1 else ''} {listed(numbers)}"


def listed(values: Iterable) -> str:
    """ "1", "1 and 2", "1, 2 and 3"."""
    *some, last = [*map(str, values)] or [""]
    return f"{', '.join(some)} and {last}" if some else last
