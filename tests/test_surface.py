"""The loss around a net: against a second derivation, and against what must not change it."""

import copy

import numpy
import pandas
import pytest
import torch
from torch import nn
from torch.nn import functional

from paper_nets import InputError, build, show
from paper_nets.lab import load, loss_surface, random_direction, seeded

DIGITS = load("digits")
X, Y = DIGITS.normalise(DIGITS.train_images)[:32], DIGITS.train_labels[:32]


@pytest.mark.parametrize("name", ["plain8", "resnet8", "densenet22_k12"])
def test_a_direction_is_as_long_as_the_net_filter_by_filter(name):
    net = seeded(name, DIGITS, seed=0)
    direction = random_direction(net, seed=3)
    assert list(direction) == [name for name, _ in net.named_parameters()]
    for name, p in net.named_parameters():
        if p.dim() == 1:
            assert not direction[name].any()
        else:
            ours, theirs = ([f.norm().item() for f in t.detach()] for t in (p, direction[name]))
            assert theirs == pytest.approx(ours, rel=1e-5)
    classifier = [random_direction(net, seed)["head.fc1.weight"] for seed in (3, 4)]
    assert torch.equal(classifier[0], direction["head.fc1.weight"]) and not torch.equal(*classifier)


def test_the_surface_is_the_loss_of_the_moved_net():
    net = seeded("resnet8", DIGITS, seed=0).eval()
    before = copy.deepcopy(net.state_dict())
    first, second = random_direction(net, 0), random_direction(net, 1)
    table = loss_surface(net, X, Y, first, second, [-0.5, 0.0, 0.5], [0.0, 1.0])
    assert list(zip(table.a, table.b, strict=True)) == [(a, b) for a in (-0.5, 0.0, 0.5) for b in (0.0, 1.0)]
    for row in table.itertuples():
        moved = {name: p + row.a * first[name] + row.b * second[name] for name, p in net.named_parameters()}
        logits = torch.func.functional_call(net, moved, (X,))
        assert row.loss == pytest.approx(functional.cross_entropy(logits, Y).item(), rel=1e-4)
        assert row.error == pytest.approx(100 * (logits.argmax(1) != Y).float().mean().item())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_in_training_mode_the_statistics_are_those_of_the_batch():
    """The scale of weights before a batch norm is then of no account, and the net itself keeps its own statistics."""
    net = seeded("resnet8", DIGITS, seed=0).train()
    before = copy.deepcopy(net.state_dict())
    longer = copy.deepcopy(net)
    for layer in longer.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.data *= 10
    ours, theirs = (
        loss_surface(n, X, Y, random_direction(n, 0), random_direction(n, 1), [-0.5, 0.5]) for n in (net, longer)
    )
    assert theirs.loss.to_numpy() == pytest.approx(ours.loss.to_numpy(), rel=1e-3)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_direction_of_another_net_is_refused():
    net, other = seeded("resnet8", DIGITS, seed=0), seeded("resnet8", DIGITS, seed=0, width=8)
    with pytest.raises(
        InputError, match="The direction moves stem.conv1.weight, which is no parameter of this net or has"
    ):
        loss_surface(net, X, Y, random_direction(other), {}, [0])
    with pytest.raises(InputError, match="The direction moves W, which"):
        loss_surface(net, X, Y, {}, {"W": torch.zeros(1)}, [0])


def test_a_landscape_says_in_words_how_high_it_is():
    a, b = numpy.meshgrid([-1, 0, 1], [-1, 0, 1])
    table = pandas.DataFrame({"a": a.ravel(), "b": b.ravel(), "loss": [5, 1, 5, 1, 0.5, 1, 5, 1, 5000]})
    picture = show.landscape({"plain-56": table, "residual-56": table.assign(loss=1)}, turn=30)
    assert "plain-56 0.5 in the middle, 5e+03 at most, less than guessing (2.3) on 56 % of the square" in picture.alt
    assert "residual-56 1 in the middle, 1 at most, less than guessing (2.3) on 100 %" in picture.alt
    above, below, *_ = picture.axes
    assert above.azim == 30 and above.get_zlim() == (-2, 2)
    assert [label.get_text() for label in above.get_zticklabels()] == ["0.01", "0.1", "1", "10", "100"]
    assert (below.get_xlabel(), below.get_ylabel()) == ("a", "b")


def test_the_path_of_training_lies_in_the_contours():
    table = pandas.DataFrame({"a": [0, 0, 1, 1], "b": [0, 1, 0, 1], "loss": [1.0, 2.0, 3.0, 4.0]})
    path = pandas.DataFrame({"a": [1, 0.5, 0], "b": [1, 0.2, 0]})
    picture = show.landscape({"net": table}, limits=(0.1, 10), paths={"net": path})
    drawn = [line.get_xydata().tolist() for line in picture.axes[1].lines]
    assert path.to_numpy().tolist() in drawn


def test_the_net_of_the_question():
    assert build("resnet20").stem.conv1.bias is None  # a bias would spoil what question 1 of notebook 05 says
