"""Nets of others held against the papers': every defect is named first, and no right net is blamed."""

import random

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional

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


def version_1():
    """torchvision's ResNet-50 with its strides where the paper has them."""
    net = torchvision.models.resnet50()
    for stage in (net.layer2, net.layer3, net.layer4):
        stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    return net


def torchvision_with(name, change):
    net = torchvision.models.get_model(name)
    change(net)
    return net


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
    "wrapped": ("resnet20", lambda: Wrapped(SmallResNet())),
    "plain, one sequence": ("plain20", foreign.plain20),
    "pre-activation, in place": ("preact_resnet20", foreign.preact_resnet20),
    "dense, behind": ("densenet40_k12", Dense),
    "dense, ahead": ("densenet40_k12", lambda: trained(Dense(style="ahead"))),
    "dense, a list": ("densenet40_k12", lambda: trained(Dense(style="list"))),
    "dense, BC": ("densenet_bc100_k12", lambda: Dense(blocks=(16,) * 3, stem=24, theta=0.5, bottleneck=4)),
    "torchvision's ResNet-18": ("resnet18", torchvision.models.resnet18),
    "torchvision's ResNet-34": ("resnet34", torchvision.models.resnet34),
    "torchvision's DenseNet-121": ("densenet121", torchvision.models.densenet121),
    "torchvision's DenseNet-161": ("densenet161", torchvision.models.densenet161),
    "torchvision's ResNet-50, strides moved": ("resnet50", version_1),
    "ten classes": ("resnet18", lambda: torchvision.models.resnet18(num_classes=10)),
}


@pytest.mark.parametrize("case", RIGHT)
def test_no_right_net_is_blamed(case):
    name, make = RIGHT[case]
    found = audit(make(), name)
    assert found.matches, found
    assert not found.notes
    assert found.theirs.parameters == found.papers.parameters and "to the parameter" in str(found)
    assert all(one.kind == "initial weights" for one in found.differences)


WRONG = {
    # depth, blocks
    "five blocks a stage": ("resnet20", "depth", lambda: build("resnet32")),
    "a block too few": ("resnet20", "depth", lambda: SmallResNet(blocks=(3, 2, 3))),
    "blocks elsewhere": ("resnet20", "depth", lambda: SmallResNet(blocks=(2, 4, 3))),
    "a layer too few": ("densenet40_k12", "depth", lambda: Dense(blocks=(12, 12, 11))),
    "layers of DenseNet-169": ("densenet121", "depth", torchvision.models.densenet169),
    "basic blocks": ("resnet50", "block", torchvision.models.resnet34),
    "no bottlenecks": ("densenet_bc100_k12", "block", lambda: Dense(blocks=(16,) * 3, stem=24, theta=0.5)),
    # channels
    "one map more": ("resnet20", "width", lambda: SmallResNet(widths=(17, 34, 68))),
    "a narrow last stage": ("resnet20", "width", lambda: SmallResNet(widths=(16, 32, 48))),
    "wide inside": ("resnet50", "width", lambda: torchvision_with("wide_resnet50_2", to_version_1)),
    "k = 16": ("densenet40_k12", "growth rate", lambda: Dense(k=16)),
    "k = 48": ("densenet121", "growth rate", lambda: torchvision.models.DenseNet(48, (6, 12, 24, 16), 96)),
    "θ = 0.5": ("densenet40_k12", "compression", lambda: Dense(theta=0.5)),
    "θ = 1": ("densenet_bc100_k12", "compression", lambda: Dense(blocks=(16,) * 3, stem=24, bottleneck=4)),
    "2k for 4k": ("densenet_bc100_k12", "bottleneck", lambda: Dense(blocks=(16,) * 3, stem=24, theta=0.5, bottleneck=2)),
    "16 maps from the stem": ("densenet_bc100_k12", "width", lambda: Dense(blocks=(16,) * 3, theta=0.5, bottleneck=4)),
    # strides, kernels, pools
    "version 1.5": ("resnet50", "stride", torchvision.models.resnet50),
    "stem of stride 1": (
        "resnet50", "stride", lambda: torchvision_with("resnet50", lambda net: (setattr(net.conv1, "stride", (1, 1)), to_version_1(net)))
    ),
    "a stage that does not shrink": ("resnet20", "stride", lambda: SmallResNet(strides=(1, 2, 1))),
    "no max pool": ("resnet18", "pooling", lambda: torchvision_with("resnet18", lambda net: setattr(net, "maxpool", nn.Identity()))),
    "average for max pool": (
        "resnet18", "pooling", lambda: torchvision_with("resnet18", lambda net: setattr(net, "maxpool", nn.AvgPool2d(3, 2, 1)))
    ),
    "max for average pool": ("densenet40_k12", "pooling", lambda: Dense(pool="max")),
    "global max pool": ("resnet20", "pooling", lambda: SmallResNet(pool="max")),
    "5×5 in the stem": ("resnet20", "kernel", lambda: SmallResNet(stem=(5, 1))),
    "dilated": ("resnet20", "dilation", lambda: SmallResNet(dilation=2, only=(2, 2))),
    "grouped": ("resnet20", "groups", lambda: SmallResNet(groups=4)),
    # shortcuts
    "no shortcuts": ("resnet20", "shortcuts", lambda: build("plain20")),
    "one shortcut missing": ("resnet20", "shortcuts", lambda: SmallResNet(join="none", only=(2, 2))),
    "the last shortcut missing": ("resnet20", "shortcuts", lambda: SmallResNet(join="none", only=(3, 3))),
    "shortcuts in a plain net": ("plain20", "shortcuts", SmallResNet),
    "concatenations for sums": ("resnet20", "shortcuts", foreign.Concatenating),
    "sums for concatenations": ("densenet40_k12", "shortcuts", foreign.SumInPlaceOfConcatenation),
    "only the last layer is read": ("densenet40_k12", "shortcuts", lambda: Dense(style="list", reads="last")),
    "option B": ("resnet20", "shortcut option", lambda: build("resnet20", shortcut="B")),
    "option C": ("resnet50", "shortcut option", lambda: build("resnet50", shortcut="C")),
    "option A": ("resnet18", "shortcut option", lambda: build("resnet18", shortcut="A")),
    "zeros half before": ("resnet20", "shortcut option", lambda: SmallResNet(zeros="both")),
    "zeros before": ("resnet20", "shortcut option", lambda: SmallResNet(zeros="before")),
    # order, activations
    "pre-activation": ("resnet20", "order", lambda: build("preact_resnet20")),
    "no ReLU after the addition": ("resnet20", "activation", lambda: SmallResNet(order="no relu")),
    "no ReLU after one addition": ("resnet20", "activation", lambda: SmallResNet(order="no relu", only=(2, 1))),
    "ReLU before the addition": ("resnet20", "order", lambda: SmallResNet(order="relu before addition")),
    "convolution first": ("densenet40_k12", "order", lambda: Dense(order="conv first")),
    "leaky ReLU": ("resnet20", "activation", lambda: SmallResNet(act=functional.leaky_relu)),
    "GELU": ("resnet20", "activation", lambda: SmallResNet(act=functional.gelu)),
    "F scaled": ("resnet20", "other", lambda: SmallResNet(scale=0.1)),
    # norms, biases, classifier
    "no batch norm": ("resnet20", "norm", lambda: SmallResNet(norm=lambda channels: nn.Identity())),
    "group norm": ("resnet20", "norm", lambda: SmallResNet(norm=lambda channels: nn.GroupNorm(4, channels))),
    "eps": ("resnet20", "eps", lambda: changed(SmallResNet(), norms(eps=1e-3))),
    "momentum": ("densenet40_k12", "momentum", lambda: changed(Dense(), norms(momentum=0.01))),
    "norms without weights": ("resnet20", "affine", lambda: SmallResNet(norm=lambda c: nn.BatchNorm2d(c, affine=False))),
    "biases": ("resnet20", "bias", lambda: SmallResNet(bias=True)),
    "a bias in one layer": ("resnet20", "bias", lambda: SmallResNet(bias=True, only=(3, 1))),
    "no bias in the classifier": ("resnet20", "bias", lambda: SmallResNet(fc_bias=False)),
    "a hidden layer": ("resnet20", "classifier", lambda: SmallResNet(hidden=32)),
    "no classifier": ("resnet18", "classifier", lambda: torchvision_with("resnet18", lambda net: setattr(net, "fc", nn.Identity()))),
    # what is used twice, or never
    "shared weights": ("resnet20", "shared", lambda: SmallResNet(share=True, only=(2, 2))),
    "weights that nothing reads": ("resnet20", "unused", lambda: with_extra(SmallResNet())),
}  # fmt: skip


def to_version_1(net):
    for stage in (net.layer2, net.layer3, net.layer4):
        stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)


def with_extra(net):
    net.auxiliary = nn.Linear(64, 10)
    return net


@pytest.mark.parametrize("case", WRONG)
def test_a_defect_is_named_first(case):
    name, kind, make = WRONG[case]
    found = audit(make(), name)
    others = [one for one in found.differences if one.kind != "initial weights"]
    assert not found.matches and others[0].kind == kind and len(others) == 1, found
    assert str(found).startswith("This is not ")


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
        stem = changes == {"growth_rate": 24}  # 2k maps come from the stem then, which the growth rate alone leaves
        assert stem or vars(one) == {key: value - vars(without)[key] for key, value in vars(with_it.total).items()}


@pytest.mark.parametrize("name", [name for name in NAMES if not name.endswith(("1202", "1001"))])
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
    "name", ["alexnet", "vgg11_bn", "googlenet", "squeezenet1_1", "mobilenet_v2", "shufflenet_v2_x0_5", "efficientnet_b0",
             "convnext_tiny", "vit_b_32", "mnasnet0_5", "regnet_y_400mf"],
)  # fmt: skip
def test_other_nets_are_held_against_the_papers_too(name):
    options = {"init_weights": False} if name == "googlenet" else {}
    found = audit(torchvision.models.get_model(name, **options), "resnet50", (3, 224, 224))
    assert not found.matches and found.differences
    assert "<table>" in found._repr_html_() and str(found).startswith("This is not ResNet-50 of the paper")
