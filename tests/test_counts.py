"""Parameters and multiply–adds: the nets, the closed form, a derivation by hand, torch's counters, and the papers."""

import re

import pytest
import torch
import torchinfo
from torch.utils.flop_counter import FlopCounterMode

from paper_nets import build, catalog, cost, published
from paper_nets.nets import NAMES, densenet, plan, resnet
from tests.by_hand import derive


def on_meta(name, **changes):
    with torch.device("meta"):
        return build(name, **changes)


def image_of(made):
    side = 224 if made.stem == "7x7" else 32
    return made.in_channels, side, side


@pytest.mark.parametrize("name", NAMES)
def test_net_closed_form_and_hand_agree(name):
    net = on_meta(name)
    parameters, multiply_adds = derive(name)
    assert sum(p.numel() for p in net.parameters()) == parameters
    assert cost(name).parameters == cost(net).parameters == parameters
    assert cost(name).multiply_adds == multiply_adds


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("resnet1202", "preact_resnet1001")])
def test_multiply_adds_are_half_of_torchs_flops(name):
    net = on_meta(name).eval()
    with FlopCounterMode(display=False) as counter:
        net(torch.empty(1, *image_of(net.plan), device="meta"))
    assert counter.get_total_flops() == 2 * cost(name).multiply_adds


@pytest.mark.parametrize("name", NAMES)
def test_torchinfo_agrees(name):
    net, image = on_meta(name), (1, *image_of(plan(name)))
    rows = torchinfo.summary(net, input_size=image, depth=9, device="meta", verbose=0).summary_list
    leaves = [row for row in rows if row.is_leaf_layer and row.class_name in ("Conv2d", "Linear")]
    # torchinfo counts a bias as one more multiply–add; only the classifier has one.
    assert sum(row.macs for row in leaves) - net.plan.num_classes == cost(name).multiply_adds
    assert sum(row.num_params for row in rows if row.is_leaf_layer) == cost(name).parameters


def test_the_two_resnet50s():
    assert round(cost("resnet50").multiply_adds / 1e9, 3) == 3.858
    assert round(cost("resnet50", stride_in="3x3").multiply_adds / 1e9, 3) == 4.089


def test_docstring_tables_are_right():
    for module in (resnet, densenet):
        found = dict(re.findall(r"([a-z]+[\w]*\d)\s+(\d[\d,]+\d)", module.__doc__))
        assert len(found) >= 11, found
        for name, count in found.items():
            assert int(count.replace(",", "")) == derive(name)[0], name


def within_one_unit(value, printed):
    """Whether a printed figure is the value rounded or cut at its last digit, either of which the papers do."""
    digits = len(printed.split(".")[1]) if "." in printed else 0
    return abs(value - float(printed)) < 10**-digits


def test_published_parameter_counts():
    printed = catalog().params_millions.dropna()
    assert len(printed) == 14
    for name, millions in printed.items():
        value = derive(name)[0] / 1e6
        if name == "preact_resnet1001":
            # 10.2 is what the convolutions and the classifier come to; with batch norm it is 10.3.
            assert not within_one_unit(value, "10.2")
            net = on_meta(name)
            value = sum(p.numel() for n, p in net.named_parameters() if p.ndim > 1) / 1e6
        text = f"{millions:.2f}" if millions < 1 and name.startswith("resnet") else f"{millions:.1f}"
        assert within_one_unit(value, text), (name, value, text)


def test_published_multiply_adds():
    for row in published("resnet_flops").itertuples():
        if row.net != "vgg19":
            assert within_one_unit(derive(row.net)[1] / 1e9, str(row.multiply_adds_1e9)), row.net


def test_catalog_reads_the_papers_tables():
    rows = catalog()
    assert list(rows.index) == list(NAMES)
    assert rows.cifar10_error_pct["resnet56"] == 6.97
    assert rows.cifar10_error_pct["densenet_bc190_k40"] == 3.46
    assert rows.cifar100_error_pct["preact_resnet1001"] == 22.71
    assert rows.imagenet_top1_10_crop_pct["resnet34"] == 24.52  # option B, the default, not A or C
    assert rows.imagenet_top1_10_crop_pct["resnet18"] == 27.88
    assert rows.imagenet_top5_10_crop_pct["densenet264"] == 5.29
    assert rows.depth["resnet152"] == 152 and rows.depth["densenet201"] == 201
    assert rows.depth["densenet264"] == 265  # Table 1's blocks: 1 + 2 × (6 + 12 + 64 + 48) + 3 + 1


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("plain26", {"width": 5, "in_channels": 1}),
        ("resnet14", {"norm": False, "shortcut": "C"}),
        ("resnet50", {"block": "basic"}),
        ("resnet18", {"shortcut": "A", "num_classes": 7}),
        ("preact_resnet20", {"shortcut": "C", "norm": False}),
        ("densenet22_k5", {"compression": 0.37, "stem_channels": 9}),
        ("densenet_bc40_k7", {"bottleneck": False, "norm": False, "in_channels": 4}),
        ("densenet121", {"blocks": (2, 3), "growth_rate": 3}),
    ],
)
def test_closed_form_on_changed_nets(name, changes):
    net = on_meta(name, **changes).eval()
    image = (net.plan.in_channels, 72, 40)
    with FlopCounterMode(display=False) as counter:
        net(torch.empty(1, *image, device="meta"))
    found = cost(name, image, **changes)
    assert found.parameters == sum(p.numel() for p in net.parameters())
    assert found.multiply_adds * 2 == counter.get_total_flops()
    assert plan(name, **changes) == net.plan
