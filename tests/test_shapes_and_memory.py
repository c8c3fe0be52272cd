"""What counts cannot see: the shape that leaves each stage, and what a training step keeps in memory."""

import pandas
import pytest
import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models

from paper_nets import InputError, build, cost, show
from paper_nets.lab import trace

# (channels, side) after stem and stages, from the papers' architecture tables.
CIFAR = [(16, 32), (16, 32), (32, 16), (64, 8)]
BASIC = [(64, 56), (64, 56), (128, 28), (256, 14), (512, 7)]
BOTTLENECK = [(64, 56), (256, 56), (512, 28), (1024, 14), (2048, 7)]
SHAPES = {
    **dict.fromkeys(("plain20", "resnet56", "resnet110", "preact_resnet44"), CIFAR),
    "preact_resnet164": [(16, 32), (64, 32), (128, 16), (256, 8)],
    **dict.fromkeys(("plain18", "plain34", "resnet18", "resnet34"), BASIC),
    **dict.fromkeys(("resnet50", "resnet101", "resnet152"), BOTTLENECK),
    "densenet40_k12": [(16, 32), (160, 32), (160, 16), (304, 16), (304, 8), (448, 8)],
    "densenet100_k12": [(16, 32), (400, 32), (400, 16), (784, 16), (784, 8), (1168, 8)],
    "densenet_bc100_k12": [(24, 32), (216, 32), (108, 16), (300, 16), (150, 8), (342, 8)],
    "densenet_bc250_k24": [(48, 32), (1032, 32), (516, 16), (1500, 16), (750, 8), (1734, 8)],
    "densenet121": [(64, 56), (256, 56), (128, 28), (512, 28), (256, 14), (1024, 14), (512, 7), (1024, 7)],
    "densenet161": [(96, 56), (384, 56), (192, 28), (768, 28), (384, 14), (2112, 14), (1056, 7), (2208, 7)],
    "densenet169": [(64, 56), (256, 56), (128, 28), (512, 28), (256, 14), (1280, 14), (640, 7), (1664, 7)],
    "densenet201": [(64, 56), (256, 56), (128, 28), (512, 28), (256, 14), (1792, 14), (896, 7), (1920, 7)],
    "densenet264": [(64, 56), (256, 56), (128, 28), (512, 28), (256, 14), (2304, 14), (1152, 7), (2688, 7)],
}


def shapes_met(net, image):
    met = []
    for module in (net.stem, *net.stages):
        module.register_forward_hook(lambda module, inputs, output: met.append(tuple(output.shape[1:])))
    out = net(torch.empty(2, *image, device=next(net.parameters()).device))
    return met, tuple(out.shape)


@pytest.mark.parametrize("name", SHAPES)
def test_stages_have_the_papers_shapes(name):
    with torch.device("meta"):
        net = build(name).eval()
    side = 224 if net.plan.stem == "7x7" else 32
    met, out = shapes_met(net, (3, side, side))
    assert met == [(c, s, s) for c, s in SHAPES[name]]
    assert out == (2, net.plan.num_classes)
    assert [stage.shape for stage in cost(net).stages[:-1]] == met


@pytest.mark.parametrize("stride_in", ["1x1", "3x3"])
def test_the_stride_sits_where_asked(stride_in):
    net = build("resnet50", stride_in=stride_in)
    first = [m for m in net.stages[1][0].F if isinstance(m, torch.nn.Conv2d)]
    assert [m.stride[0] for m in first] == ([2, 1, 1] if stride_in == "1x1" else [1, 2, 1])


@pytest.mark.parametrize("name", ["resnet20", "preact_resnet20", "densenet22_k4", "densenet_bc22_k4"])
@pytest.mark.parametrize("side", [8, 9, 13])
def test_small_and_odd_images(name, side):
    net = build(name, in_channels=1)
    met, _ = shapes_met(net, (1, side, side))
    assert [stage.shape for stage in cost(net, (1, side, side)).stages[:-1]] == met


@pytest.mark.parametrize("name", ["resnet20", "preact_resnet164", "resnet50", "densenet_bc40_k12", "densenet121"])
def test_cost_by_stage_matches_the_modules(name):
    with torch.device("meta"):
        net = build(name)
    counts = [sum(p.numel() for p in part.parameters()) for part in (net.stem, *net.stages, net.head)]
    assert [stage.cost.parameters for stage in cost(net).stages] == counts


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("plain20", {}),
        ("resnet20", {}),
        ("resnet20", {"norm": False}),
        ("resnet20", {"shortcut": "C"}),
        ("preact_resnet20", {}),
        ("preact_resnet20", {"shortcut": "B"}),
        ("preact_resnet20", {"shortcut": "C", "norm": False}),
        ("preact_resnet20", {"block": "bottleneck", "stride_in": "3x3"}),
        ("resnet18", {}),
        ("resnet50", {}),
        ("resnet50", {"stride_in": "3x3"}),
        ("densenet40_k12", {}),
        ("densenet40_k12", {"dropout": 0.2}),
        ("densenet_bc40_k12", {}),
        ("densenet22_k8", {"norm": False, "compression": 0.3}),
        ("densenet121", {}),
        ("densenet40_k12", {"memory_efficient": True}),
        ("densenet_bc40_k12", {"memory_efficient": True}),
        ("densenet121", {"memory_efficient": True}),
    ],
)
def test_activation_memory_is_what_autograd_keeps(name, changes):
    net = build(name, **changes)
    batch, side = 5, 72 if net.plan.stem == "7x7" else 24
    parameters = {p.untyped_storage().data_ptr() for p in net.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if tensor.ndim and tensor.shape[0] == batch and storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = tensor  # held, so that no address is used twice
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        net(torch.randn(batch, 3, side, side))
    size = sum(tensor.numel() * tensor.element_size() for tensor in kept.values())
    assert cost(net, (3, side, side)).activation_bytes * batch == size


def test_architecture_tables_are_the_papers_own():
    """Table 1 of the ResNet paper, for 34 and 50 layers, and Table 1 of the DenseNet paper, for 121."""
    with torch.device("meta"):
        names = ("plain34", "resnet34", "resnet50", "densenet121")
        nets = {name: trace(build(name), (3, 224, 224)) for name in names}
    table = pandas.DataFrame({name: net.architecture() for name, net in nets.items()})
    assert list(table.index) == [*(f"{side} × {side}" for side in (112, 56, 28, 14, 7, 1)), "multiply–adds"]
    assert table.resnet34.tolist() == [
        "7×7, 64",
        "pool; [3×3, 64 · 3×3, 64] × 3",
        "[3×3, 128 · 3×3, 128] × 4",
        "[3×3, 256 · 3×3, 256] × 6",
        "[3×3, 512 · 3×3, 512] × 3",
        "average pool; fc 1000",
        "3.664 × 10⁹",
    ]
    assert table.plain34[:-1].equals(table.resnet34[:-1])
    assert table.resnet50["14 × 14"] == "[1×1, 256 · 3×3, 256 · 1×1, 1024] × 6"
    assert table.densenet121["56 × 56"] == "pool; [1×1, 128 · 3×3, 32] × 6; 1×1, 128"
    assert table.densenet121["7 × 7"] == "pool; [1×1, 128 · 3×3, 32] × 16"


def test_a_trace_tells_both_sides_of_an_image():
    found = trace(build("resnet18", num_classes=10), (3, 64, 128))
    assert [layer.size for layer in found.layers][:3] == [(32, 64), (16, 32), (16, 32)]
    assert list(found.architecture().index) == [
        "32 × 64",
        "16 × 32",
        "8 × 16",
        "4 × 8",
        "2 × 4",
        "1 × 1",
        "multiply–adds",
    ]


def test_a_trace_takes_kernels_that_are_not_square_and_nets_without_weights():
    convs = nn.Conv2d(3, 4, (1, 3), padding=(0, 1)), nn.Conv2d(4, 8, 3, stride=(2, 1), padding=1)
    found = trace(nn.Sequential(*convs, nn.AvgPool2d(2)), (3, 8, 8))
    assert found.architecture()["8 × 8"] == "1×3, 4" and found.architecture()["4 × 8"] == "3×3, 8"
    assert "2 weighted layers" in show.side_by_side({"a": found}).alt
    words = [text.get_text() for text in show.side_by_side({"a": found}).axes[0].texts]
    assert "3×3 conv, 8, /2×1" in words and "pool, /2" in words
    (pool,) = trace(nn.AvgPool2d(2), (3, 8, 8)).layers
    assert pool.kind == "pool" and pool.size == (4, 4)
    (pool,) = trace(nn.AvgPool2d((2, 4)), (3, 8, 8)).layers
    assert pool.stride == (2, 4)
    with pytest.raises(InputError, match="The net's output is its images"):
        trace(nn.Identity(), (3, 8, 8))


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "densenet121"])
def test_a_trace_of_torchvisions_net_is_that_of_ours(name):
    """Layer by layer and to the multiply–add, projections on shortcuts counted there and not listed."""
    changes = {"stride_in": "3x3"} if name == "resnet50" else {}
    with torch.device("meta"):
        theirs, ours = models.get_model(name), build(name, **changes)
    theirs, ours = (trace(net, (3, 224, 224)) for net in (theirs, ours))
    layers = [[layer for layer in found.layers if layer.kind != "pool"] for found in (theirs, ours)]
    assert layers[0] == layers[1] and theirs.multiply_adds == ours.multiply_adds


@pytest.mark.parametrize("name", ["alexnet", "vgg16", "mobilenet_v2", "convnext_tiny"])
def test_another_architecture_is_counted_as_by_pytorch(name):
    with torch.device("meta"):
        net, image = models.get_model(name).eval(), torch.zeros(1, 3, 224, 224)
    with FlopCounterMode(display=False) as counter:
        net(image)
    assert 2 * trace(net, (3, 224, 224)).multiply_adds == counter.get_total_flops()


@pytest.mark.parametrize("name", ["googlenet", "squeezenet1_0", "efficientnet_b0", "swin_t"])
def test_layers_beside_the_path_are_refused(name):
    """Counted along one path, GoogLeNet would have next to no multiply–adds."""
    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    with torch.device("meta"):
        net = models.get_model(name, **options).eval()
    with pytest.raises(InputError, match="this net has layers beside them"):
        trace(net, (3, 224, 224))
