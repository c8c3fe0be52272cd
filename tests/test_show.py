"""The figures show the data that they are given, carry their words, and a panel redraws them."""

import io
import subprocess
import sys
import threading

import pandas
import pytest
import torch
from ipywidgets import IntSlider
from PIL import Image
from torchvision import models

from paper_nets import build, published, show
from paper_nets.lab import load
from paper_nets.nets import trace


@pytest.fixture(scope="module")
def runs():
    rows = [
        {
            "net": net,
            "seed": seed,
            "epoch": e,
            "iteration": 10 * e,
            "training_error": 50 / e + seed,
            "test_error": 60 / e,
        }
        for net in ("plain20", "plain56", "resnet20", "resnet56")
        for seed in (0, 1)
        for e in (1, 2, 3)
    ]
    return pandas.DataFrame(rows)


def lines_of(axes):
    return [(list(line.get_xdata()), [round(y, 6) for y in line.get_ydata()]) for line in axes.lines]


def test_imagenet_bars_are_the_published_errors():
    (axes,) = show.imagenet_errors(published("ilsvrc_top5")).axes
    heights = [bar.get_height() for bar in axes.patches]
    assert heights == sorted(published("ilsvrc_top5").top5_error_pct, reverse=True)
    labels = [label.get_text().split("\n") for label in axes.get_xticklabels()]
    assert labels[1] == ["AlexNet", "2012", "8 layers"] and labels[-2] == ["ResNet", "2015", "152 layers"]


def test_learning_curves_draw_every_run(runs):
    picture = show.learning_curves(runs, epochs=3)
    training, test = picture.axes
    assert len(training.lines) == len(test.lines) == 8
    assert ([1, 2, 3], [50, 25, 16.666667]) in lines_of(training)
    assert ([1, 2, 3], [60, 30, 20]) in lines_of(test)
    assert [text.get_text() for text in test.get_legend().get_texts()] == list(dict.fromkeys(runs.net))
    assert "plain20 training 16.7 %, test 20.0 %" in picture.alt
    beside = show.learning_curves(runs[runs.net == "plain20"], 3, beside=runs[runs.net != "plain20"])
    assert len(beside.axes[0].lines) == 8


def test_error_against_depth_draws_dots_and_means(runs):
    picture = show.error_against_depth(runs, epoch=2)
    drawn = lines_of(picture.axes[0])
    assert ([20, 20, 56, 56], [25, 26, 25, 26]) in drawn
    assert ([20, 56], [25.5, 25.5]) in drawn
    assert "plain: 20 layers 25.5 %, 56 layers 25.5 %" in picture.alt
    assert "Test error" in show.error_against_depth(runs, 2, "test").alt


def test_run_curves_stand_beside_the_papers_ends(runs):
    ends = pandas.concat([published("resnet_figure1"), published("resnet_cifar10")])
    plain_training, plain_test, res_training, res_test = show.run_curves(runs, ends).axes
    assert ([10, 20, 30], [50, 25, 16.666667]) in lines_of(plain_training)
    horizontal = [[y[0] for x, y in lines_of(axes) if x == [0, 1]] for axes in (plain_test, res_training, res_test)]
    assert horizontal == [[9.6, 13], [], [8.75, 6.97]]


def test_side_by_side_is_read_off_the_nets():
    with torch.device("meta"):
        nets = {"VGG-19": models.vgg19(), "plain": build("plain34"), "residual": build("resnet34")}
    traces = {name: trace(net, (3, 224, 224)) for name, net in nets.items()}
    assert [sum(layer.kind != "pool" for layer in t.layers) for t in traces.values()] == [19, 34, 34]
    assert [round(t.multiply_adds / 1e9, 1) for t in traces.values()] == [19.6, 3.6, 3.7]
    assert [len(t.shortcuts) for t in traces.values()] == [0, 0, 16]
    assert [s.changes for s in traces["residual"].shortcuts].count(True) == 3
    assert all(s.last == s.first + 1 for s in traces["residual"].shortcuts)
    picture = show.side_by_side(traces)
    words = [text.get_text() for text in picture.axes[0].texts]
    assert words.count("3×3 conv, 512") == 5 + 5 + 8 and words.count("7×7 conv, 64, /2") == 2
    assert words.count("fc 4096") == 2 and words.count("fc 1000") == 3
    arcs = [text.arrow_patch for text in picture.axes[0].texts if getattr(text, "arrow_patch", None)]
    assert len(arcs) == 16 and [arc.get_linestyle() for arc in arcs].count(":") == 3


def test_a_trace_leaves_the_net_as_it_was():
    net = build("resnet20").train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    trace(net, (3, 32, 32))
    assert net.training and not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())


def test_a_picture_shows_itself_with_its_words():
    picture = show.samples(load("digits"))
    data, metadata = picture._repr_mimebundle_()
    size = Image.open(io.BytesIO(data["image/png"])).size
    about = metadata["image/png"]
    assert size == (2 * about["width"], 2 * about["height"])
    assert data["text/plain"] == about["alt"] == picture.alt


def test_nothing_needs_pyplot():
    check = "import sys, paper_nets.show; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0


def test_a_panel_redraws_says_what_is_wrong_and_goes_on():
    @show.figure
    def draw(size):
        if size > 5:
            raise ValueError("size is 6; it must be at most 5.")
        picture = show.Picture(100 * size, 100)
        picture.alt = f'a "{size}" <b>'
        return picture

    panel = show.Panel(draw, size=IntSlider(value=2, min=1, max=9))
    assert 'alt="a &quot;2&quot; &lt;b&gt;" width="200" height="100"' in panel.picture.value
    panel.children[0].children[0].value = 6
    assert "at most 5." in panel.message.value and 'width="200"' in panel.picture.value
    panel.children[0].children[0].value = 3
    assert 'width="300"' in panel.picture.value and "at most" not in panel.message.value
    assert panel._repr_mimebundle_()["text/plain"] == "Run this cell to move the controls: size."


def test_a_panel_with_a_button_waits_for_it():
    def grow(steps):
        for i in range(steps):
            picture = show.Picture(100, 100)
            picture.alt = f"step {i}"
            yield picture

    panel = show.Panel(grow, button="Go", steps=IntSlider(value=3))
    assert panel.picture.value == ""
    panel.button.click()
    assert "step 2" in panel.picture.value and not panel.button.disabled


def test_a_panel_that_was_interrupted_can_be_used_again():
    def grow():
        yield show.Picture(100, 100)
        raise KeyboardInterrupt

    panel = show.Panel(grow, button="Go")
    with pytest.raises(KeyboardInterrupt):
        panel.button.click()
    assert "Working" not in panel.message.value and not panel.button.disabled


def test_figures_drawn_from_many_threads_are_the_same(runs):
    alone = show.error_against_depth(runs, 3).png()
    drawn = []
    threads = [threading.Thread(target=lambda: drawn.append(show.error_against_depth(runs, 3).png())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert drawn == [alone] * 8


def test_verdicts_take_only_the_houses_forms():
    good = show.Verdict("C2", "deeper is worse", "40 %", "holds")
    assert "**C2**: deeper is worse" in good._repr_markdown_()
    assert show.Verdicts([good])._repr_markdown_().splitlines()[-1] == "| C2 | deeper is worse | 40 % | **holds** |"
    with pytest.raises(ValueError, match="must start with one of"):
        show.Verdict("C2", "deeper is worse", "40 %", "probably")
