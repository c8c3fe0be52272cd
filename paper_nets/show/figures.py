"""One function per figure: data in, a `Picture` out. None of them trains, reads a file, or holds data of its own."""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle, product
from math import log10

import pandas
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from paper_nets.lab.data import Data
from paper_nets.lab.trace import Layer, Trace
from paper_nets.show.picture import COLOURS, MARKERS, Picture, family, figure

LINES = ((0, (4, 1, 1, 1, 1, 1)), "-", "--", "-.", ":")


def depth_of(net: str) -> int:
    """The depth in a net's name: 56 of "plain56"."""
    return int(re.search(r"\d+", net)[0])


def tidy(axes: Axes, x: str, y: str, title: str = "") -> None:
    """Labels and title at fixed places, so that nothing jumps from one picture to the next.

    It also spares matplotlib measuring every tick label to find those places, a third of the time of a drawing.
    """
    width, height = axes.get_window_extent().size
    axes.set_title(title, y=1.02, fontsize=11)
    axes.set_xlabel(x)
    axes.xaxis.set_label_coords(0.5, -26 / height)
    axes.set_ylabel(y)
    axes.yaxis.set_label_coords(-38 / width, 0.5)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", linewidth=0.5, alpha=0.4)


def plain_log(axis: Axis, ticks: Sequence[float] = ()) -> None:
    """A logarithmic axis with a few plain numbers, or with powers of ten, which is also the quickest to draw."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_locator(FixedLocator(ticks) if ticks else LogLocator())
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(StrMethodFormatter("{x:g}") if ticks else FuncFormatter(_power_of_ten))


def _power_of_ten(value: float, _: int) -> str:
    return "10" + str(round(log10(value))).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def at_least_decades(axes: Axes, decades: float) -> None:
    """Widen a logarithmic y axis to so many decades, so that data which are level look level."""
    low, high = axes.get_ylim()
    room = max(1, (10**decades * low / high) ** 0.5)
    axes.set_ylim(low / room, high * room)


def style_of(net: str) -> dict:
    """The colour and the marker of the net's family, the colour the darker the deeper, and a line that goes with the
    depth.

    So a net looks the same whatever stands beside it; `styles_of` tells nets apart that look alike.
    """
    depth = depth_of(net)
    lighter = 0.5 * (1 - min(depth, 56) / 56)
    colour = [c + (1 - c) * lighter for c in to_rgb(COLOURS[family(net)])]
    line = LINES[depth // 12 % len(LINES)]  # 8, 20, 32, 44 and 56 layers differ
    return {"color": colour, "linestyle": line, "marker": MARKERS[family(net)]}


def styles_of(nets: Iterable[str]) -> dict[str, dict]:
    """A style for each net: its own, or where one of its family has that line, the first that is free, at last with
    hollow markers."""
    styles, taken = {}, set()
    for net in dict.fromkeys(nets):
        style = style_of(net)
        looks = [(style["color"], style["linestyle"]), *product((style["color"], "white"), LINES)]
        face, line = next((look for look in looks if (family(net), look[0] == "white", look[1]) not in taken), looks[0])
        taken.add((family(net), face == "white", line))
        styles[net] = {**style, "linestyle": line, "markerfacecolor": face}
    return styles


@figure
def imagenet_errors(table: pandas.DataFrame) -> Picture:
    """Figure 1 of the review: ImageNet top-5 error by year, from `published("ilsvrc_top5")`, lowest bar last."""
    table = table.sort_values("top5_error_pct", ascending=False)
    picture = Picture(760, 380)
    axes = picture.add_axes((0.09, 0.2, 0.89, 0.72))
    colours = [
        COLOURS["human" if row.entry == "Human" else "residual" if row.entry == "ResNet" else "other"]
        for row in table.itertuples()
    ]
    bars = axes.bar(range(len(table)), table.top5_error_pct, color=colours, width=0.7)
    bars[list(table.entry).index("Human")].set_hatch("//")
    for i, row in enumerate(table.itertuples()):
        axes.annotate(
            f"{row.top5_error_pct:g} %", (i, row.top5_error_pct), (0, 3), textcoords="offset points", ha="center"
        )
    names = [
        f"{row.entry}\n{'' if pandas.isna(row.year) else int(row.year)}\n{_layers(row.note)}"
        for row in table.itertuples()
    ]
    axes.set_xticks(range(len(table)), names, fontsize=9)
    tidy(axes, "", "ImageNet top-5 error (%)")
    picture.alt = "Bars of ImageNet top-5 error: " + ", ".join(
        f"{row.entry} {'' if pandas.isna(row.year) else f'({int(row.year)}) '}{row.top5_error_pct:g} %"
        for row in table.itertuples()
    )
    return picture


def _layers(note: str) -> str:
    """The part of a note that tells a depth, as "152 layers"."""
    words = str(note).split(";")[0]
    return words if words.endswith("layers") else ""


@figure
def learning_curves(
    table: pandas.DataFrame, epochs: int, title: str = "", beside: pandas.DataFrame | None = None
) -> Picture:
    """Training and test error over the epochs, a line for each net and seed.

    `table` has the columns net, seed, epoch, training_error and test_error (per cent); `epochs` is the full length,
    so that the axes stay while a curve grows. `beside` is a table of other runs, drawn pale.
    """
    picture = Picture(900, 370)
    pair = picture.subplots(1, 2, sharey=True)
    picture.subplots_adjust(left=0.07, right=0.81, bottom=0.14, top=0.84, wspace=0.06)
    tables = [table.assign(pale=False)] if beside is None else [table.assign(pale=False), beside.assign(pale=True)]
    rows = pandas.concat(tables)
    styles = styles_of(rows.net)
    for axes, error in zip(pair, ("training", "test"), strict=True):
        labelled = set()
        for (net, _, is_pale), run in rows.groupby(["net", "seed", "pale"], sort=False):
            style = {**styles[net], "markevery": max(1, epochs // 15)}
            strength = {"alpha": 0.3, "markersize": 3} if is_pale else {"linewidth": 2, "markersize": 5, "zorder": 3}
            label = None if net in labelled else net
            labelled.add(net)
            axes.plot(run.epoch, run[f"{error}_error"], label=label, **style, **strength)
        axes.set(xlim=(0.5, epochs + 0.5), ylim=(-2, 100))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        tidy(axes, "epoch", "error (%)" if error == "training" else "", f"{error} error")
    pair[1].legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False)
    picture.suptitle(title, fontsize=11)
    last = table.groupby(["net", "seed"], sort=False).tail(1)
    picture.alt = "Training and test error over the epochs. Last: " + "; ".join(
        f"{row.net} training {row.training_error:.1f} %, test {row.test_error:.1f} %" for row in last.itertuples()
    )
    return picture


@figure
def mean_curves(table: pandas.DataFrame) -> Picture:
    """Training and test error over the epochs: the mean of each net's seeds on a band from the least to the greatest.

    `table` is that of `learning_curves`.
    """
    picture = Picture(900, 370)
    pair = picture.subplots(1, 2, sharey=True)
    picture.subplots_adjust(left=0.07, right=0.81, bottom=0.14, top=0.9, wspace=0.06)
    words, styles = [], styles_of(table.net)
    for axes, error in zip(pair, ("training", "test"), strict=True):
        for net, runs in table.groupby("net", sort=False):
            seeds, style = runs.groupby("epoch")[f"{error}_error"].agg(["min", "mean", "max"]), styles[net]
            axes.fill_between(seeds.index, seeds["min"], seeds["max"], color=style["color"], alpha=0.2, linewidth=0)
            axes.plot(seeds.index, seeds["mean"], label=net, markersize=5, markevery=max(1, len(seeds) // 15), **style)
            low, high = seeds.iloc[-1][["min", "max"]]
            words.append(f"{net} {error} {low:.1f} to {high:.1f} %")
        axes.set(xlim=(0.5, table.epoch.max() + 0.5), ylim=(-2, 100))
        tidy(axes, "epoch", "error (%)" if error == "training" else "", f"{error} error")
    title = "mean of the seeds\non their range"
    pair[1].legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, title=title)
    picture.alt = "Errors over the epochs. Last: " + "; ".join(words)
    return picture


@figure
def error_against_depth(table: pandas.DataFrame, epoch: int, error: str = "training") -> Picture:
    """The error after one epoch against the depth, plain and residual; a dot for each seed, a line through the means.

    `table` is that of `learning_curves`; `error` is "training" or "test".
    """
    rows = table[table.epoch == epoch].assign(depth=lambda t: t.net.map(depth_of), family=lambda t: t.net.map(family))
    column = f"{error}_error"
    picture = Picture(560, 340)
    axes = picture.add_axes((0.12, 0.15, 0.85, 0.75))
    words = []
    for kind, line in (("plain", "-"), ("residual", "--")):
        own = rows[rows.family == kind]
        means = own.groupby("depth")[column].mean()
        axes.plot(own.depth, own[column], MARKERS[kind], color=COLOURS[kind], alpha=0.45, markersize=6)
        axes.plot(means.index, means, line, color=COLOURS[kind], label=f"{kind}, mean", linewidth=2)
        words.append(f"{kind}: " + ", ".join(f"{depth} layers {mean:.1f} %" for depth, mean in means.items()))
    depths = sorted(set(map(depth_of, table.net)))
    axes.set(ylim=(-3, 116), xlim=(min(depths) - 3, max(depths) + 3), xticks=depths, yticks=range(0, 101, 20))
    axes.legend(loc="upper left", ncols=2, frameon=False)
    tidy(axes, "depth (layers)", f"{error} error (%)", f"{error} error after epoch {epoch} of {table.epoch.max()}")
    picture.alt = f"{error.capitalize()} error against depth after epoch {epoch}. " + "; ".join(words)
    return picture


@figure
def run_curves(table: pandas.DataFrame, ends: pandas.DataFrame) -> Picture:
    """Figure 2 of the review, and of any runs: errors over iterations, a row for each family of nets.

    `table` is that of `learning_curves` with the column iteration; `ends` has the papers' errors at the end of their
    schedules: net, training_error_pct, test_error_pct, NaN where they print none. Runs of one net are told apart by
    their seed and, where `table` has that column, their folder ("run").
    """
    kinds = [kind for kind in ("plain", "residual", "preact", "dense") if kind in set(table.net.map(family))]
    one_run, styles = [name for name in ("seed", "run") if name in table], styles_of(table.net)
    picture = Picture(900, 280 * len(kinds))
    rows = picture.subplots(len(kinds), 2, sharex=True, sharey=True, squeeze=False)
    edge = 0.18 / len(kinds)
    picture.subplots_adjust(left=0.065, right=0.79, bottom=edge, top=1 - 0.7 * edge, wspace=0.1, hspace=0.2)
    words = []
    for kind, pair in zip(kinds, rows, strict=True):
        own = table[table.net.map(family) == kind]
        for axes, error in zip(pair, ("training", "test"), strict=True):
            for net in dict.fromkeys(own.net):
                style = styles[net]
                for i, (_, run) in enumerate(own[own.net == net].groupby(one_run)):
                    label = f"_{net}" if i else net  # one line of the legend for all seeds
                    every = max(1, len(run) // 12)
                    axes.plot(run.iteration, run[f"{error}_error"], label=label, markersize=5, markevery=every, **style)
                for end in ends.loc[ends.net == net, f"{error}_error_pct"].dropna():
                    line = {"color": "0.35", "linewidth": 1, "linestyle": style["linestyle"]}
                    name = f"{net} in the paper" if len(net) < 10 else f"{net}\nin the paper"
                    axes.axhline(end, label=name, **line)
            axes.set(xlim=(0, None), ylim=(0, 92))
            below, left = "iterations" if kind == kinds[-1] else "", "error (%)" if error == "training" else ""
            tidy(axes, below, left, f"{kind} nets, {error} error")
        pair[1].legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=9)
        last = own.groupby(["net", *one_run], sort=False).tail(1)
        words += [f"{r.net} training {r.training_error:.1f} %, test {r.test_error:.1f} %" for r in last.itertuples()]
    picture.alt = "Errors over iterations. Last: " + "; ".join(words)
    return picture


@figure
def printed(table: pandas.DataFrame, title: str = "") -> Picture:
    """A table as a picture, its index first; fractions with two places, and "; " begins a new line of a cell."""
    words = table.map(lambda value: f"{value:.2f}" if isinstance(value, float) else str(value))
    rows = [["", *words.columns], *([name, *row] for name, *row in words.itertuples())]
    rows = [[cell.replace("; ", "\n") for cell in row] for row in rows]
    # Some 7 pixels a letter at this size, and a line of 18.
    widths = [20 + 7 * max(len(line) for row in rows for line in row[i].split("\n")) for i in range(len(rows[0]))]
    heights = [10 + 18 * max(cell.count("\n") + 1 for cell in row) for row in rows]
    picture = Picture(sum(widths) + 20, sum(heights) + 50)
    axes = picture.add_axes((0, 0, 1, 1), xlim=(0, picture.size[0]), ylim=(picture.size[1], 0))
    axes.axis("off")
    axes.text(10, 20, title, va="center", fontsize=11)
    for i, row in enumerate(rows):
        top = 40 + sum(heights[:i])
        axes.axhline(top, color="0.8", linewidth=2 if i == 1 else 0.7)
        for j, cell in enumerate(row):
            weight = "bold" if i == 0 else "normal"
            axes.text(10 + sum(widths[:j]), top + heights[i] / 2, cell, va="center", fontsize=9, weight=weight)
    picture.alt = f"{title}. " + "; ".join(
        f"{name}: " + ", ".join(f"{column} {value}" for column, value in row.items()) for name, row in words.iterrows()
    )
    return picture


@figure
def samples(data: Data) -> Picture:
    """The first test image of each class."""
    picture = Picture(min(75 * len(data.classes), 900), 100)
    for i, (name, axes) in enumerate(zip(data.classes, picture.subplots(1, len(data.classes)), strict=True)):
        image = data.test_images[data.test_labels == i][0].permute(1, 2, 0)
        axes.imshow(image.squeeze(-1).numpy(), cmap="gray_r")
        axes.set_title(name, fontsize=9)
        axes.axis("off")
    picture.alt = f"One test image of each class of {data.name}: {', '.join(data.classes)}"
    return picture


@figure
def side_by_side(nets: Mapping[str, Trace]) -> Picture:
    """Figure 3 of the review: nets drawn layer by layer in columns, grouped by the side of their feature maps.

    Solid arcs are identity shortcuts, dotted arcs those that change dimensions.
    """
    sides = sorted({layer.size for net in nets.values() for layer in net.layers}, reverse=True)
    heights = [max(sum(layer.size == side for layer in net.layers) for net in nets.values()) for side in sides]
    tops = {side: sum(heights[:i]) + 0.6 * i for i, side in enumerate(sides)}
    total = sum(heights) + 0.6 * len(sides)
    picture = Picture(760, int(20 * (total + 2)))
    axes = picture.add_axes((0.09, 0, 0.91, 1))
    axes.set(xlim=(0, len(nets)), ylim=(total, -2))
    axes.axis("off")

    shades = ("#f0f0f0", "#dbe9f6", "#fde5cc", "#dff0d8", "#f5d9e8", "#e5dcf0", "#eeeeee")
    shades = dict(zip(sides, cycle(shades), strict=False))
    for side in sides:
        axes.text(-0.02, tops[side] + 0.4, f"maps\n{side[0]} × {side[1]}", ha="right", va="center", fontsize=8)
        axes.axhline(tops[side] - 0.32, color="0.85", linewidth=0.7)
    for column, (name, net) in enumerate(nets.items()):
        title = f"{name}\n{net.multiply_adds / 1e9:.2f} × 10⁹ multiply–adds"
        axes.text(column + 0.45, -1.15, title, ha="center", va="center", weight="bold", fontsize=9)
        filled = dict.fromkeys(sides, 0)
        rows = []
        for layer in net.layers:
            y = tops[layer.size] + filled[layer.size]
            filled[layer.size] += 1
            rows.append(y + 0.4)
            axes.add_patch(
                Rectangle((column + 0.12, y), 0.66, 0.8, facecolor=shades[layer.size], edgecolor="0.4", linewidth=0.6)
            )
            axes.text(column + 0.45, y + 0.42, _describe(layer), ha="center", va="center", fontsize=7)
        for before, after in zip(rows, rows[1:], strict=False):
            axes.plot((column + 0.45,) * 2, (before + 0.4, after - 0.4), color="0.4", linewidth=0.7)
        for shortcut in net.shortcuts:
            _arc(axes, column + 0.78, rows[shortcut.first] - 0.48, rows[shortcut.last] + 0.48, shortcut.changes)
    picture.alt = "Layer by layer, side by side: " + "; ".join(
        f"{name}, {sum(layer.kind != 'pool' for layer in net.layers)} weighted layers, {len(net.shortcuts)} shortcuts, "
        f"{net.multiply_adds / 1e9:.2f} × 10⁹ multiply–adds"
        for name, net in nets.items()
    )
    return picture


def _describe(layer: Layer) -> str:
    """As the paper labels it: "3×3 conv, 128, /2"."""
    if layer.kind == "linear":
        return f"fc {layer.channels}"
    if layer.kind == "pool":
        return f"pool, /{layer.stride}" if layer.size > (1, 1) else "average pool"
    halving = f", /{layer.stride}" if layer.stride > 1 else ""
    return f"{layer.kernel}×{layer.kernel} conv, {layer.channels}{halving}"


def _arc(axes: Axes, x: float, top: float, bottom: float, dotted: bool) -> None:
    arrow = {
        "arrowstyle": "-|>",
        "connectionstyle": "arc3,rad=-0.55",
        "linestyle": ":" if dotted else "-",
        "color": COLOURS["residual"],
        "linewidth": 1.3,
        "shrinkA": 0,
        "shrinkB": 0,
        "mutation_scale": 7,
    }
    axes.annotate("", xy=(x, bottom), xytext=(x, top), arrowprops=arrow)
