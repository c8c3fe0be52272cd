"""Pictures of architectures, data and tables. None of them trains, reads a file, or holds data of its own."""

from collections.abc import Mapping
from itertools import cycle

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from paper_nets.lab.data import Data
from paper_nets.lab.trace import Layer, Trace
from paper_nets.show.picture import COLOURS, Picture, figure


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
