"""The nets of both papers derived a second time, from the papers' tables, without the package's classes.

A net is a list of rows (kernel, channels in, channels out, side of the output, batch-normed channels), written
down as a reader with the tables in hand would.
"""

from typing import NamedTuple


class Row(NamedTuple):
    """A convolution, and the channels of the batch norm that goes with it (0 for none)."""

    kernel: int
    c_in: int
    c_out: int
    side: int
    normed: int


def cifar_resnet(depth: int) -> tuple[list[Row], int]:
    """6n + 2 layers, option A: 16, 32, 64 channels on 32, 16, 8 pixels. Also the plain net's, without shortcuts."""
    rows = [Row(3, 3, 16, 32, 16)]
    before = 16
    for channels, side in ((16, 32), (32, 16), (64, 8)):
        for _ in range(2 * (depth - 2) // 6):
            rows.append(Row(3, before, channels, side, channels))
            before = channels
    return rows, 64


def cifar_preact_bottleneck(depth: int) -> tuple[list[Row], int]:
    """9n + 2 layers with bottlenecks; a projection without batch norm where a stage begins; a batch norm at the end."""
    rows, before = [Row(3, 3, 16, 32, 16)], 16
    for width, side in ((16, 32), (32, 16), (64, 8)):
        for block in range((depth - 2) // 9):
            # The stem's batch norm is the very first block's; stride 1x1 sets the side of all three convolutions.
            rows.append(Row(1, before, width, side, 0 if before == 16 else before))
            rows.append(Row(3, width, width, side, width))
            rows.append(Row(1, width, 4 * width, side, width))
            if block == 0:
                rows.append(Row(1, before, 4 * width, side, 0))
            before = 4 * width
    rows.append(Row(0, 0, 0, 0, 256))
    return rows, 256


IMAGENET_BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


def imagenet_resnet(depth: int, shortcuts: bool) -> tuple[list[Row], int]:
    """ResNet paper, Table 1, option B, with the stride in the first 1×1."""
    rows, before = [Row(7, 3, 64, 112, 64)], 64
    for count, width, side in zip(IMAGENET_BLOCKS[depth], (64, 128, 256, 512), (56, 28, 14, 7), strict=True):
        out = width if depth < 50 else 4 * width
        for _ in range(count):
            if depth < 50:
                rows += [Row(3, before, width, side, width), Row(3, width, width, side, width)]
            else:
                rows += [Row(1, before, width, side, width), Row(3, width, width, side, width)]
                rows += [Row(1, width, out, side, out)]
            if shortcuts and before != out:
                rows.append(Row(1, before, out, side, out))
            before = out
    return rows, before


def cifar_densenet(depth: int, k: int, bc: bool) -> tuple[list[Row], int]:
    """Three equal blocks on 32, 16, 8 pixels; BC: 1×1 to 4k before each 3×3, half the channels in a transition."""
    channels = 2 * k if bc else 16
    rows = [Row(3, 3, channels, 32, 0)]
    for number, side in enumerate((32, 16, 8)):
        for _ in range((depth - 4) // (6 if bc else 3)):
            rows += _dense_layer(channels, k, side, bc)
            channels += k
        if number < 2:
            out = channels // 2 if bc else channels
            rows.append(Row(1, channels, out, side, channels))
            channels = out
    return [*rows, Row(0, 0, 0, 0, channels)], channels


DENSE_BLOCKS = {
    121: (6, 12, 24, 16),
    161: (6, 12, 36, 24),
    169: (6, 12, 32, 32),
    201: (6, 12, 48, 32),
    264: (6, 12, 64, 48),
}


def imagenet_densenet(name: int) -> tuple[list[Row], int]:
    """DenseNet paper, Table 1: k = 32 (161: 48), 2k channels from the stem, θ = 0.5."""
    k = 48 if name == 161 else 32
    channels = 2 * k
    rows = [Row(7, 3, channels, 112, channels)]
    for number, (layers, side) in enumerate(zip(DENSE_BLOCKS[name], (56, 28, 14, 7), strict=True)):
        for _ in range(layers):
            rows += _dense_layer(channels, k, side, bc=True)
            channels += k
        if number < 3:
            rows.append(Row(1, channels, channels // 2, side, channels))
            channels //= 2
    return [*rows, Row(0, 0, 0, 0, channels)], channels


def _dense_layer(channels: int, k: int, side: int, bc: bool) -> list[Row]:
    if not bc:
        return [Row(3, channels, k, side, channels)]
    return [Row(1, channels, 4 * k, side, channels), Row(3, 4 * k, k, side, 4 * k)]


def derive(name: str) -> tuple[int, int]:
    """Parameters and multiply–adds of a net of the catalog, from its table."""
    kind = name.rstrip("0123456789")
    if name.startswith("densenet") and "_k" in name:
        depth, k = (int(part) for part in name.removeprefix("densenet").removeprefix("_bc").split("_k"))
        (rows, channels), classes = cifar_densenet(depth, k, "_bc" in name), 10
    elif kind == "densenet":
        (rows, channels), classes = imagenet_densenet(int(name.removeprefix("densenet"))), 1000
    elif name in ("preact_resnet164", "preact_resnet1001"):
        (rows, channels), classes = cifar_preact_bottleneck(int(name.removeprefix("preact_resnet"))), 10
    elif (depth := int(name.removeprefix(kind))) in IMAGENET_BLOCKS:
        (rows, channels), classes = imagenet_resnet(depth, shortcuts=kind == "resnet"), 1000
    else:
        (rows, channels), classes = cifar_resnet(depth), 10
    weights = [row.kernel**2 * row.c_in * row.c_out for row in rows]
    parameters = sum(weights) + 2 * sum(row.normed for row in rows) + (channels + 1) * classes
    multiply_adds = sum(w * row.side**2 for w, row in zip(weights, rows, strict=True)) + channels * classes
    return parameters, multiply_adds
