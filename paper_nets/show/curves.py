"""Plots over a long table: a row for each net, seed and step of what is measured.

A family has its colour and marker everywhere, a depth its line, and all seeds of a net look alike. Each line is named
at its end.
"""

from collections.abc import Collection, Mapping, Sequence
from textwrap import fill

import pandas
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator

from paper_nets.nets import plan
from paper_nets.show.picture import COLOURS, MARKERS, Picture, family, figure, spelled
from paper_nets.show.style import plain_log, styles_of, tidy


@figure
def lines(
    table: pandas.DataFrame,
    x: str,
    columns: Mapping[str, str],
    x_label: str = "",
    title: str = "",
    *,
    log: Collection[str] = (),
    ticks: Sequence[float] = (),
    limits: Mapping[str, tuple[float, float]] | None = None,
    decades: float = 0,
    mark: float | None = None,
    level: Mapping[str, float] | None = None,
    mean: bool = False,
    beside: pandas.DataFrame | None = None,
    alt: str = "",
) -> Picture:
    """A line for each net and seed, on an axes for each column.

    Args:
        table: net, seed, `x` and the columns, NaN where a net has none; label, where the legend is to say more than the
            net's name. A net may be the name of a family.
        columns: what to draw, with the words over its axes.
        log: those of `x` and the columns that have a logarithmic axis.
        ticks: values of `x` to name on its axis.
        limits: the ends of the axes of `x` or of a column.
        decades: the least that a logarithmic axis shows, so that what is level looks level.
        mark: a value of `x` to mark by a line; the title says how things stand there.
        level: values of columns to mark by a line.
        mean: at each `x` the mean of all rows with one label, on a band from the least to the greatest.
        beside: a table of other runs, drawn pale.
        alt: the picture in words; by default where each line begins, ends, and has its greatest value, or how things
            stand at `mark`.
    """
    if mean:
        import seaborn  # here, since it takes most of a second to import

    for net in sorted(set(table.net), key=len, reverse=True):
        title, alt = (words.replace(net, spelled(net)) for words in (title, alt))
    limits, table = limits or {}, _labelled(table)
    pale = [] if beside is None else [_labelled(beside).assign(pale=True)]
    rows = pandas.concat([table.assign(pale=False), *pale])
    styles = styles_of(dict(zip(rows.label, rows.net, strict=True)))
    picture = Picture(900, 360)
    row = picture.subplots(1, len(columns), squeeze=False)[0]
    picture.subplots_adjust(left=0.075, right=0.775, bottom=0.15, wspace=0.12 * len(columns))
    for axes, (column, words) in zip(row, columns.items(), strict=True):
        for (label, *_), run in rows.groupby(["label", "pale"] if mean else ["label", "seed", "pale"], sort=False):
            run = run.dropna(subset=column)
            look = {**styles[label], "markersize": 4, "markevery": max(1, run[x].nunique() // 12)}
            look["alpha"] = 0.3 if run.pale.any() else 0.85
            if mean:
                seaborn.lineplot(run, x=x, y=column, errorbar=("pi", 100), ax=axes, legend=False, **look)
            else:
                axes.plot(run[x], run[column], **look)
        for at, draw in ((mark, axes.axvline), ((level or {}).get(column), axes.axhline)):
            if at is not None:
                draw(at, color="black", linewidth=0.8)
        if x in log:
            plain_log(axes.xaxis, ticks)
        else:
            axes.xaxis.set_major_locator(MaxNLocator(min(7, 16 // len(columns)), integer=True))
        if column in log:
            plain_log(axes.yaxis)
            low, high = axes.get_ylim()
            room = max(1, (10**decades * low / high) ** 0.5)
            low, high = limits.get(column, (low / room, high * room))
            axes.set_ylim(low, high)
            if high < 100 * low:  # too few powers of ten to read values by
                axes.yaxis.set_major_locator(MaxNLocator(5) if high < 5 * low else LogLocator(subs=(1, 2, 5)))
                axes.yaxis.set_major_formatter("{x:g}")
        axes.set(xlim=limits.get(x), ylim=limits.get(column))
        tidy(axes, x_label or x, "", words)
    last = rows.dropna(subset=column).groupby(["label", x])[column].mean().groupby(level="label").last()
    ends = {label: (value, styles[label]) for label, value in last.items()}
    _name_lines(row[-1], ends, "mean and range" if mean else "")
    picture.alt = f"{title}. {alt or _in_words(table, x, columns, x_label or x, mark)}".removeprefix(". ")
    title = title if mark is None or alt else fill(picture.alt, 115)
    picture.subplots_adjust(top=0.84 - 0.06 * title.count("\n"))
    picture.suptitle(title, fontsize=11)
    return picture


def _in_words(table: pandas.DataFrame, x: str, columns: Mapping[str, str], x_label: str, mark: float | None) -> str:
    """The means over the seeds: how each line goes, or where it stands at `mark`, or ends before."""
    words = []
    for label, own in table.groupby("label", sort=False):
        means = own.groupby(x)[list(columns)].mean()
        if mark is not None:
            there = means[means.index <= mark]
            values = [f"{value:.3g}" for value in (there.iloc[-1] if len(there) else [])]
        else:
            values = [f"{c.iloc[0]:.3g} to {c.iloc[-1]:.3g}, at most {c.max():.3g}" for _, c in means.items()]
        words.append(f"{label} " + (", " if mark is not None else " and ").join(values))
    begin = f"{x_label} {table[x].min():g}"
    where = f"From {begin} to {table[x].max():g}" if mark is None else f"{x_label}: {mark:g}"
    return f"{where}, {', '.join(columns.values())}: {'; '.join(words)}"


def _labelled(table: pandas.DataFrame) -> pandas.DataFrame:
    """With labels in which nets are spelled as in the text."""
    labels = table.label if "label" in table else table.net
    return table.assign(label=[label.replace(net, spelled(net)) for label, net in zip(labels, table.net, strict=True)])


def _name_lines(axes: Axes, ends: Mapping[str, tuple[float, dict]], above: str = "") -> None:
    """The names of lines on the right, each at the height of its end or as near as the others leave room.

    ends: by its name, a line's last value and its look. above: words above the names.
    """
    width, height = axes.get_window_extent().size
    to_axes, half, places = axes.transData + axes.transAxes.inverted(), 8.5 / height, {}
    names = {label: fill(label.replace(" = ", "\u00a0=\u00a0"), 23) for label in ends}
    sizes = {label: half * (1 + name.count("\n")) for label, name in names.items()}  # half of what a name needs
    bottom = -1.0
    for label in sorted(ends, key=lambda label: ends[label][0]):
        end = min(max(to_axes.transform((1, ends[label][0]))[1], 0), 1)
        places[label] = max(end, bottom + sizes[label])
        bottom = places[label] + sizes[label]
    top = 1 + half
    for label in reversed(places):
        y = places[label] = min(places[label], top - sizes[label])
        top = y - sizes[label]
        x = [1 + pixels / width for pixels in (5, 24, 43, 48)]
        axes.figure.add_artist(Line2D(x[:3], [y] * 3, transform=axes.transAxes, markevery=[1], **ends[label][1]))
        axes.figure.text(x[3], y, names[label], transform=axes.transAxes, va="center", fontsize=9)
    axes.figure.text(1 + 8 / width, 1 + 1.5 * half, above, transform=axes.transAxes, fontsize=9, color="0.35")


def learning_curves(table: pandas.DataFrame, epochs: int, title: str = "", **options) -> Picture:
    """Training and test error over the epochs: `lines`, on axes that stay while a curve grows.

    Args:
        table: net, seed, epoch, training_error and test_error (per cent).
        epochs: the full length.
        options: those of `lines`.
    """
    columns = {"training_error": "training error (%)", "test_error": "test error (%)"}
    limits = {"epoch": (0.5, epochs + 0.5), **dict.fromkeys(columns, (-2, 100))}
    return lines(table, "epoch", columns, title=title, limits=limits, **options)


@figure
def spread(
    table: pandas.DataFrame, x: str, columns: Mapping, title: str = "", log: bool = False, top: float | None = None
) -> Picture:
    """Columns against `x`: a black dot for each run, and a line through the means of each net.

    Args:
        table: `x`, net (or a family, for a line over many nets), and the columns.
        columns: what to draw, with the words over its axes.
        log: a logarithmic axis for `x`.
        top: where the other axis ends.
    """
    picture = Picture(900 if len(columns) > 1 else 700, 350)
    row = picture.subplots(1, len(columns), squeeze=False)[0]
    picture.subplots_adjust(left=0.08, right=0.79 if len(columns) > 1 else 0.73, bottom=0.15, top=0.82, wspace=0.18)
    values, words = sorted(table[x].unique()), []
    for axes, (column, label) in zip(row, columns.items(), strict=True):
        ends = {}
        for net, own in table.groupby("net", sort=False):
            means, look = own.groupby(x)[column].mean(), {"color": COLOURS[family(net)], "marker": MARKERS[family(net)]}
            axes.plot(own[x], own[column], ".", color="black", markersize=4, zorder=3)
            look |= {"linewidth": 2, "linestyle": "--" if family(net) == "residual" else "-"}
            axes.plot(means, **look)
            ends[spelled(net)] = means.iloc[-1], look
            words.append(f"{spelled(net)} " + ", ".join(f"{value:.1f} at {at:g}" for at, value in means.items()))
        axes.set_xticks(values)
        if log:
            plain_log(axes.xaxis, values)
        axes.set_ylim(-0.02 * (top or 0), top or max(5, 1.1 * table[column].max()))
        tidy(axes, x, "", label)
    _name_lines(row[-1], ends, "mean, and a black\ndot for each run")
    picture.suptitle(title, fontsize=11)
    picture.alt = f"{title}. {', '.join(columns.values())}, mean, by {x}: {'; '.join(words)}".removeprefix(". ")
    return picture


def error_against_depth(table: pandas.DataFrame, epoch: int, error: str = "training") -> Picture:
    """The error of plain and residual nets after one epoch against their depth.

    Args:
        table: as that of `learning_curves`.
        error: "training" or "test".
    """
    now = table[table.epoch == epoch]
    now = now.assign(**{"depth (layers)": now.net.map(lambda net: plan(net).depth), "net": now.net.map(family)})
    title = f"after epoch {epoch} of {table.epoch.max()}"
    return spread(now, "depth (layers)", {f"{error}_error": f"{error} error (%)"}, title, top=100)


@figure
def run_curves(table: pandas.DataFrame, ends: pandas.DataFrame) -> Picture:
    """Figure 2 of the review, and of any runs: errors over iterations, a row for each family of nets. A grey band spans
    the papers' errors of these nets; which net has which is in `alt`.

    Args:
        table: that of `learning_curves` with the column iteration, and run, where a net has several of one seed.
        ends: the papers' errors at the end of their schedules: net, training_error_pct, test_error_pct, NaN for none.
    """
    kinds, told = [kind for kind in MARKERS if kind in set(table.net.map(family))], []
    one_run, styles = ["net", *(name for name in ("seed", "run") if name in table)], styles_of(table.net)
    picture = Picture(900, 280 * len(kinds))
    rows = picture.subplots(len(kinds), 2, sharex=True, sharey=True, squeeze=False)
    edge = 0.18 / len(kinds)
    picture.subplots_adjust(left=0.065, right=0.79, bottom=edge, top=1 - 0.7 * edge, wspace=0.1, hspace=0.2)
    for kind, pair in zip(kinds, rows, strict=True):
        own = table[table.net.map(family) == kind]
        for axes, error in zip(pair, ("training", "test"), strict=True):
            for (net, *_), run in own.groupby(one_run, sort=False):
                every = max(1, len(run) // 12)
                axes.plot(run.iteration, run[f"{error}_error"], markersize=5, markevery=every, **styles[net])
            papers = ends[ends.net.isin(own.net)].set_index("net")[f"{error}_error_pct"].dropna()
            if len(papers):
                axes.axhspan(papers.min(), papers.max(), facecolor="0.85", edgecolor="0.35", linewidth=0.7, zorder=0)
                values = ", ".join(f"{end:g}" for end in sorted(papers, reverse=True))
                at = {"xy": (0, papers.max()), "xytext": (4, 2), "textcoords": "offset points"}
                axes.annotate(f"in the paper: {values} %", **at, color="0.35", fontsize=8)
                told.append(error + ": " + ", ".join(f"{spelled(net)} {end:g} %" for net, end in papers.items()))
            axes.set(xlim=(0, None), ylim=(0, 92))
            below, left = "iterations" if kind == kinds[-1] else "", "error (%)" if error == "training" else ""
            tidy(axes, below, left, f"{kind} nets, {error} error")
        named = {spelled(net): (end, styles[net]) for net, end in own.groupby("net").test_error.last().items()}
        _name_lines(pair[1], named)
    last = table.groupby(one_run, sort=False).tail(1).itertuples()
    words = (f"{spelled(r.net)} training {r.training_error:.1f} %, test {r.test_error:.1f} %" for r in last)
    picture.alt = f"Errors over iterations. Last: {'; '.join(words)}"
    picture.alt += f". In the papers: {'; '.join(told)}" if told else ""
    return picture


NORMS = {"signal": "‖∂loss/∂output‖", "gradient": "‖∂loss/∂W‖", "weight": "‖W‖", "influence": "‖∂loss/∂W‖ · ‖W‖"}


def gradient_by_layer(table: pandas.DataFrame, title: str = "", columns=("signal", "gradient")) -> Picture:
    """Figure 4 of the review, measured: the gradient at every layer, on its way from the output back to the input.

    Args:
        table: that of `gradient_norms` with net, seed and the layer's number added.
        columns: two of its columns.
    """
    by = ["label" if "label" in table else "net", "seed"]
    # The last layer is the classifier.
    ratio = table.groupby(by, sort=False)[columns[0]].agg(lambda v: v.iloc[0] / v.iloc[-2] if v.iloc[-2] else 0.0)
    medians = "; ".join(f"{net} {value:.2g}" for net, value in ratio.groupby(level=0, sort=False).median().items())
    words = {column: f"{NORMS[column]} of the layer" for column in columns}
    alt = f"{words[columns[0]]}, the first over the last convolution's: {medians}"
    # A net without batch norm may have died; a logarithmic axis has no 0.
    shown = table.assign(**{column: table[column].where(table[column] > 0) for column in columns})
    alive = [column for column in columns if shown[column].notna().any()]
    x_label, limits = "layer (the gradient comes from the right)", {"layer": (0, table.layer.max() + 1)}
    picture = lines(shown, "layer", words, x_label, title, log=alive, limits=limits, decades=4, alt=alt)
    if (table.groupby(by)[columns[0]].median() == 0).any():
        picture.text(0.3, 0.5, "all or most of them are exactly 0", ha="center", color="0.35")
    return picture
