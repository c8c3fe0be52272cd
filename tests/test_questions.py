"""A reader's prediction is kept and stands beside what was measured; a check answers any answer with a sentence."""

from pathlib import Path

import nbformat
import numpy
import pytest
import torch
from torch import nn

from paper_nets import build, questions


def test_a_guess_stands_beside_what_was_measured_and_follows_the_box():
    guess = questions.Guess("training error of plain-56 (%)")
    assert repr(guess) == "Your guess: training error of plain-56 (%)"
    shown = guess.beside(58.3159)
    assert repr(shown) == "training error of plain-56 (%): measured 58.3"
    guess.box.value = "<i>60"
    assert "&lt;i&gt;60" in shown.value
    guess.box.value = "60"
    assert repr(shown) == "training error of plain-56 (%): you said 60, measured 58.3"


MEASURED = [(True, "yes"), (numpy.bool_(False), "no"), ("resnet152", "resnet152"), (7, "7"), (1.2e26, "1.2e+26")]


@pytest.mark.parametrize(("measured", "words"), MEASURED)
def test_what_was_measured_is_told_in_words(measured, words):
    guess = questions.Guess("deeper is better", "yes", "no")
    assert guess.box.options == ("", "yes", "no")
    guess.box.value = "no"
    assert repr(guess.beside(measured)) == f"deeper is better: you said no, measured {words}"


CHECKS = [check for check in vars(questions).values() if hasattr(check, "__wrapped__")]
ANSWERS = ["a word", None, [], {}, 3, -1.5, float("nan"), (1, 2, 3), object(), lambda *given: None, nn.Conv2d]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_any_answer_gets_a_sentence(check, monkeypatch):
    assert len(CHECKS) >= 32
    before, on_gpus = torch.get_rng_state(), []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", on_gpus.append)
    for answer in ANSWERS:
        reply = check(answer)
        assert torch.equal(torch.get_rng_state(), before) and not on_gpus  # the reader's random numbers
        assert reply.right is not None and reply.message.startswith(("Right. ", "Not yet: ")), reply
    assert check(...).right is None


def test_a_layer_that_does_nothing_may_be_made_in_any_way():
    assert questions.layer_that_does_nothing(lambda c: nn.init.dirac_(c.weight)).right
    assert not questions.layer_that_does_nothing(lambda c: nn.init.constant_(c.weight, 1 / 9)).right
    torch.manual_seed(1)
    assert not questions.layer_that_does_nothing(lambda c: None).right


@pytest.mark.parametrize("name", ["plain20", "resnet20", "densenet22_k12", "densenet121"])
def test_the_mean_of_a_class_activation_map_and_the_bias_are_the_nets_own_score(name):
    """With the function of notebook 09, which is also the answer to its question."""
    book = nbformat.read(Path(__file__).parents[1] / "notebooks" / "09-inside.ipynb", as_version=4)
    (cell,) = (cell for cell in book.cells if "def class_maps" in cell.source and cell.cell_type == "code")
    exec(cell.source.split("\n\n\n")[0], there := {"torch": torch})
    torch.manual_seed(0)
    net = build(name)
    net.double().head.fc1.bias.data.normal_()
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        net(x)  # so that batch norm has seen something
        maps, scores = there["class_maps"](net.eval(), x), net(x)
    assert maps.shape[:2] == scores.shape and maps.shape[2] > 1
    torch.testing.assert_close(maps.mean((2, 3)) + net.head.fc1.bias, scores)


def test_class_maps_may_be_made_in_any_way_but_without_the_bias():
    weigh = nn.functional.conv2d
    assert questions.class_maps(lambda maps, classifier: weigh(maps, classifier.weight[:, :, None, None])).right
    bias = questions.class_maps(lambda maps, c: weigh(maps, c.weight[:, :, None, None], c.bias))
    assert "without the bias" in bias.message
    assert "(2, 4)" in questions.class_maps(lambda maps, classifier: classifier(maps.mean((2, 3)))).message
