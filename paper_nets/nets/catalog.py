"""The nets of both papers by name, and what the papers published of them."""

import re
from difflib import get_close_matches
from pathlib import Path

import pandas
from torch import nn

from paper_nets.nets.densenet import DenseNet, DenseNetPlan
from paper_nets.nets.parts import InputError
from paper_nets.nets.resnet import ResNet, ResNetPlan

PUBLISHED = Path(__file__).resolve().parents[1] / "published"

# ResNet paper, Table 1: blocks in the stages conv2_x to conv5_x.
RESNET_IMAGENET = {
    18: ("basic", (2, 2, 2, 2)),
    34: ("basic", (3, 4, 6, 3)),
    50: ("bottleneck", (3, 4, 6, 3)),
    101: ("bottleneck", (3, 4, 23, 3)),
    152: ("bottleneck", (3, 8, 36, 3)),
}
# DenseNet paper, Table 1: growth rate, and layers in each block. 161 is the wider net of its public code.
DENSENET_IMAGENET = {
    121: (32, (6, 12, 24, 16)),
    161: (48, (6, 12, 36, 24)),
    169: (32, (6, 12, 32, 32)),
    201: (32, (6, 12, 48, 32)),
    264: (32, (6, 12, 64, 48)),
}
BC = {"bottleneck": True, "compression": 0.5}
IMAGENET = {"stem": "7x7", "num_classes": 1000}
NUMBER = r"(0|[1-9]\d{0,3})"  # a depth or growth rate, in one way of writing and within what a machine can hold

NAMES = (
    *(f"plain{d}" for d in (20, 32, 44, 56, 110)),
    *(f"resnet{d}" for d in (20, 32, 44, 56, 110, 1202)),
    *(f"preact_resnet{d}" for d in (20, 32, 44, 56, 110, 164, 1001)),
    *("plain18", "plain34"),
    *(f"resnet{d}" for d in RESNET_IMAGENET),
    *("densenet40_k12", "densenet100_k12", "densenet100_k24"),
    *("densenet_bc100_k12", "densenet_bc250_k24", "densenet_bc190_k40"),
    *(f"densenet{d}" for d in DENSENET_IMAGENET),
)


def plan(name: str, **changes) -> ResNetPlan | DenseNetPlan:
    """The plan of a net by its name, with `changes` to any of the plan's arguments.

    Beside the names in `catalog()`, the CIFAR families go on at any depth and growth rate: plain26, resnet8,
    preact_resnet1202, densenet22_k8, densenet_bc40_k24.

    Raises:
        InputError: for a name or a change that describes no net.
    """
    net, arguments = _arguments(str(name))
    known = net.__dataclass_fields__
    for change in changes:
        if change not in known:
            raise InputError(f"{name} has no argument {change!r}; its arguments are {', '.join(known)}.")
    return net(**{**arguments, **changes})


def build(name: str, **changes) -> nn.Module:
    """A freshly initialised net by its name: `build("resnet56")`, `build("densenet121", growth_rate=16)`.

    Takes and raises what `plan` does.
    """
    made = plan(name, **changes)
    return ResNet(made) if isinstance(made, ResNetPlan) else DenseNet(made)


def title(name: str) -> str:
    """A net's name as the papers spell it: densenet_bc100_k12 is "DenseNet-BC-100 (k = 12)". Other words stay."""
    if not (match := re.fullmatch(r"(plain|(?:preact_)?resnet|densenet(?:_bc)?)(\d+)(?:_k(\d+))?", name)):
        return name
    kind, depth, k = match.groups()
    words = {"preact_": "pre-activation ", "resnet": "ResNet", "densenet": "DenseNet", "_bc": "-BC"}
    for ours, papers in words.items():
        kind = kind.replace(ours, papers)
    return f"{kind}-{depth}" + (f" (k = {k})" if k else "")


def _arguments(name: str) -> tuple[type, dict]:
    if match := re.fullmatch(rf"(plain|resnet|preact_resnet){NUMBER}", name):
        return ResNetPlan, _residual(name, match[1], int(match[2]))
    if match := re.fullmatch(rf"densenet(_bc)?{NUMBER}(?:_k{NUMBER})?", name):
        bc, depth, k = match.groups()
        if k:
            return DenseNetPlan, _dense_cifar(name, bool(bc), int(depth), int(k))
        if not bc:
            return DenseNetPlan, _dense_imagenet(name, int(depth))
    spelt = re.sub(r"\W", "", name.lower()).replace("residual", "resnet")
    known = re.fullmatch(rf"(plain|resnet|preact_resnet){NUMBER}", spelt)
    near = [spelt] if known else get_close_matches(spelt, NAMES, n=1, cutoff=0.7)
    meant = f" (did you mean {near[0]}?)" if near else ""
    raise InputError(f"There is no net {name!r}{meant}; the nets are {', '.join(NAMES)}.")


def _residual(name: str, kind: str, depth: int) -> dict:
    switches = {"residual": kind != "plain", "preact": kind == "preact_resnet"}
    imagenet = {"plain": (18, 34), "resnet": tuple(RESNET_IMAGENET), "preact_resnet": ()}[kind]
    if depth in imagenet:
        block, blocks = RESNET_IMAGENET[depth]
        return {**switches, "block": block, "blocks": blocks, "shortcut": "B", "width": 64, **IMAGENET}
    if depth in (164, 1001):  # arXiv 1603.05027: 9n + 2 layers
        n = (depth - 2) // 9
        return {**switches, "block": "bottleneck", "blocks": (n, n, n), "shortcut": "B"}
    n, rest = divmod(depth - 2, 6)
    if n < 1 or rest or depth in RESNET_IMAGENET:  # 50 and 152 are 6n + 2 too, but those names are ImageNet's
        others = "".join(f"{d}, " for d in imagenet)
        raise InputError(
            f"There is no net {name!r}: a {kind} net has {others}164 or 1001 layers, or 6n + 2 for CIFAR: "
            f"{kind}20, {kind}32, {kind}44, {kind}56, {kind}110 and so on, but not 50 or 152."
        )
    return {**switches, "blocks": (n, n, n)}


def _dense_cifar(name: str, bc: bool, depth: int, k: int) -> dict:
    layers, rest = divmod(depth - 4, 6 if bc else 3)
    if layers < 1 or rest or k < 1:
        form = "densenet_bc{L}_k{k} with L = 6n + 4" if bc else "densenet{L}_k{k} with L = 3n + 4"
        raise InputError(
            f"There is no net {name!r}: the CIFAR nets of this family are {form} layers and k of at least 1."
        )
    return {"blocks": (layers,) * 3, "growth_rate": k, **(BC if bc else {})}


def _dense_imagenet(name: str, depth: int) -> dict:
    if depth not in DENSENET_IMAGENET:
        raise InputError(
            f"There is no net {name!r}: the ImageNet DenseNets have {', '.join(map(str, DENSENET_IMAGENET))} layers, "
            "and a CIFAR DenseNet's name gives its growth rate too, as densenet40_k12 or densenet_bc100_k12."
        )
    k, blocks = DENSENET_IMAGENET[depth]
    return {"blocks": blocks, "growth_rate": k, **BC, **IMAGENET}


def published(table: str) -> pandas.DataFrame:
    """One of the papers' tables.

    Args:
        table: "resnet_cifar10", "resnet_imagenet", "resnet_flops", "preact_cifar10" (arXiv 1603.05027, Tables 3 and 4),
            "densenet_imagenet", "densenet_cifar_svhn", "densenet_report" (a wider net), "ilsvrc_top5",
            "resnet_figure1", which is read off a figure, "packages": what packages have under the papers' names, and
            how it differs (`paper_nets.audit`; tools/packages.py), or "claims": the review's, in our own words.

    Returns:
        The table as printed: errors in per cent, parameters in millions, multiply–adds in 10⁹.

    Raises:
        InputError: for another name.
    """
    tables = sorted(path.stem for path in PUBLISHED.glob("*.csv"))
    if table not in tables:
        raise InputError(f"There is no published table {table!r}; the tables are {', '.join(tables)}.")
    return pandas.read_csv(PUBLISHED / f"{table}.csv")


# Which columns of which table `catalog` shows, and as what.
COLUMNS = {
    "resnet_cifar10": {"params_millions": "params_millions", "test_error_pct": "cifar10_error_pct"},
    "resnet_flops": {"multiply_adds_1e9": "multiply_adds_1e9"},
    "densenet_cifar_svhn": {
        "params_millions": "params_millions",
        "c10_aug": "cifar10_error_pct",
        "c100_aug": "cifar100_error_pct",
        "svhn": "svhn_error_pct",
    },
    "resnet_imagenet": {"top1_error_pct": "imagenet_top1_10_crop_pct", "top5_error_pct": "imagenet_top5_10_crop_pct"},
    "densenet_imagenet": {
        "top1_10_crop_pct": "imagenet_top1_10_crop_pct",
        "top5_10_crop_pct": "imagenet_top5_10_crop_pct",
    },
}


def catalog() -> pandas.DataFrame:
    """Every named net, and what the papers published of it, NaN where nothing.

    Returns:
        Index: net. Columns: dataset, depth (counted from the blocks: Table 1 of the DenseNet paper gives its
        DenseNet-264 265 layers), growth_rate, params_millions, multiply_adds_1e9, and test or validation errors in per
        cent, on CIFAR with the standard augmentation, on ImageNet of one net on 10 crops; `published` has the others.
        (The paper's ResNet-18 has shortcuts of option A, ours as all of them of B.)
    """
    plans = [plan(name) for name in NAMES]
    rows = {
        "dataset": ["ImageNet" if made.stem == "7x7" else "CIFAR" for made in plans],
        "depth": [made.depth for made in plans],
        "growth_rate": [getattr(made, "growth_rate", None) for made in plans],
    }
    printed = pandas.DataFrame()
    for table, columns in COLUMNS.items():
        found = published(table)
        if table == "densenet_cifar_svhn":
            name = found.net + found.depth.astype(str) + "_k" + found.growth_rate.astype("Int64").astype(str)
            found["net"] = found.net.mask(found.growth_rate.notna(), name)
        if table == "resnet_imagenet":
            found = found[found.test == "val 10-crop"].sort_values("shortcut", key=lambda option: option != "B")
        found = found.drop_duplicates("net").set_index("net").rename(columns=columns)
        printed = printed.combine_first(found[list(columns.values())])
    return pandas.DataFrame(rows, index=pandas.Index(NAMES, name="net")).join(printed)
