"""Plots over a long table: a row for each net, seed and step of what is measured.

A family has its colour and marker everywhere, a depth its line, and all seeds of a net look alike.
"""

from collections.abc import Collection, Mapping
from itertools import cycle
from textwrap import fill

import numpy
import pandas
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from paper_nets.lab.identity import KINDS
from paper_nets.show.picture import COLOURS, MARKERS, Picture, family, figure
from paper_nets.show.style import at_least_decades, depth_of, plain_log, style_of, styles_of, tidy


@figure
def lines(
    table: pandas.DataFrame,
    x: str,
    columns: Mapping[str, str],
    x_label: str,
    title: str = "",
    log: Collection[str] = (),
    limits: Mapping[str, tuple[float, float]] | None = None,
    styles: Mapping[str, Mapping] | None = None,
    decades: float = 0,
    mark: float | None = None,
    right: float = 0.8,
    alt: str = "",
) -> Picture:
    """A line for each net and seed, on an axes for each column.

    Args:
        table: net, seed, `x` and the columns; label, where the legend is to say more than the net's name.
        columns: what to draw, with the words over its axes.
        x_label: the words under each axes.
        log: those of `x` and the columns that have a logarithmic axis.
        limits: the ends of a column's axis.
        styles: how a label looks, where that is not `style_of` its net.
        decades: the least that a logarithmic axis shows, so that what is level looks level.
        mark: a value of `x` to mark by a line.
        right: where the axes end and the legend begins, as a share of the picture's width.
        alt: the picture in words; by default the last value of each line.
    """
    table = _labelled(table)
    picture = Picture(900, 350)
    row = picture.subplots(1, len(columns), squeeze=False)[0]
    picture.subplots_adjust(left=0.075, right=right, bottom=0.15, top=0.84, wspace=0.26)
    for axes, (column, words) in zip(row, columns.items(), strict=True):
        in_legend = set()
        for (net, label, _), run in table.groupby(["net", "label", "seed"], sort=False):
            look = {"markersize": 4, "markevery": max(1, len(run) // 12), "alpha": 0.85}
            look |= (styles or {}).get(label) or style_of(net)
            axes.plot(run[x], run[column], label=None if label in in_legend else label, **look)
            in_legend.add(label)
        if mark is not None:
            axes.axvline(mark, color="black", linewidth=0.8)
        if x in log:
            plain_log(axes.xaxis)
        else:
            axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
        if column in log:
            plain_log(axes.yaxis)
        if decades:
            at_least_decades(axes, decades)
        if column in (limits or {}):
            axes.set_ylim(*limits[column])
        tidy(axes, x_label, "", words)
    _legend(row[-1])
    picture.suptitle(title, fontsize=11)
    last = table.groupby(["label", "seed"], sort=False).tail(1)[["label", *columns]]
    values = (f"{label} " + ", ".join(f"{value:.3g}" for value in own) for label, *own in last.itertuples(index=False))
    picture.alt = alt or f"{title}. {', '.join(columns.values())} at the last {x}: {'; '.join(values)}"
    return picture


def _legend(axes: Axes, **look) -> None:
    """Outside, on the right, where it covers nothing."""
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=9, **look)


def _labelled(table: pandas.DataFrame) -> pandas.DataFrame:
    """The table with a label for each row, that of its net unless it has one."""
    return table if "label" in table else table.assign(label=table.net)


def _told_apart(table: pandas.DataFrame) -> dict[str, dict]:
    """Looks for nets of one family and depth, which `style_of` does not tell apart: another line each, in order."""
    nets = _labelled(table).drop_duplicates("label").set_index("label").net
    return {
        label: {**style_of(net), "linestyle": line}
        for (label, net), line in zip(nets.items(), cycle(("-", "--", ":", "-.")), strict=False)
    }


def _each(values: pandas.Series, form: str = "{:.2f}") -> str:
    """A value for each net, in words: "plain20 0.12; plain56 0.03"."""
    return "; ".join(f"{net} {form.format(value)}" for net, value in values.items())


def _mean_by_net(table: pandas.DataFrame, column: str) -> pandas.Series:
    return table.groupby("net", sort=False)[column].mean()


def _dots_and_means(axes: Axes, own: pandas.DataFrame, x: str, y: str, label: str, kind: str, line: str = "-"):
    """A pale dot for each run, and a line through their means, which is given back."""
    means = own.groupby(x)[y].mean()
    axes.plot(own[x], own[y], MARKERS[kind], color=COLOURS[kind], alpha=0.4, markersize=5, linestyle="none")
    axes.plot(means.index, means, line, marker=MARKERS[kind], color=COLOURS[kind], linewidth=2, label=label)
    return means


def _error_axes(top: float) -> tuple[Picture, dict[str, Axes]]:
    """Axes for the training error and the test error, on one scale."""
    picture = Picture(900, 370)
    pair = picture.subplots(1, 2, sharey=True)
    picture.subplots_adjust(left=0.07, right=0.81, bottom=0.14, top=top, wspace=0.06)
    return picture, dict(zip(("training", "test"), pair, strict=True))


def _error_axis(axes: Axes, error: str, epochs: int) -> None:
    axes.set(xlim=(0.5, epochs + 0.5), ylim=(-2, 100))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    tidy(axes, "epoch", "error (%)" if error == "training" else "", f"{error} error")


@figure
def learning_curves(
    table: pandas.DataFrame, epochs: int, title: str = "", beside: pandas.DataFrame | None = None
) -> Picture:
    """Training and test error over the epochs, a line for each net and seed.

    Args:
        table: net, seed, epoch, training_error and test_error (per cent).
        epochs: the full length, so that the axes stay while a curve grows.
        beside: a table of other runs, drawn pale.
    """
    picture, pair = _error_axes(top=0.84)
    tables = [table.assign(pale=False)] if beside is None else [table.assign(pale=False), beside.assign(pale=True)]
    rows = pandas.concat(tables)
    styles = styles_of(rows.net)
    for error, axes in pair.items():
        labelled = set()
        for (net, _, is_pale), run in rows.groupby(["net", "seed", "pale"], sort=False):
            style = {**styles[net], "markevery": max(1, epochs // 15)}
            strength = {"alpha": 0.3, "markersize": 3} if is_pale else {"linewidth": 2, "markersize": 5, "zorder": 3}
            label = None if net in labelled else net
            labelled.add(net)
            axes.plot(run.epoch, run[f"{error}_error"], label=label, **style, **strength)
        _error_axis(axes, error, epochs)
    _legend(pair["test"])
    picture.suptitle(title, fontsize=11)
    last = table.groupby(["net", "seed"], sort=False).tail(1)
    picture.alt = "Training and test error over the epochs. Last: " + "; ".join(
        f"{row.net} training {row.training_error:.1f} %, test {row.test_error:.1f} %" for row in last.itertuples()
    )
    return picture


@figure
def mean_curves(table: pandas.DataFrame) -> Picture:
    """Training and test error over the epochs: the mean of each net's seeds on a band from the least to the greatest.

    Args:
        table: as that of `learning_curves`.
    """
    import seaborn  # here, since it takes most of a second to import

    picture, pair = _error_axes(top=0.9)
    words, styles = [], styles_of(table.net)
    for error, axes in pair.items():
        column = f"{error}_error"
        for net, runs in table.groupby("net", sort=False):
            look = {"label": net, "markersize": 5, "markevery": max(1, runs.epoch.nunique() // 15), **styles[net]}
            seaborn.lineplot(runs, x="epoch", y=column, errorbar=("pi", 100), ax=axes, legend=False, **look)
            last = runs[runs.epoch == runs.epoch.max()][column]
            words.append(f"{net} {error} {last.min():.1f} to {last.max():.1f} %")
        _error_axis(axes, error, table.epoch.max())
    _legend(pair["test"], title="mean of the seeds\non their range")
    picture.alt = "Errors over the epochs. Last: " + "; ".join(words)
    return picture


@figure
def error_against_depth(table: pandas.DataFrame, epoch: int, error: str = "training") -> Picture:
    """The error after one epoch against the depth, plain and residual; a dot for each seed, a line through the means.

    Args:
        table: as that of `learning_curves`.
        error: "training" or "test".
    """
    rows = table[table.epoch == epoch].assign(depth=lambda t: t.net.map(depth_of), family=lambda t: t.net.map(family))
    picture = Picture(560, 340)
    axes = picture.add_axes((0.12, 0.15, 0.85, 0.75))
    words = []
    for kind, line in (("plain", "-"), ("residual", "--")):
        own = rows[rows.family == kind]
        means = _dots_and_means(axes, own, "depth", f"{error}_error", f"{kind}, mean", kind, line)
        words.append(f"{kind}: " + ", ".join(f"{depth} layers {mean:.1f} %" for depth, mean in means.items()))
    depths = sorted(set(map(depth_of, table.net)))
    axes.set(ylim=(-3, 116), xlim=(min(depths) - 3, max(depths) + 3), xticks=depths, yticks=range(0, 101, 20))
    axes.legend(loc="upper left", ncols=2, frameon=False)
    tidy(axes, "depth (layers)", f"{error} error (%)", f"{error} error after epoch {epoch} of {table.epoch.max()}")
    picture.alt = f"{error.capitalize()} error against depth after epoch {epoch}. " + "; ".join(words)
    return picture


@figure
def spread(table: pandas.DataFrame, x: str, title: str = "") -> Picture:
    """Training and test error against column `x`, a line through the means of each net, and a dot for each run.

    Args:
        table: `x`, net (or a family as "dense", for a line over many nets), training_error and test_error (per cent).
    """
    picture = Picture(860, 340)
    pair = picture.subplots(1, 2)
    picture.subplots_adjust(left=0.07, right=0.82, bottom=0.15, top=0.82, wspace=0.18)
    words = []
    for axes, error in zip(pair, ("training_error", "test_error"), strict=True):
        for net, own in table.groupby("net", sort=False):
            means = _dots_and_means(axes, own, x, error, net, family(net))
            if error == "test_error":
                words.append(f"{net} " + ", ".join(f"{value:.1f} at {at:g}" for at, value in means.items()))
        plain_log(axes.xaxis, sorted(table[x].unique()))
        axes.set_ylim(0, max(5, 1.1 * table[error].max()))
        tidy(axes, x, "error (%)" if axes is pair[0] else "", error.replace("_", " "))
    _legend(pair[1])
    picture.suptitle(title, fontsize=11)
    picture.alt = f"{title}. Test error in per cent, mean, by {x}: {'; '.join(words)}"
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
        _legend(pair[1])
        last = own.groupby(["net", *one_run], sort=False).tail(1)
        words += [f"{r.net} training {r.training_error:.1f} %, test {r.test_error:.1f} %" for r in last.itertuples()]
    picture.alt = "Errors over iterations. Last: " + "; ".join(words)
    return picture


BY_LAYER = {
    "signal": "‖∂loss/∂output‖ of the layer",
    "gradient": "‖∂loss/∂W‖ of the layer",
    "weight": "‖W‖ of the layer",
    "influence": "‖∂loss/∂W‖ · ‖W‖ of the layer",
}


@figure
def gradient_by_layer(table: pandas.DataFrame, title: str = "", columns=("signal", "gradient")) -> Picture:
    """Figure 4 of the review, measured: the gradient at every layer, on its way from the output back to the input.

    Args:
        table: that of `gradient_norms` with net, seed and the layer's number added.
        columns: two of its columns.
    """
    # On a logarithmic axis; a net without batch norm may have died.
    table = _labelled(table)
    shown = table.assign(**{column: table[column].where(table[column] > 0) for column in columns})
    alive = [column for column in columns if shown[column].notna().any()]
    words = {column: BY_LAYER[column] for column in columns}
    x_label = "layer (the gradient comes from the right)"
    picture = lines(shown, "layer", words, x_label, title, log=alive, decades=4)
    for axes in picture.axes:
        axes.set_xlim(0, table.layer.max() + 1)
    column, runs = columns[0], table.groupby(["label", "seed"], sort=False)
    # The last layer is the classifier.
    ratio = runs[column].agg(lambda values: values.iloc[0] / values.iloc[-2] if values.iloc[-2] else 0.0)
    if (runs[column].median() == 0).any():
        picture.text(0.3, 0.5, "all or most of them are exactly 0", ha="center", color="0.35")
    medians = _each(ratio.groupby("label", sort=False).median(), "{:.2g}")
    picture.alt = f"{title}. {BY_LAYER[column]}, the first over the last convolution's: {medians}"
    return picture


@figure
def zero_units(table: pandas.DataFrame) -> Picture:
    """What ReLUs put out as zero, along a net; `table` is that of `relu_zeros` with net and seed added."""
    shown = _labelled(table).assign(zero=100 * table.zero, dead=100 * table.dead)
    columns = {"zero": "share of outputs that are 0 (%)", "dead": "units that are 0 for every image (%)"}
    means = shown.groupby("label", sort=False)[["zero", "dead"]].mean()
    alt = "Mean over all ReLUs: " + "; ".join(
        f"{net} {row.zero:.0f} % of outputs zero, {row.dead:.0f} % of units dead" for net, row in means.iterrows()
    )
    styles, limits = _told_apart(table), dict.fromkeys(columns, (0, 100))
    return lines(shown, "relu", columns, "ReLU, from the input", limits=limits, styles=styles, right=0.76, alt=alt)


@figure
def gradient_turns(table: pandas.DataFrame) -> Picture:
    """How soon the gradient by the image points elsewhere.

    `table` is that of `gradient_similarity` with net and seed added.
    """
    share = min(table.share, key=lambda x: abs(numpy.log(x / 0.01)))
    means = _each(_mean_by_net(table[table.share == share], "similarity"))
    alt = f"Cosine of the gradients at an image and {share:g} of the way to another: {means}"
    columns, x_label = {"similarity": "cosine of the two gradients"}, "how far toward another image (1: all the way)"
    return lines(table, "share", columns, x_label, log=["share"], limits={"similarity": (-0.1, 1.05)}, alt=alt)


@figure
def one_step(table: pandas.DataFrame) -> Picture:
    """What one step down the gradient does; `table` is that of `loss_along_gradient` with net and seed added."""
    table = table.assign(kept=100 * table.change / table.promised)
    columns = {"change": "change of the loss", "kept": "change, in % of the promised one"}
    limits = {"change": (min(-0.5, 1.1 * table.change.min()), 1), "kept": (min(-20, 1.1 * table.kept.min()), 110)}
    best = -table.groupby(["net", "seed"], sort=False).change.min().groupby("net", sort=False).mean()
    alt = f"The most that one step can take off the loss: {_each(best)}"
    picture = lines(table, "rate", columns, "learning rate of the step", log=["rate"], limits=limits, alt=alt)
    for axes in picture.axes:
        axes.axhline(0, color="black", linewidth=0.8)
    return picture


@figure
def path_lengths(table: pandas.DataFrame) -> Picture:
    """How many paths of which length, the gradient of one of them, and that of all of one length together.

    `table` is that of `path_lengths` with net and seed added; nets of one family get different lines, in their order.
    """
    shown = _labelled(table).assign(share=100 * table.share, paths=table.paths / 1e6)
    columns = {"paths": "million paths", "gradient": "norm of one path's gradient", "share": "share of the sum (%)"}
    mean = shown.assign(mean=table.length * table.share).groupby(["label", "seed"], sort=False)["mean"].sum()
    passed = _each(mean.groupby("label", sort=False).mean(), "{:.1f}")
    alt = f"Of {table.length.max()} blocks, the gradient passes on average through F in: {passed}"
    styles = _told_apart(table)
    return lines(shown, "length", columns, "blocks passed through F", log=["gradient"], styles=styles, alt=alt)


@figure
def identity_errors(table: pandas.DataFrame, title: str, steps: int) -> Picture:
    """How far a stack is from what it was asked for, and how much its blocks add to their input, over the steps.

    Args:
        table: that of `learn_identity`, of several kinds and seeds together.
        steps: fixes the axis.
    """
    styles = {}
    for kind, label in KINDS.items():
        of = "plain" if kind == "plain" else "residual"
        styles[label] = {"color": COLOURS[of], "marker": MARKERS[of], "linestyle": "-" if kind == "plain" else "--"}
        styles[label] |= {"clip_on": False, "markevery": max(1, steps // 6), "markersize": 6}
    styles[KINDS["zero_init"]] |= {"linestyle": ":", "markerfacecolor": "white"}
    shown = table.assign(net=table.kind, label=table.kind.map(KINDS))
    columns = {"error": "‖y − target‖ / ‖target‖", "residual": "‖F(x)‖ / ‖x‖  (plain: ‖y − x‖ / ‖x‖)"}
    limits = {column: (-0.05, max(2, 1.05 * table[column].max())) for column in columns}
    last = shown.groupby(["kind", "seed"], sort=False).tail(1)
    ends = "; ".join(f"{row.label} seed {row.seed} {row.error:.3f}" for row in last.itertuples())
    alt = f"{title}. Error after step {last.step.max()}: {ends}"
    picture = lines(shown, "step", columns, "step", title, limits=limits, styles=styles, right=0.78, alt=alt)
    for axes in picture.axes:
        axes.set_xlim(0, steps)
    return picture


@figure
def responses(table: pandas.DataFrame, untouched: float | None = None) -> Picture:
    """The response of each layer along a net (ResNet paper, Figure 7).

    Args:
        table: net, layer number and response.
        untouched: the response of a layer that nothing but weight decay has changed, to be drawn beside them.
    """
    sizes = table.groupby("net", sort=False).response.agg(["max", "median"])
    words = [f"{net} {row['max']:.2f} at most, {row['median']:.2f} in the middle" for net, row in sizes.iterrows()]
    columns = {"response": "layer responses: standard deviation after BN"}
    picture = lines(table.assign(seed=0), "layer", columns, "layer, from the input", log=["response"])
    (axes,) = picture.axes
    if untouched is not None:
        words.append(f"untouched by all but weight decay: {untouched:.2f}")
        axes.axhline(untouched, color=COLOURS["other"], linewidth=1, label="untouched,\nbut for decay")
        _legend(axes)
    at_least_decades(axes, 0.2)
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high > 5 * low else (1, 1.1, 1.2, 1.5, 2, 3, 5, 7, 8, 9)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    picture.alt = f"Layer responses: {'; '.join(words)}"
    return picture


@figure
def information(table: pandas.DataFrame, block: int | None = None, unit: str = "block") -> Picture:
    """What a linear probe still reads after so many blocks.

    Args:
        table: that of `recovered` with net and seed added.
        block: where given, marked by a line; the title says how things stand there.
        unit: what the column `block` counts, where that is something else.
    """
    table, at = _labelled(table), table.block.max() if block is None else block
    # A net whose table ends before stands there with its last row.
    there = table[table.block <= at].groupby(["label", "seed"]).tail(1)
    means = there.groupby("label", sort=False)[["accuracy", "similarity"]].mean()
    ends = " or ".join(map(str, sorted(there.block.unique())))
    alt = f"After {ends} {unit}s, mean over the seeds: " + "; ".join(
        f"{net} {row.accuracy:.0f} % recognised, cosine {row.similarity:.2f}" for net, row in means.iterrows()
    )
    columns = {"accuracy": "digits recognised by a linear probe (%)", "similarity": "cosine of two different images"}
    limits, title = {"accuracy": (0, 105), "similarity": (0, 1.05)}, "" if block is None else fill(alt, 115)
    picture = lines(table, "block", columns, f"{unit}s passed", title, limits=limits, mark=block, alt=alt)
    picture.axes[0].axhline(10, color=COLOURS["other"], linewidth=1)  # what guessing gives
    return picture


@figure
def published_depth(imagenet: pandas.DataFrame, cifar: pandas.DataFrame, scales: pandas.DataFrame) -> Picture:
    """The papers' errors against depth: ImageNet on the left, CIFAR-10 on the right; a line for each family.

    `imagenet` has net and top1_error_pct, tested with ten crops; `scales` the same of residual nets, tested at several
    scales; `cifar` has net and test_error_pct.
    """
    picture = Picture(860, 350)
    pair = picture.subplots(1, 2)
    picture.subplots_adjust(left=0.075, right=0.98, bottom=0.15, top=0.86, wspace=0.2)
    sides = (
        (imagenet, "top1_error_pct", "ImageNet, top-1 error (%)"),
        (cifar, "test_error_pct", "CIFAR-10, test error (%)"),
    )
    words = []
    for axes, (table, column, title) in zip(pair, sides, strict=True):
        table = table.assign(depth=table.net.map(depth_of), family=table.net.map(family)).sort_values("depth")
        for kind, own in table.groupby("family", sort=False):
            axes.plot(own.depth, own[column], marker=MARKERS[kind], color=COLOURS[kind], label=kind)
            words += [f"{net} {error:g} %" for net, error in zip(own.net, own[column], strict=True)]
        if axes is pair[0]:
            deep = scales.assign(depth=scales.net.map(depth_of)).sort_values("depth")
            style = {"marker": MARKERS["residual"], "color": COLOURS["residual"], "markerfacecolor": "white"}
            axes.plot(deep.depth, deep[column], linestyle=":", label="residual, several scales", **style)
            words += [f"{n} at several scales {error:g} %" for n, error in zip(deep.net, deep[column], strict=True)]
        axes.set_xscale("log")
        depths = table.depth.unique()
        axes.set_xticks(depths, [str(depth) for depth in depths], fontsize=8)
        axes.minorticks_off()
        tidy(axes, "layers (logarithmic)", "", title)
        axes.legend(frameon=False)
    picture.alt = f"Published errors against depth. {'; '.join(words)}"
    return picture


@figure
def lesions(one: pandas.DataFrame, many: pandas.DataFrame, block: int | None = None) -> Picture:
    """The test error with one block passed by, left, and with several of them, or after swaps, right.

    `one` has net, seed, block (0 for the whole net) and test_error (%); `many` has net, kind ("deleted" or "swapped"),
    number and test_error. block: where given, marked by a line, its errors in the title.
    """
    picture = Picture(900, 360)
    left, right = picture.subplots(1, 2, sharey=True)
    picture.subplots_adjust(left=0.065, right=0.78, bottom=0.15, top=0.83, wspace=0.08)
    for (net, seed), run in one[one.block > 0].groupby(["net", "seed"], sort=False):
        label = net if seed == one[one.net == net].seed.iloc[0] else None
        style = {**style_of(net), "markersize": 4}
        left.plot(run.block, run.test_error, label=label, alpha=0.8, **style)
    if block is not None:
        left.axvline(block, color="black", linewidth=0.8)
    for (net, kind), run in many.groupby(["net", "kind"], sort=False):
        means = run.groupby("number").test_error.agg(["mean", "min", "max"])
        style = {"color": style_of(net)["color"], "marker": MARKERS[family(net)], "markersize": 5}
        if kind == "swapped":
            style |= {"linestyle": ":", "markerfacecolor": "white"}
        right.fill_between(means.index, means["min"], means["max"], color=style["color"], alpha=0.12, linewidth=0)
        right.plot(means.index, means["mean"], label=f"{net}, {kind}", **style)
    left.set_ylim(-3, 100)
    tidy(left, "block passed by, from the input", "test error (%)", "one block less")
    tidy(right, "blocks deleted, or pairs swapped", "", "several, mean and range")
    left.legend(frameon=False, fontsize=9)
    _legend(right)
    words = []
    for net, own in one.groupby("net", sort=False):
        whole = own[own.block == 0].test_error.mean()
        cut = own[own.block == block] if block is not None else own[own.block > 0]
        if len(cut):
            words.append(f"{net} {cut.test_error.mean():.1f} % (whole: {whole:.1f} %)")
    which = "one block, mean over all" if block is None else f"block {block}"
    picture.alt = f"Test error without {which}: {'; '.join(words)}"
    picture.suptitle(picture.alt, fontsize=9)
    return picture
