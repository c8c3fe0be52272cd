"""The loss around a net: against a second derivation, and against what must not change it."""

import copy

import numpy
import pandas
import pytest
import torch
from torch import nn
from torch.nn import functional

from paper_nets import InputError, show
from paper_nets.lab import load, loss_surface, random_direction, seeded

DIGITS = load("digits")
X, Y = DIGITS.normalise(DIGITS.train_images)[:32], DIGITS.train_labels[:32]


@pytest.mark.parametrize("name", ["plain8", "resnet8", "densenet22_k12"])
def test_a_direction_is_as_long_as_the_net_filter_by_filter(name):
    net = seeded(name, DIGITS, seed=0)
    direction = random_direction(net, seed=3)
    assert list(direction) == [key for key, _ in net.named_parameters()]
    for key, p in net.named_parameters():
        if p.dim() == 1:
            assert not direction[key].any()
        else:
            ours, theirs = ([f.norm().item() for f in t.detach()] for t in (p, direction[key]))
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
    # Question 1 of notebook 05: a raw step of 1 is there what a step of a tenth is here.
    raw = {name: 0.2 * torch.randn(p.shape) for name, p in net.named_parameters() if p.dim() == 4}
    there, here = (loss_surface(n, X, Y, raw, {}, [step], [0]).loss[0] for n, step in ((longer, 1), (net, 0.1)))
    assert there == pytest.approx(here, rel=1e-3) and here != pytest.approx(ours.loss[0], rel=1e-2)
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
    assert "plain-56 0.5 at the trained net, 5e+03 at most, less than guessing among ten (2.3) on 56 %" in picture.alt
    assert "residual-56 1 at the trained net, 1 at most, less than guessing among ten (2.3) on 100 %" in picture.alt
    above = picture.axes[0]
    assert above.azim == 30 and above.get_zlim() == (-2, 2)
    assert [label.get_text() for label in above.get_zticklabels()] == ["0.01", "0.1", "1", "10", "100"]


def test_a_landscape_is_the_right_way_round():
    rows = [(a, b, 10.0 ** (a + b - 2)) for a in (0, 1, 2) for b in (0, 1)]
    table = pandas.DataFrame(rows, columns=["a", "b", "loss"])
    above, below, _ = show.landscape({"net": table}).axes
    assert below.get_xlim() == (0, 2) and below.get_ylim() == (0, 1)  # a to the right, b upwards
    assert above.collections[0].get_array().tolist() == [-1, 0]  # the mean of log10 on each face
    filled = below.collections[0]
    assert (filled.zmin, filled.zmax, filled.norm.vmin, filled.norm.vmax) == (0.01, 10, 0.01, 100)


def test_the_path_of_training_lies_in_the_contours():
    table = pandas.DataFrame({"a": [0, 0, 1, 1], "b": [0, 1, 0, 1], "loss": [1.0, 2.0, 3.0, 4.0]})
    path = pandas.DataFrame({"a": [1, 0.5, 0], "b": [1, 0.2, 0]})
    picture = show.landscape({"net": table}, limits=(0.1, 10), paths={"net": path})
    drawn = [line.get_xydata().tolist() for line in picture.axes[1].lines]
    assert path.to_numpy().tolist() in drawn
    with pytest.raises(InputError, match="every table needs a path, or none"):
        show.landscape({"net": table, "other": table}, paths={"net": path})
    with pytest.raises(InputError, match="limits must be two powers of ten, the smaller one first"):
        show.landscape({"net": table}, limits=(10, 0.1))
    with pytest.raises(InputError, match="net must have one row for each a and b"):
        show.landscape({"net": table[table.b == 0]})
