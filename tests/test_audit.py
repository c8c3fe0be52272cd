"""Nets of others held against the papers': every defect is named first, and no right net is blamed."""

import dataclasses
import random

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

import paper_nets
from paper_nets import audit, build, cost
from paper_nets.lab.graph import record
from paper_nets.lab.outline import outline
from paper_nets.nets import NAMES
from tests import foreign
from tests.foreign import Dense, SmallResNet


def changed(net, change):
    """A net after a change to each of its modules."""
    for module in net.modules():
        change(module)
    return net


def norms(**settings):
    def change(module):
        if isinstance(module, nn.BatchNorm2d):
            vars(module).update(settings)

    return change


def of_torchvision(name, *changes, **settings):
    """torchvision's net, with modules put in the place of its own: ("layer2.0.conv1.stride", (1, 1))."""
    net = torchvision.models.get_model(name, **settings)
    for path, value in changes:
        *path, last = path.split(".")
        setattr(net.get_submodule(".".join(path)), last, value)
    return net


def resnet18(*changes):
    return of_torchvision("resnet18", *changes)


def bottlenecks(*changes, name="resnet50"):
    """torchvision's net with its strides where the paper has them."""
    strides = [(f"layer{i}.0.conv{j}.stride", (3 - j, 3 - j)) for i in (2, 3, 4) for j in (1, 2)]
    return of_torchvision(name, *strides, *changes)


def dense_bc(**settings):
    return Dense(**{"blocks": (16,) * 3, "stem": 24, "theta": 0.5, "bottleneck": 4, **settings})


def without(name, place):
    """Our net without one of the modules of its head."""
    net = build(name)
    del net.head[place]
    return net


def interpolated(x, grow):
    return functional.pad(functional.interpolate(x, scale_factor=0.5), (0, 0, 0, 0, 0, grow))


def written(x, grow):
    x = x[:, :, ::2, ::2]
    zeros = x.new_zeros(x.shape[0], x.shape[1] + grow, *x.shape[2:])
    zeros[:, : x.shape[1]] = x
    return zeros


def averaged(x, grow):
    return functional.pad(functional.avg_pool2d(x, 2), (0, 0, 0, 0, 0, grow))


def twice(x, grow):
    return x[:, :, ::2, ::2].repeat(1, 2, 1, 1)


class Gate(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, channels):
        super().__init__()
        self.down, self.up = nn.Linear(channels, 4), nn.Linear(4, channels)

    def forward(self, x):
        return x * self.up(self.down(x.mean((2, 3))).relu()).sigmoid()[:, :, None, None]


class Wrapped(nn.Module):
    """A net in a net, which gives its logits in a dictionary."""

    def __init__(self, net):
        super().__init__()
        self.model = net

    def forward(self, x):
        return {"features": x, "logits": self.model(x)}


def trained(net):
    """Its batch norms and weights as training leaves them: no two alike."""
    generator = torch.Generator().manual_seed(1)
    for name, tensor in net.state_dict().items():
        if tensor.is_floating_point() and tensor.dim() == 1:
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + (0.5 if "var" in name else 0))
    return net


RIGHT = {
    "ours": ("resnet20", lambda: build("resnet20")),
    "functional": ("resnet20", SmallResNet),
    "zeros concatenated": ("resnet20", lambda: SmallResNet(zeros="new")),
    "as in the authors' code": ("resnet20", lambda: SmallResNet(zeros="pool")),
    "classifier by convolution": ("resnet20", lambda: SmallResNet(as_conv=True)),
    "trained": ("resnet20", lambda: trained(SmallResNet())),
    "in half precision": ("resnet20", lambda: SmallResNet().half()),
    "plain, one sequence": ("plain20", foreign.plain20),
    "pre-activation, in place": ("preact_resnet20", foreign.preact_resnet20),
    "dense, behind": ("densenet40_k12", Dense),
    "dense, ahead": ("densenet40_k12", lambda: trained(Dense(style="ahead"))),
    "dense, a list": ("densenet40_k12", lambda: trained(Dense(style="list"))),
    "dense, BC": ("densenet_bc100_k12", dense_bc),
    "torchvision's ResNet-18": ("resnet18", torchvision.models.resnet18),
    "torchvision's ResNet-34": ("resnet34", torchvision.models.resnet34),
    "torchvision's DenseNet-121": ("densenet121", torchvision.models.densenet121),
    "torchvision's DenseNet-161": ("densenet161", torchvision.models.densenet161),
    "torchvision's ResNet-50, strides moved": ("resnet50", bottlenecks),
    "scripted": ("resnet18", lambda: torch.jit.script(torchvision.models.resnet18())),
    "traced": ("densenet40_k12", lambda: torch.jit.trace(Dense().eval(), torch.rand(1, 3, 32, 32))),
    "frozen batch norms": ("resnet20", lambda: changed(SmallResNet(), lambda module: module.requires_grad_(False))),
    "channels last": ("resnet18", lambda: torchvision.models.resnet18().to(memory_format=torch.channels_last)),
    "in parallel": ("resnet20", lambda: nn.DataParallel(SmallResNet())),
    "double precision": ("resnet20", lambda: SmallResNet().double()),
    "stacked and summed": ("resnet20", lambda: SmallResNet(join=lambda y, x: torch.stack([y, x]).sum(0))),
    "sum of a list": ("resnet20", lambda: SmallResNet(join=lambda y, x: sum([y, x]))),
    "added in place": ("resnet20", lambda: SmallResNet(join=lambda y, x: y.add_(x))),
    "every second pixel by interpolation": ("resnet20", lambda: SmallResNet(zeros=interpolated)),
    "written into zeros": ("resnet20", lambda: SmallResNet(zeros=written)),
    "mean of rows and columns": ("resnet20", lambda: SmallResNet(pool=lambda x: x.mean(3).mean(2))),
    "mean of all pixels": ("resnet20", lambda: SmallResNet(pool=lambda x: x.flatten(2).mean(-1))),
    "sum over area": ("resnet20", lambda: SmallResNet(pool=lambda x: x.sum((2, 3)) / 64)),
    "clamped": ("resnet20", lambda: SmallResNet(act=lambda x: torch.maximum(x, torch.zeros_like(x)))),
    "into one tensor": ("densenet40_k12", lambda: trained(foreign.Buffered())),
    "maps padded before the pool": (
        "resnet18",
        lambda: resnet18(("maxpool", nn.Sequential(nn.ZeroPad2d(1), nn.MaxPool2d(3, 2)))),
    ),
    "ten classes": ("resnet18", lambda: torchvision.models.resnet18(num_classes=10)),
}


@pytest.mark.parametrize("case", RIGHT)
def test_no_right_net_is_blamed(case):
    name, make = RIGHT[case]
    found = audit(make(), name)
    assert found.matches and not found.notes, found
    assert found.theirs.parameters == found.papers.parameters and "to the parameter" in str(found)
    assert all(one.kind == "initial weights" for one in found.differences)


def in_place(x):
    x *= x > 0
    return x


def by_index(x):
    x = x.clone()
    x[x < 0] = 0
    return x


@pytest.mark.parametrize(
    "relu",
    [
        lambda x: torch.where(x > 0, x, 0),
        lambda x: torch.where(x < 0, torch.zeros_like(x), x),
        lambda x: (x + x.abs()) / 2,
        lambda x: 0.5 * (torch.abs(x) + x),
        lambda x: x * (x > 0),
        lambda x: x * (x >= 0).float(),
        lambda x: x.masked_fill(x < 0, 0),
        lambda x: x * torch.sign(x).clamp(min=0),
        lambda x: functional.leaky_relu(x, 0.0),
        lambda x: -torch.clamp(-x, max=0),
        in_place,
        by_index,
    ],
)
def test_a_relu_is_one_however_it_is_written(relu):
    found = audit(SmallResNet(act=relu), "resnet20")
    assert found.matches and not found.notes, found


@pytest.mark.parametrize(
    "style", ["as in the paper", "rsqrt", "one factor", "in place", "addcmul", "expanded", "clamped"]
)
def test_a_batch_norm_that_is_written_out_is_one(style):
    def norm(channels):
        return foreign.WrittenNorm(channels, style)

    untold = "momentum and eps" if style == "clamped" else "momentum"
    for name, net in (("resnet20", SmallResNet(norm=norm)), ("densenet40_k12", Dense(norm=norm, style="ahead"))):
        found = audit(net, name)
        assert found.matches and found.theirs.parameters == found.papers.parameters, found
        assert found.notes == (f"Its batch norm is written out; its {untold} could not be told.",)


@pytest.mark.parametrize(
    ("end", "number"),
    [(lambda logits: (logits.softmax(1), logits), 2), (lambda logits: (logits, logits.mean()), 1)],
)
def test_of_several_outputs_it_is_said_which_was_taken(end, number):
    for net in (SmallResNet(end=end), *([Wrapped(SmallResNet())] if number == 2 else [])):
        found = audit(net, "resnet20")
        assert found.matches and found.notes == (f"It returns 2 tensors; number {number} was taken as the logits.",)


def test_a_frozen_script_is_told_in_one_sentence():
    frozen = torch.jit.freeze(torch.jit.script(torchvision.models.resnet18().eval()))
    with pytest.raises(paper_nets.InputError, match="audit the net as it was before"):
        audit(frozen, "resnet18")


WRONG = {
    # depth, blocks
    "five blocks a stage": ("resnet20", "depth", lambda: build("resnet32")),
    "a block too few": ("resnet20", "depth", lambda: SmallResNet(blocks=(3, 2, 3))),
    "blocks elsewhere": ("resnet20", "depth", lambda: SmallResNet(blocks=(2, 4, 3))),
    "a layer too few": ("densenet40_k12", "depth", lambda: Dense(blocks=(12, 12, 11))),
    "layers of DenseNet-169": ("densenet121", "depth", torchvision.models.densenet169),
    "basic blocks": ("resnet50", "block", torchvision.models.resnet34),
    "no bottlenecks": ("densenet_bc100_k12", "block", lambda: dense_bc(bottleneck=0)),
    # channels
    "one map more": ("resnet20", "width", lambda: SmallResNet(widths=(17, 34, 68))),
    "a narrow last stage": ("resnet20", "width", lambda: SmallResNet(widths=(16, 32, 48))),
    "wide inside": ("resnet50", "width", lambda: bottlenecks(name="wide_resnet50_2")),
    "k = 16": ("densenet40_k12", "growth rate", lambda: Dense(k=16)),
    "k = 48": ("densenet121", "growth rate", lambda: torchvision.models.DenseNet(48, (6, 12, 24, 16), 96)),
    "θ = 0.5": ("densenet40_k12", "compression", lambda: Dense(theta=0.5)),
    "θ = 1": ("densenet_bc100_k12", "compression", lambda: dense_bc(theta=1.0)),
    "2k for 4k": ("densenet_bc100_k12", "bottleneck", lambda: dense_bc(bottleneck=2)),
    "16 maps from the stem": ("densenet_bc100_k12", "width", lambda: dense_bc(stem=16)),
    "k = 16, and 2k from the stem": ("densenet_bc100_k12", "growth rate", lambda: dense_bc(k=16, stem=32)),
    "k = 24 of DenseNet-121": (
        "densenet121", "growth rate", lambda: torchvision.models.DenseNet(24, (6, 12, 24, 16), 48)
    ),
    "2k from the stem": ("densenet40_k12", "width", lambda: Dense(stem=24)),
    "depth 88": ("densenet_bc100_k12", "depth", lambda: dense_bc(blocks=(14,) * 3)),
    "layers elsewhere": ("densenet_bc100_k12", "depth", lambda: dense_bc(blocks=(17, 15, 16))),
    "four blocks": ("densenet_bc100_k12", "depth", lambda: dense_bc(blocks=(12,) * 4)),
    "layers of DenseNet-201": ("densenet121", "depth", torchvision.models.densenet201),
    "blocks of ResNet-34": ("resnet18", "depth", torchvision.models.resnet34),
    "a block in stage 4": ("resnet18", "depth", lambda: resnet18(("layer4.1", nn.Identity()))),
    "a fourth stage": (
        "resnet20", "depth", lambda: SmallResNet(widths=(16, 32, 64, 128), blocks=(3,) * 4, strides=(1, 2, 2, 2))
    ),
    "wide inside, once": ("resnet20", "width", lambda: wide_inside(SmallResNet())),
    # strides, kernels, pools
    "3×3 in the stem": ("resnet50", "kernel", lambda: bottlenecks(("conv1", nn.Conv2d(3, 64, 3, 2, 1, bias=False)))),
    "dilated, size kept": (
        "resnet50", "dilation", lambda: bottlenecks(("layer4.1.conv2", nn.Conv2d(512, 512, 3, 1, 2, 2, bias=False)))
    ),
    "all dilated": ("resnet20", "dilation", lambda: SmallResNet(dilation=2)),
    "no padding in the stem": (
        "resnet18", "padding", lambda: resnet18(("conv1", nn.Conv2d(3, 64, 7, 2, bias=False)))
    ),
    "no pool before the classifier": (
        "resnet18", "pooling", lambda: resnet18(("avgpool", nn.Identity()), ("fc", nn.Linear(512 * 49, 10)))
    ),
    "version 1.5": ("resnet50", "stride", torchvision.models.resnet50),
    "stem of stride 1": ("resnet50", "stride", lambda: bottlenecks(("conv1.stride", (1, 1)))),
    "a stage that does not shrink": ("resnet20", "stride", lambda: SmallResNet(strides=(1, 2, 1))),
    "no max pool": ("resnet18", "pooling", lambda: resnet18(("maxpool", nn.Identity()))),
    "average for max pool": ("resnet18", "pooling", lambda: resnet18(("maxpool", nn.AvgPool2d(3, 2, 1)))),
    "max for average pool": ("densenet40_k12", "pooling", lambda: Dense(transition="nrcm")),
    "global max pool": ("resnet20", "pooling", lambda: SmallResNet(pool="max")),
    "5×5 in the stem": ("resnet20", "kernel", lambda: SmallResNet(stem=(5, 1))),
    "dilated": ("resnet20", "dilation", lambda: SmallResNet(dilation=2, only=(2, 2))),
    "grouped": ("resnet20", "groups", lambda: SmallResNet(groups=4)),
    "convolutions of other numbers in one block": ("resnet20", "block", lambda: SmallResNet(extra=conv3, only=(2, 2))),
    "no bottleneck in one layer": ("densenet_bc100_k12", "block", lambda: dense_bc(one={(2, 5): {"bottleneck": 0}})),
    "no stage 4": ("resnet18", "depth", lambda: resnet18(("layer4", nn.Identity()), ("fc", nn.Linear(256, 9)))),
    "k = 16 in one layer": ("densenet_bc100_k12", "growth rate", lambda: dense_bc(one={(2, 5): {"k": 16}})),
    "θ = 0.6 once": ("densenet_bc100_k12", "compression", lambda: dense_bc(theta=(0.5, 0.6))),
    "3k in one layer": ("densenet_bc100_k12", "bottleneck", lambda: dense_bc(one={(2, 5): {"bottleneck": 3}})),
    "5×5 in one layer": ("densenet40_k12", "kernel", lambda: Dense(one={(3, 3): {"kernel": 5}})),
    "widths that stay": ("resnet20", "width", lambda: SmallResNet(widths=(16, 16, 32))),
    "3×3 in the projection": (
        "resnet18", "kernel", lambda: resnet18(("layer2.0.downsample.0", projection3()))
    ),
    "three convolutions in the stem": ("resnet18", "other", lambda: resnet18(("conv1", stem_d()))),
    "strides by max pools": ("resnet20", "stride", lambda: SmallResNet(down=nn.MaxPool2d(2))),
    "strides by slices": ("resnet20", "stride", lambda: SmallResNet(down=lambda x: x[..., ::2, ::2])),
    "strides for pools": ("densenet40_k12", "pooling", lambda: Dense(transition="nrs")),
    "pool of the stem in rounds up": (
        "resnet18", "pooling", lambda: resnet18(("maxpool.ceil_mode", True))
    ),
    "sums for means": ("resnet20", "pooling", lambda: SmallResNet(pool=lambda x: x.sum((2, 3)))),
    "more padding behind": ("resnet18", "padding", lambda: resnet18(("conv1", padded_behind()))),
    "more padding behind the pool's maps": (
        "resnet18", "pooling",
        lambda: resnet18(("maxpool", nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.MaxPool2d(3, 2))))
    ),
    "a corner for the mean": ("resnet20", "pooling", lambda: SmallResNet(pool=lambda x: x[:, :, 0, 0])),
    "mean and maximum": ("resnet20", "pooling", lambda: SmallResNet(pool=lambda x: x.mean((2, 3)) + x.amax((2, 3)))),
    "dilated pool": ("resnet18", "pooling", lambda: resnet18(("maxpool", nn.MaxPool2d(3, 2, 1, dilation=2)))),
    "a stage of bottlenecks that does not shrink": (
        "resnet50", "stride",
        lambda: bottlenecks(("layer4.0.conv1.stride", (1, 1)), ("layer4.0.downsample.0.stride", (1, 1)))
    ),
    "edges from the other side": (
        "resnet20", "padding", lambda: changed(SmallResNet(), circular)
    ),
    "reflected edges": ("resnet18", "padding", lambda: resnet18(("layer2.1.conv2", reflecting()))),
    # shortcuts
    "no shortcuts": ("resnet20", "shortcuts", lambda: build("plain20")),
    "one shortcut missing": ("resnet20", "shortcuts", lambda: SmallResNet(join="none", only=(2, 2))),
    "the last shortcut missing": ("resnet20", "shortcuts", lambda: SmallResNet(join="none", only=(3, 3))),
    "shortcuts in a plain net": ("plain20", "shortcuts", SmallResNet),
    "concatenations for sums": ("resnet20", "shortcuts", foreign.Concatenating),
    "sums for concatenations": ("densenet40_k12", "shortcuts", foreign.SumInPlaceOfConcatenation),
    "only the last layer is read": ("densenet40_k12", "shortcuts", lambda: Dense(style="list", last=1)),
    "option B": ("resnet20", "shortcut option", lambda: build("resnet20", shortcut="B")),
    "option C": ("resnet50", "shortcut option", lambda: build("resnet50", shortcut="C")),
    "option A": ("resnet18", "shortcut option", lambda: build("resnet18", shortcut="A")),
    "zeros half before": ("resnet20", "shortcut option", lambda: SmallResNet(zeros="both")),
    "ones for zeros": ("resnet20", "shortcut option", lambda: SmallResNet(zeros=ones)),
    "zeros before": ("resnet20", "shortcut option", lambda: SmallResNet(zeros="before")),
    "pixels averaged": ("resnet20", "shortcut option", lambda: SmallResNet(zeros=averaged)),
    "maps repeated": ("resnet20", "shortcut option", lambda: SmallResNet(zeros=twice)),
    "option A, pre-activation": (
        "preact_resnet164", "shortcut option", lambda: build("preact_resnet164", shortcut="A")
    ),
    "a pool in the projection": (
        "resnet50", "shortcut option", lambda: bottlenecks(("layer2.0.downsample", projection_d()))
    ),
    "maxima": ("resnet20", "shortcuts", lambda: SmallResNet(join=torch.maximum)),
    "one product": ("resnet20", "shortcuts", lambda: SmallResNet(join=torch.mul, only=(2, 2))),
    "only the last four layers are read": ("densenet40_k12", "shortcuts", lambda: Dense(style="list", last=4)),
    "F twice in every block": ("resnet20", "shortcuts", lambda: SmallResNet(join=lambda y, x: y + y)),
    "F twice in one block": ("resnet20", "shortcuts", lambda: SmallResNet(join=lambda y, x: y + y, only=(2, 2))),
    "F twice in three blocks": ("resnet18", "shortcuts", lambda: adding_to_itself(resnet18())),
    # order, activations
    "mean for sum": ("resnet20", "other", lambda: SmallResNet(join=lambda y, x: torch.stack([y, x]).mean(0))),
    "half of F": ("resnet20", "other", lambda: SmallResNet(join=lambda y, x: torch.add(x, y, alpha=0.5))),
    "x − F": ("resnet20", "other", lambda: SmallResNet(join=lambda y, x: x - y)),
    "squeeze and excitation": ("resnet20", "other", lambda: SmallResNet(extra=Gate)),
    "pool before convolution": ("densenet40_k12", "order", lambda: Dense(transition="nrpc")),
    "norm behind the transition's convolution": ("densenet40_k12", "order", lambda: Dense(transition="cNrp")),
    "no convolution in the transitions": ("densenet40_k12", "other", lambda: Dense(transition="nrp")),
    "softmax": ("resnet20", "other", lambda: SmallResNet(end=nn.Softmax(1))),
    "ReLU on the logits": ("resnet20", "activation", lambda: SmallResNet(end=functional.relu)),
    "no last ReLU": ("preact_resnet20", "activation", lambda: without("preact_resnet20", 1)),
    "pre-activation": ("resnet20", "order", lambda: build("preact_resnet20")),
    "no ReLU after the addition": ("resnet20", "activation", lambda: SmallResNet(order="no relu")),
    "no ReLU after one addition": ("resnet20", "activation", lambda: SmallResNet(order="no relu", only=(2, 1))),
    "ReLU before the addition": ("resnet20", "order", lambda: SmallResNet(order="relu before addition")),
    "convolution first": ("densenet40_k12", "order", lambda: Dense(order="conv first")),
    "leaky ReLU": ("resnet20", "activation", lambda: SmallResNet(act=functional.leaky_relu)),
    "GELU": ("resnet20", "activation", lambda: SmallResNet(act=functional.gelu)),
    "F scaled": ("resnet20", "other", lambda: SmallResNet(scale=0.1)),
    "swish": ("resnet20", "activation", lambda: SmallResNet(act=lambda x: x * torch.sigmoid(x))),
    "a function without a name": (
        "resnet20", "activation", lambda: SmallResNet(act=lambda x: torch.where(x > 0.1, x, 0))
    ),
    "a threshold": ("resnet20", "activation", lambda: SmallResNet(act=nn.Threshold(0.1, 0))),
    "dropout on": ("resnet20", "other", lambda: SmallResNet(extra=lambda channels: Dropout())),
    "dropout on before the classifier": (
        "resnet20", "other", lambda: SmallResNet(pool=lambda x: functional.dropout(x.mean((2, 3))))
    ),
    "F scaled by what is learned": ("resnet20", "other", lambda: SmallResNet(extra=Scaled)),
    "F scaled once": ("resnet20", "other", lambda: SmallResNet(extra=Scaled, only=(2, 2))),
    "PReLU": ("resnet20", "activation", lambda: SmallResNet(act=nn.PReLU())),
    # norms, biases, classifier
    "no batch norm": ("resnet20", "norm", lambda: SmallResNet(norm=lambda channels: nn.Identity())),
    "group norm": ("resnet20", "norm", lambda: SmallResNet(norm=lambda channels: nn.GroupNorm(4, channels))),
    "no norm in the transitions": ("densenet40_k12", "norm", lambda: Dense(transition="rcp")),
    "no last norm": ("densenet40_k12", "norm", lambda: Dense(final=nn.Identity)),
    "no last norm, pre-activation": ("preact_resnet20", "norm", lambda: without("preact_resnet20", 0)),
    "no first norm": ("densenet121", "norm", lambda: of_torchvision("densenet121", ("features.norm0", nn.Identity()))),
    "a norm of the images": ("resnet20", "norm", lambda: SmallResNet(prepare=nn.BatchNorm2d(3))),
    "a norm behind F": ("resnet20", "norm", lambda: SmallResNet(extra=nn.BatchNorm2d)),
    "eps in a projection": ("resnet18", "eps", lambda: resnet18(("layer3.0.downsample.1.eps", 0.1))),
    "eps": ("resnet20", "eps", lambda: changed(SmallResNet(), norms(eps=1e-3))),
    "momentum": ("densenet40_k12", "momentum", lambda: changed(Dense(), norms(momentum=0.01))),
    "norms that never learn": ("resnet18", "norm", lambda: torchvision.models.resnet18(norm_layer=never_learning)),
    "eps of a norm that is written out": (
        "resnet20", "eps", lambda: SmallResNet(norm=lambda channels: foreign.WrittenNorm(channels, eps=1e-3))
    ),
    "norms without weights": ("resnet20", "affine", lambda: SmallResNet(norm=norm_alone)),
    "a scale and no shift": ("resnet20", "affine", lambda: changed(SmallResNet(), without_shift)),
    "instance norm": ("resnet18", "norm", lambda: resnet18(("layer2.1.bn1", nn.InstanceNorm2d(128, affine=True)))),
    "biases": ("resnet20", "bias", lambda: SmallResNet(bias=True)),
    "a bias in one layer": ("resnet20", "bias", lambda: SmallResNet(bias=True, only=(3, 1))),
    "no bias in the classifier": ("resnet20", "bias", lambda: SmallResNet(fc_bias=False)),
    "a hidden layer": ("resnet20", "classifier", lambda: SmallResNet(hidden=32)),
    "no classifier": ("resnet18", "classifier", lambda: resnet18(("fc", nn.Identity()))),
    # what is used twice, or never
    "shared weights": ("resnet20", "shared", lambda: SmallResNet(share=True, only=(2, 2))),
    "a shared norm": ("resnet20", "shared", lambda: sharing_norms(SmallResNet())),
    "a block used twice": ("resnet20", "shared", lambda: using_a_block_twice(SmallResNet())),
    "standardised weights": ("resnet20", "other", lambda: changed(SmallResNet(), standardised)),
    "weights that nothing reads": ("resnet20", "unused", lambda: with_extra(SmallResNet())),
}  # fmt: skip


def conv3(channels):
    return nn.Sequential(nn.ReLU(), nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels))


def padded_behind():
    return nn.Sequential(nn.ZeroPad2d((2, 3, 2, 3)), nn.Conv2d(3, 64, 7, 2, bias=False))


def ones(x, grow):
    return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, grow), value=1.0)


def without_shift(module):
    if isinstance(module, nn.BatchNorm2d):
        module.bias = None


def norm_alone(channels):
    return nn.BatchNorm2d(channels, affine=False)


def projection3():
    return nn.Conv2d(64, 128, 3, 2, 1, bias=False)


def stem_d():
    shapes = ((3, 32, 2), (32, 32, 1), (32, 64, 1))
    return nn.Sequential(*(nn.Conv2d(before, after, 3, stride, 1, bias=False) for before, after, stride in shapes))


def projection_d():
    return nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(256, 512, 1, bias=False), nn.BatchNorm2d(512))


def reflecting():
    return nn.Conv2d(128, 128, 3, padding=1, bias=False, padding_mode="reflect")


class Dropout(nn.Module):
    """functional.dropout forgets to ask whether the net is in training."""

    def forward(self, x):
        return functional.dropout(x, 0.2)


def adding_to_itself(net):
    class Slipping(torchvision.models.resnet.BasicBlock):
        def forward(self, x):
            y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            return self.relu(y.add_(y))

    for block in (net.layer1[1], net.layer2[1], net.layer4[1]):
        block.__class__ = Slipping
    return net


def circular(module):
    if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):
        module.padding_mode, module._reversed_padding_repeated_twice = "circular", [1] * 4


def never_learning(channels):
    return torchvision.ops.FrozenBatchNorm2d(channels)


class Scaled(nn.Module):
    """A factor for each map, which is learned."""

    def __init__(self, channels):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x):
        return x * self.scale


def using_a_block_twice(net):
    net.body[5] = net.body[4]
    return net


def wide_inside(net):
    unit = net.body[4]
    unit.c1, unit.n1 = nn.Conv2d(32, 48, 3, 1, 1, bias=False), nn.BatchNorm2d(48)
    unit.c2 = nn.Conv2d(48, 32, 3, 1, 1, bias=False)
    return net


def sharing_norms(net):
    net.body[4].n1 = net.body[4].n2
    return net


def standardised(module):
    if isinstance(module, nn.Conv2d):
        nn.utils.parametrizations.weight_norm(module)


def with_extra(net):
    net.auxiliary = nn.Linear(64, 10)
    return net


def counted(net, side):
    """By PyTorch: parameters, and multiply–adds of an image; and the number of classes."""
    like = next(net.parameters())
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        logits = net.eval()(torch.zeros(1, 3, side, side, device=like.device))
    return sum(map(torch.numel, net.parameters())), counter.get_total_flops() // 2, logits.shape[1]


@pytest.mark.parametrize("case", WRONG)
def test_a_defect_is_named_first(case):
    name, kind, make = WRONG[case]
    with torch.device("meta" if paper_nets.plan(name).stem == "7x7" else "cpu"):  # no numbers are needed to be wrong
        net = make()
    found = audit(net, name)
    others = [one for one in found.differences if one.kind != "initial weights"]
    assert not found.matches and others[0].kind == kind and len(others) == 1, found
    assert str(found).startswith("This is not ")
    side = 224 if paper_nets.plan(name).stem == "7x7" else 32
    *made, classes = counted(net, side)
    with torch.device("meta"):
        *papers, _ = counted(build(name, num_classes=classes), side)
    costs = others[0].cost
    assert [costs.parameters, costs.multiply_adds] == [made[0] - papers[0], made[1] - papers[1]], found
    assert found.theirs.activation_bytes - found.papers.activation_bytes == costs.activation_bytes


@pytest.mark.parametrize(
    ("make", "name", "wrong", "kinds"),
    [
        (SmallResNet, "resnet20", {"blocks": (3, 2, 3), "hidden": 32}, {"depth", "classifier"}),
        (SmallResNet, "resnet20", {"pool": "max", "hidden": 32}, {"pooling", "classifier"}),
        (SmallResNet, "resnet20", {"zeros": "both", "act": functional.gelu}, {"shortcut option", "activation"}),
        (SmallResNet, "resnet20", {"order": "no relu", "norm": lambda n: norm_alone(n)}, {"activation", "affine"}),
        (Dense, "densenet40_k12", {"bottleneck": 4, "final": nn.Identity}, {"block", "norm"}),
        (Dense, "densenet40_k12", {"bottleneck": 4, "transition": "nrpc"}, {"block", "order"}),
        (Dense, "densenet40_k12", {"bottleneck": 4, "transition": "rcp"}, {"block", "norm"}),
    ],
)
def test_two_defects_are_told_and_cost_what_both_change(make, name, wrong, kinds):
    net = make(**wrong)
    found = [one for one in audit(net, name).differences if one.kind != "initial weights"]
    assert {one.kind for one in found} == kinds, found
    made, papers = counted(net, 32), counted(build(name), 32)
    assert sum(one.cost.parameters for one in found) == made[0] - papers[0]
    if "order" not in kinds:  # smaller maps before a convolution cost less, the more maps there are
        assert sum(one.cost.multiply_adds for one in found) == made[1] - papers[1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda weight: nn.init.normal_(weight, std=0.01), "another variance"),
        (lambda weight: nn.init.kaiming_uniform_(weight, a=5**0.5), "PyTorch's own default"),
        (lambda weight: nn.init.kaiming_normal_(weight, mode="fan_out"), "fan-out"),
    ],
)
def test_initial_weights_are_told_and_blame_nobody(change, words):
    net = build("resnet18")
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            change(module.weight)
    (only,) = audit(net, "resnet18").differences
    assert only.kind == "initial weights" and words in only.found and "fan-in" in only.expected
    assert audit(net, "resnet18").matches
    assert not audit(trained(net), "resnet18").differences


def test_what_evaluation_leaves_out_is_noted():
    images = audit(SmallResNet(prepare=torchvision.transforms.Normalize([0.4] * 3, [0.2] * 3)), "resnet20")
    assert images.matches and all("prepares the images itself" in note for note in images.notes) and images.notes
    dropout = audit(SmallResNet(end=nn.Dropout(0.5)), "resnet20")
    assert dropout.matches and "It has dropout" in str(dropout)


def test_what_a_difference_costs_is_what_it_changes():
    for name, changes in {
        "densenet40_k12": {"compression": 0.5},
        "densenet_bc100_k12": {"growth_rate": 24},
        "resnet20": {"shortcut": "B"},
        "resnet56": {"blocks": (9, 9, 10)},
        "resnet50": {"stride_in": "3x3"},
        "resnet18": {"width": 32},
    }.items():
        with_it, without = cost(name, **changes), cost(name)
        one = audit(build(name, **changes), name).differences[0].cost
        assert vars(one) == {key: value - vars(without)[key] for key, value in vars(with_it.total).items()}


def test_help_tells_what_a_difference_holds():
    for field in dataclasses.fields(paper_nets.lab.differences.Difference):
        assert field.name in audit.__doc__ and f"`{field.name}`" in paper_nets.lab.audit.Audit.__doc__


def test_how_it_is_said():
    """Places and words as a person would have them."""
    told = str(audit(resnet18(("maxpool", nn.Identity())), "resnet18"))
    assert "1. behind the stem (conv1): batch norm – ReLU; the paper has batch norm – ReLU – 3×3 max pool" in told
    told = str(audit(Dense(transition="nrcm"), "densenet40_k12"))
    assert "1. behind transitions 1 and 2 (between.0.2): 2×2 max pool" in told
    told = str(audit(Dense(blocks=(1,)), "densenet40_k12"))
    assert "the whole net: 1 layer in the blocks; the paper has 12, 12 and 12" in told
    for case in ("pre-activation", "no max pool", "maxima", "F twice in one block", "F scaled once"):
        name, _, make = WRONG[case]
        assert "branches off" not in str(audit(make(), name)) and "do not meet" not in str(audit(make(), name))
    told = str(audit(WRONG["F twice in three blocks"][2](), "resnet18"))
    assert "1. the end of 3 places, the first in stage 1, block 2 (layer1.1.conv2)" in told
    told = str(audit(using_a_block_twice(SmallResNet()), "resnet20"))
    assert "1. body.4: the same weights used 2 times; the paper has weights for each" in told
    told = str(audit(resnet18(("conv1", padded_behind())), "resnet18"))
    assert "padding 2 above, 3 below, 2 on the left, 3 on the right; the paper has padding 3" in told
    told = str(audit(changed(SmallResNet(), without_shift), "resnet20"))
    assert "batch norm, a scale and no shift; the paper has batch norm, a scale and a shift" in told
    drawn = str(audit(SmallResNet(), "resnet20")).splitlines()
    assert len(drawn) == 2 and drawn[1].startswith("Its weights were drawn otherwise: PyTorch's own default")


SHALLOW = [name for name in NAMES if paper_nets.plan(name).depth < 150]


@pytest.mark.parametrize("name", SHALLOW)
def test_the_outline_costs_what_closed_form_says(name):
    image = (3, 224, 224) if cost(name).stages[-1].shape[0] == 1000 else (3, 32, 32)
    with torch.device("meta"):
        ops = record(build(name), torch.zeros(1, *image)).ops
    assert outline(ops).cost(image) == cost(name).total


def test_without_a_name_the_nearest_come_first():
    assert audit(SmallResNet())[0].net == "resnet20"
    assert audit(Dense(theta=0.5))[0].net == "densenet40_k12"
    assert audit(torchvision.models.densenet169())[0].net == "densenet169"
    assert [one.net for one in audit(torchvision.models.resnet18())][0] == "resnet18"


def test_nothing_of_the_net_is_changed():
    net = SmallResNet()
    net.train()
    net.body[3].eval()
    net.body[1].c1.register_forward_hook(lambda *_: None)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    modes = [module.training for module in net.modules()]
    hooks = [len(module._forward_hooks) for module in net.modules()]
    numbers = torch.get_rng_state(), random.getstate()
    audit(net, "resnet20")
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert modes == [module.training for module in net.modules()]
    assert hooks == [len(module._forward_hooks) for module in net.modules()]
    assert torch.equal(numbers[0], torch.get_rng_state()) and numbers[1] == random.getstate()
    assert all(parameter.grad is None and parameter.requires_grad for parameter in net.parameters())


def test_an_error_of_the_readers_own_comes_as_it_is():
    class Broken(nn.Module):
        def forward(self, x):
            return x.no_such_thing

    with pytest.raises(AttributeError, match="no_such_thing"):
        audit(Broken(), "resnet20")


@pytest.mark.parametrize(
    ("net", "name", "words"),
    [("resnet20", "resnet20", "audit takes a net"), (SmallResNet(), "resnet21", "There is no net 'resnet21'")],
)
def test_wrong_input_is_told(net, name, words):
    with pytest.raises(paper_nets.InputError, match=words):
        audit(net, name)


@pytest.mark.parametrize(
    "name", ["alexnet", "vgg11_bn", "googlenet", "squeezenet1_1", "mobilenet_v2", "shufflenet_v2_x0_5",
             "efficientnet_b0", "convnext_tiny", "vit_b_32", "mnasnet0_5", "regnet_y_400mf"],
)  # fmt: skip
def test_other_nets_are_held_against_the_papers_too(name):
    options = {"init_weights": False} if name == "googlenet" else {}
    with torch.device("cpu" if "regnet" in name else "meta"):  # regnet reckons with numbers as it is made
        net = torchvision.models.get_model(name, **options)
    found = audit(net, "resnet50", (3, 224, 224))
    assert not found.matches and found.differences
    assert "<table>" in found._repr_html_() and str(found).startswith("This is not ResNet-50 of the paper")


def test_a_pool_that_enlarges_its_maps_is_no_trouble():
    """torchvision's VGG and AlexNet have one where images are small."""
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(4), nn.AdaptiveAvgPool2d(7))
    net.extend([nn.Flatten(), nn.Linear(8 * 49, 10)])
    found = audit(net, "plain20", (3, 4, 4))
    assert not found.matches and found.theirs.multiply_adds == 8 * 27 * 4 * 4 + 8 * 49 * 10


def test_what_is_no_image_or_name_is_told():
    for image in (32, (32, 32), [3, 32, 32]):
        with pytest.raises(ValueError, match="it must be .channels, height, width., as .3, 32, 32."):
            audit(build("resnet20"), "resnet20", image)
    with pytest.raises(ValueError, match="There is no net '20'"):
        audit(build("resnet20"), 20)


def test_a_net_that_no_paper_has_is_not_said_to_be_the_papers():
    assert str(audit(build("resnet26"), "resnet26")).startswith("This is ResNet-26 as the paper would build it")


def test_a_cut_gradient_is_noted():
    """Outputs do not show it."""
    cut, whole = build("resnet20"), build("resnet20")
    cut.stages[0][1].W_s.forward = lambda x: x.detach()
    assert audit(cut, "resnet20").matches and "It detaches what it passes on" in str(audit(cut, "resnet20"))
    assert "detaches" not in str(audit(whole, "resnet20"))
