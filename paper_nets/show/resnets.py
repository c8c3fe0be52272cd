"""Figures of the ResNets: what blocks cost, what depth pays, what a net is without some of its blocks."""

import pandas

from paper_nets.show.figures import depth_of, style_of, tidy
from paper_nets.show.picture import COLOURS, MARKERS, Picture, family, figure


@figure
def block_costs(table: pandas.DataFrame, title: str = "") -> Picture:
    """Bars of what blocks cost; `table` has block (its name), parameters, and multiply_adds (per image)."""
    picture = Picture(860, 260)
    left, right = picture.subplots(1, 2, sharey=True)
    picture.subplots_adjust(left=0.27, right=0.96, bottom=0.19, top=0.78, wspace=0.2)
    scales = {"parameters": (1e3, "thousand parameters"), "multiply_adds": (1e6, "million multiply–adds")}
    for axes, (column, (scale, words)) in zip((left, right), scales.items(), strict=True):
        bars = axes.barh(table.block, table[column] / scale, color=COLOURS["residual"], height=0.6)
        axes.bar_label(bars, [f"{value / scale:,.0f}" for value in table[column]], padding=4)
        axes.set_xlim(0, 1.25 * table[column].max() / scale)
        tidy(axes, words, "")
        axes.grid(visible=False)
    left.invert_yaxis()
    picture.suptitle(title, fontsize=11)
    picture.alt = f"{title}. " + "; ".join(
        f"{row.block}: {row.parameters:,} parameters, {row.multiply_adds:,} multiply–adds" for row in table.itertuples()
    )
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
    right.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=9)
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
