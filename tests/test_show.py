"""The figures show the data that they are given, carry their words, and a panel redraws them."""

import io
import re
import subprocess
import sys
import threading
import warnings
from dataclasses import replace
from fractions import Fraction
from itertools import combinations

import nbformat
import numpy
import pandas
import pytest
import torch
from matplotlib import font_manager
from matplotlib.collections import QuadMesh
from PIL import Image
from torchvision import models

from paper_nets import build, catalog, cost, plan, published, show
from paper_nets.lab import load
from paper_nets.lab.trace import Layer, Trace, trace
from paper_nets.nets import NAMES, Block, DenseBlock, DenseNetPlan, InputError, ResNetPlan
from paper_nets.show import picture as drawn_by
from paper_nets.show.picture import family, spelled


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


def test_run_curves_stand_beside_the_papers_ends(runs):
    ends = pandas.concat([published("resnet_figure1"), published("resnet_cifar10")])
    picture = show.run_curves(runs, ends)
    plain_training, plain_test, res_training, res_test = picture.axes
    assert ([10, 20, 30], [50, 25, 16.666667]) in lines_of(plain_training)
    bands = [
        [band.get_bbox().intervaly.tolist() for band in axes.patches] for axes in (plain_test, res_training, res_test)
    ]
    assert bands == [[[9.6, 13]], [], [[6.97, 8.75]]]
    assert [text.get_text() for text in (*plain_training.texts, *plain_test.texts, *res_training.texts)] == [
        "in the paper: 6, 1.5 %",
        "in the paper: 13, 9.6 %",
    ]
    assert res_test.texts[0].get_text() == "in the paper: 8.75, 6.97 %"
    assert picture.alt.endswith("; test: plain-20 9.6 %, plain-56 13 %; test: residual-20 8.75 %, residual-56 6.97 %")


def test_learning_curves_draw_every_run(runs):
    picture = show.learning_curves(runs, epochs=3)
    training, test = picture.axes
    assert len(training.lines) == len(test.lines) == 8
    assert ([1, 2, 3], [50, 25, 16.666667]) in lines_of(training)
    assert ([1, 2, 3], [60, 30, 20]) in lines_of(test)
    assert {text.get_text() for text in picture.texts} >= {"plain-20", "plain-56", "residual-20", "residual-56"}
    assert training.get_xlim() == (0.5, 3.5) and training.get_ylim() == test.get_ylim() == (-2, 100)
    beside = show.learning_curves(runs[runs.net == "plain20"], 3, beside=runs[runs.net != "plain20"])
    assert [line.get_alpha() for line in beside.axes[0].lines] == [0.85] * 2 + [0.3] * 6


def test_lines_draw_every_run_and_say_how_it_goes(runs):
    columns = {"training_error": "training error (%)", "test_error": "test error (%)"}
    picture = show.lines(
        runs, "epoch", columns, title="two errors", log=["test_error"], mark=2, level={"training_error": 7}, decades=4
    )
    training, test = picture.axes
    assert ([1, 2, 3], [51, 26, 17.666667]) in lines_of(training) and ([2, 2], [0, 1]) in lines_of(test)
    assert ([0, 1], [7, 7]) in lines_of(training) and ([0, 1], [7, 7]) not in lines_of(test)
    assert (training.get_yscale(), test.get_yscale()) == ("linear", "log")
    assert test.get_ylim()[1] / test.get_ylim()[0] > 9999  # level data look level
    assert "epoch: 2, training error (%), test error (%): plain-20 25.5, 30; plain-56 25.5, 30" in picture.alt
    assert picture.get_suptitle().replace("\n", " ") == picture.alt
    assert "plain-20 50.5 to 17.2, at most 50.5 and 60 to 20" in show.lines(runs, "epoch", columns).alt


def test_lines_tell_labels_apart_and_end_where_a_net_ends():
    rows = [("plain8", "a", 0, 99.0), ("plain8", "a", 1, 50.0), ("plain8", "b", 0, 98.0), ("plain8", "b", 2, None)]
    table = pandas.DataFrame(rows, columns=["net", "label", "block", "read"]).assign(seed=0)
    picture = show.lines(table, "block", {"read": "read (%)"}, "blocks passed", mark=1, ticks=[0, 1], log=["block"])
    (axes,) = picture.axes
    assert [list(line.get_xdata()) for line in axes.lines[:2]] == [[0, 1], [0]]
    assert len({line.get_linestyle() for line in axes.lines[:2]}) == 2
    assert "a 50; b 98" in picture.alt and list(axes.get_xticks()) == [0, 1]


@pytest.mark.parametrize("values", [[1.0, 0.95, 1.05], [0.5, 3.0, 15.0]])
def test_level_lines_fill_the_picture_and_can_be_read(values):
    table = pandas.DataFrame({"net": "plain20", "seed": 0, "layer": [1, 2, 3], "response": values})
    (axes,) = show.lines(table, "layer", {"response": "r"}, log=["response"], decades=0.2).axes
    low, high = axes.get_ylim()
    assert high / low < 2 * max(values) / min(values)
    ticks = [
        label.get_text() for at, label in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True) if low < at < high
    ]
    assert len(ticks) >= 3 and all(float(tick) for tick in ticks)


def test_lines_are_named_at_their_ends_without_overlapping():
    ends = {"a": 10, "b": 0.2, "c": 0.1, "d": 0, "pre-activation residual-56": 0.3}
    rows = [
        {"net": "plain", "label": label, "seed": 0, "x": x, "y": 5 + x * (end - 5)}
        for label, end in ends.items()
        for x in (0, 1)
    ]
    picture = show.lines(pandas.DataFrame(rows), "x", {"y": "y"}, limits={"y": (0, 10)})
    picture.png()
    boxes = {
        text.get_text().replace("\n", " "): text.get_window_extent()
        for text in picture.texts
        if text.get_text().strip() and text is not picture._suptitle
    }
    axes = picture.axes[0].get_window_extent()
    assert sorted(boxes, key=lambda label: boxes[label].y0) == ["d", "c", "b", "pre-activation residual-56", "a"]
    assert all(not one.overlaps(other) for one, other in combinations(boxes.values(), 2))
    assert boxes["a"].y0 < axes.y1 < boxes["a"].y1 and boxes["d"].y0 < axes.y0 < boxes["d"].y1
    assert all(box.x0 > axes.x1 and box.x1 <= picture.size[0] for box in boxes.values())


def test_nets_are_spelled_as_in_the_text():
    names = ("plain56", "resnet56", "resnet50", "densenet40_k12", "densenet_bc100_k12", "AlexNet", "plain", "conv1")
    words = [
        "plain-56",
        "residual-56",
        "ResNet-50",
        "DenseNet-40 (k = 12)",
        "DenseNet-BC-100 (k = 12)",
        "AlexNet",
        "plain",
        "conv1",
    ]
    assert [*map(spelled, names)] == words


def test_the_band_of_mean_lines_holds_all_seeds():
    picture = show.learning_curves(runs_of("plain8", seeds=(0, 1, 5)), 3, mean=True)
    (line,) = picture.axes[0].lines
    assert list(line.get_ydata()) == pytest.approx([52, 27, 50 / 3 + 2])
    (band,) = picture.axes[0].collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == pytest.approx((50 / 3, 55))


def test_spread_draws_every_run_and_the_means():
    rows = [("resnet20", 50, 0, 40.0), ("resnet20", 50, 1, 20.0), ("resnet20", 100, 0, 10.0)]
    table = pandas.DataFrame(rows, columns=["net", "images", "seed", "test_error"])
    picture = show.spread(table, "images", {"test_error": "test error (%)"}, "few", log=True)
    dots, means = picture.axes[0].lines
    assert list(dots.get_ydata()) == [40, 20, 10] and list(means.get_ydata()) == [30, 10]
    assert picture.alt.endswith("residual-20 30.0 at 50, 10.0 at 100") and picture.axes[0].get_xscale() == "log"


def test_error_against_depth_draws_dots_and_means(runs):
    picture = show.error_against_depth(runs, epoch=2)
    drawn = lines_of(picture.axes[0])
    assert ([20, 20, 56, 56], [25, 26, 25, 26]) in drawn
    assert ([20, 56], [25.5, 25.5]) in drawn
    assert "plain 25.5 at 20, 25.5 at 56; residual" in picture.alt
    assert "test error" in show.error_against_depth(runs, 2, "test").alt


def test_growth_is_drawn_relative_to_the_first_row():
    table = pandas.DataFrame({"layers": [4, 8], "memory": [10.0, 40.0]})
    drawn = lines_of(show.growth(table, "t", doubling=4).axes[0])
    assert drawn[:3] == [([4, 8], [1, 4]), ([4, 8], [1, 2]), ([4, 8], [1, 4])]
    assert drawn[3][1][0] == 1 and drawn[3][1][-1] == 2


def test_bars_are_what_nets_and_blocks_cost(priced):
    table = pandas.DataFrame({"net": ["a", "b"], "parameters": [10**6, 3 * 10**6], "multiply_adds": [10**9, 2 * 10**9]})
    picture = show.bars(table.assign(family="residual"), ["parameters", "multiply_adds"], "t")
    left, right = picture.axes
    assert [bar.get_width() for bar in left.patches] == [1, 3] and [bar.get_width() for bar in right.patches] == [1, 2]
    assert picture.alt.endswith("a 1,000,000, 1,000,000,000; b 3,000,000, 2,000,000,000")


def test_on_a_logarithmic_axis_they_are_dots_and_marks_of_what_is_printed(priced):
    printed = priced.parameters.where(priced.net == priced.net[0]) + 1e6
    (axes,) = show.bars(priced.assign(**{"printed: parameters": printed}), ["parameters"], log=True).axes
    assert axes.get_xscale() == "log" and not any(bar.get_visible() for bar in axes.patches)
    dots, marks = axes.lines[::2], axes.lines[1::2]
    at = {net: x for line in dots for x, net in zip(line.get_xdata(), line.get_ydata(), strict=True)}
    assert {net: round(x * 1e6) for net, x in at.items()} == dict(
        zip(map(spelled, priced.net), priced.parameters, strict=True)
    )
    assert len({line.get_color() for line in dots}) == len(dots) == priced.net.map(family).nunique()
    assert [x for line in marks for x in line.get_xdata() if x == x] == [pytest.approx(at[spelled(priced.net[0])] + 1)]


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


def test_maps_stand_pixel_by_pixel_on_one_scale():
    """1 in the middle of a map is white, 0 around it black, and half of it grey, in a row of another size too."""
    one, four = torch.zeros(18, 3, 3), torch.full((1, 4, 4), 0.5)
    one[:, 1, 1] = 1
    face = torch.zeros(3, 3, 3, dtype=torch.uint8)
    made = show.maps({"many": one, "half": four}, "two rows", face)
    shown, first, second, bar = (axes.images[0] for axes in made.axes)
    pixels = first.get_array()
    assert pixels.shape == (140, 16 * 70, 4) and first.get_interpolation() == "nearest"  # 18 maps take two lines
    assert pixels[32, 32].tolist() == [255] * 4 and pixels[5, 5].tolist() == [0, 0, 0, 255]
    assert pixels[32, 66, 3] == pixels[100, 5 * 70, 3] == 0  # between two maps, and behind the last
    assert abs(int(second.get_array()[9, 9, 0]) - 127) <= 1 and shown.get_array().shape == (3, 3, 3)
    assert made.alt == (
        "two rows. many: 18 maps, 3 × 3, 0 to 1, 89 % of it 0; half: 1 map, 4 × 4, 0.5 to 0.5, 0 % of it 0"
    )
    assert [text.get_text() for text in made.texts][-3:] == ["0", "0.5", "≥ 1"]


def test_maps_with_negative_numbers_are_red_and_blue_and_may_lie_over_their_picture():
    maps = torch.tensor([[[1.0, -1.0], [0.0, 0.0]]])
    red, blue, white = show.maps({"": maps}).axes[0].images[0].get_array()[[5, 5, 50], [5, 50, 5], :3].astype(int)
    assert red[0] > red[2] + 50 and blue[2] > blue[0] + 50 and min(white) > 240
    black = torch.zeros(1, 8, 8, dtype=torch.uint8)
    over = show.maps({"": maps.abs()}, picture=black, over=True, names=["nine"])
    assert over.axes[1].images[0].get_array()[50, 5, 0] == int(0.6 * white[0])
    assert over.alt.endswith("; nine") and "≤ -1" in [text.get_text() for text in over.texts]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ({}, "none"),
        ({"a": torch.zeros(3, 3)}, "'a' (3, 3)"),
        ({"a": torch.zeros(0, 3, 3)}, "'a' (0, 3, 3)"),
        ({"a": torch.full((1, 2, 2), float("nan"))}, "'a' (1, 2, 2)"),
    ],
)
def test_what_is_no_map_is_told(rows, told):
    with pytest.raises(InputError, match=re.escape(f"The rows are {told}; each must be maps of shape (n, h, w)")):
        show.maps(rows)


def test_a_picture_shows_itself_with_its_words():
    picture = show.samples(load("digits"))
    data, metadata = picture._repr_mimebundle_()
    size = Image.open(io.BytesIO(data["image/png"])).size
    about = metadata["image/png"]
    assert size == (2 * about["width"], 2 * about["height"])
    assert data["text/plain"] == about["alt"] == picture.alt


def named(*classes):
    """The digits 0 and 1 with these names of their classes."""
    return replace(load("digits"), classes=classes)


@pytest.fixture
def own_fonts(monkeypatch):
    """The fonts are looked for anew, and so at the end for the tests that follow."""
    fonts = [font for font in font_manager.fontManager.ttflist if font.name not in drawn_by.FONTS]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", fonts)
    for known in (drawn_by.families, drawn_by.tell_once):
        known.cache_clear()
    yield
    drawn_by.families.cache_clear()


def has_hangul():
    return any("Nanum" in path or "NotoSansCJK" in path for path in font_manager.findSystemFonts())


@pytest.mark.skipif(not has_hangul(), reason="no font for Hangul here")
def test_names_in_hangul_are_drawn(own_fonts, capsys, caplog):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = [show.samples(named(*names)).png() for names in (("개", "고양이"), ("말", "송아지"))]
    assert drawn[0] != drawn[1]  # boxes would be alike
    bold = show.Picture(90, 30)
    show.figure(lambda: bold.text(0, 0.5, "굵게", weight="bold"))()
    bold.png()
    assert not caplog.text and not capsys.readouterr().out


def test_letters_that_no_font_has_are_told_once_and_in_a_sentence(own_fonts, monkeypatch, capsys):
    monkeypatch.setattr(font_manager, "findSystemFonts", list)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawn = [show.samples(named(*names)).png() for names in (("개", "고양이"), ("말", "송아지"))]
    assert drawn[0] == drawn[1]
    assert capsys.readouterr().out.count("No font here has some letters of this picture") == 1


def test_other_warnings_of_a_drawing_reach_the_reader():
    @show.figure
    def draw():
        warnings.warn("a word of one's own", stacklevel=1)
        return show.Picture(9, 9)

    with pytest.warns(UserWarning, match="a word of one's own"):
        draw()


def test_nothing_needs_pyplot():
    check = "import sys, paper_nets.show; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0


def test_the_package_does_not_wait_for_seaborn_and_seaborn_warns_nobody():
    check = "import sys, paper_nets.show, paper_nets.lab; sys.exit('seaborn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check]).returncode == 0
    table = pandas.DataFrame({"block": [1, 1], "source": [0, 0], "target": [1, 2], "value": [1.0, 2.0]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        show.connections({"weight": table}, limits=(0, 2)).png()
        show.connections({"weight": table.assign(value=[0.1, 1])}, log=["weight"]).png()
        show.learning_curves(runs_of("plain8", seeds=(0, 1)), 3, mean=True).png()


def test_figures_drawn_from_many_threads_are_the_same(runs):
    alone = show.error_against_depth(runs, 3).png()
    drawn = []
    threads = [threading.Thread(target=lambda: drawn.append(show.error_against_depth(runs, 3).png())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert drawn == [alone] * 8


def test_a_verdict_is_one_of_five_and_says_what_it_rests_on():
    good = show.Verdict("C2", "true", "deeper is worse", "one seed", "40 %")
    assert "**C2**: stacked in a plain net" in good._repr_markdown_() and "**true**: deeper" in good._repr_markdown_()
    table = show.Verdicts([good])._repr_mimebundle_()[0]["text/markdown"].splitlines()[-1]
    assert "in the review: does stacking layers help?" in table
    assert table.endswith("**true**: deeper is worse<details><summary>rests on one seed</summary>40 %</details> |")
    with pytest.raises(ValueError, match="The verdict on C2 is 'probably'; it must be one of 'true'"):
        show.Verdict("C2", "probably", "deeper is worse", "one seed", "40 %")
    with pytest.raises(ValueError, match="rests on is 'hearsay'; it must be one of 'arithmetic'"):
        show.Verdict("C2", "true", "deeper is worse", "hearsay", "40 %")
    with pytest.raises(ValueError, match="no claim C25; say in `claim`"):
        show.Verdict("C25", "true", "deeper is worse", "one seed", "40 %")


def test_what_the_numbers_do_not_show_is_no_verdict():
    verdict = show.Verdict("C2", "true", "deeper is worse", "one seed", "40 %", borne_out=numpy.bool_(False))
    assert verdict.answer() == "**not borne out by these numbers**: true deeper is worse"
    assert str(show.Verdicts([verdict])) == "1 verdicts: 1 not borne out"


def test_verdicts_are_read_from_data_whatever_is_in_their_words(tmp_path):
    """Through a notebook file, as JupyterLab writes it; a | is part of a cell."""
    verdict = show.Verdict("C2", "true only when", "x | y", "arithmetic", "40 | 50 < 60 %", claim="a |\nb")
    data, metadata = show.Verdicts([verdict])._repr_mimebundle_()
    row = data["text/markdown"].splitlines()[-1]
    assert row.startswith(r"| C2 | a \| b | ") and r"when** x \| y<details>" in row and r"40 \| 50 &lt; 60 %" in row
    output = nbformat.v4.new_output("execute_result", data, metadata=metadata, execution_count=1)
    cell = nbformat.v4.new_code_cell("", outputs=[output], metadata={"tags": ["verdicts"]}, execution_count=1)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("## C2: x"), cell])
    nbformat.validate(book)
    nbformat.write(book, tmp_path / "01-a.ipynb")
    (found,) = show.Verdicts.read(tmp_path)
    assert replace(found, notebook="", cell="") == verdict
    assert found.link == f"01-a.ipynb#cell-id={book.cells[0].id}"


@pytest.mark.parametrize("ground", [{}, {"rests_on": "published numbers only"}])
def test_verdicts_of_a_former_form_are_asked_for_anew(tmp_path, ground):
    former = [{"claim_id": "C2", "claim": "deeper is worse", "measured": "40 %", "verdict": "holds", **ground}]
    output = nbformat.v4.new_output(
        "execute_result", {"text/markdown": ""}, metadata={"text/markdown": {"verdicts": former}}
    )
    cell = nbformat.v4.new_code_cell("", outputs=[output], metadata={"tags": ["verdicts"]})
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "01-a.ipynb")
    with pytest.raises(ValueError, match="There are no notebooks with verdicts"):
        show.Verdicts.read(tmp_path)


def by_layer(**columns):
    rows = [
        {"net": net, "seed": seed, "layer": layer, "signal": 10.0**-layer, "gradient": 2.0, "weight": 3.0}
        for net in ("plain20", "resnet20")
        for seed in (0, 1)
        for layer in (1, 2, 3)
    ]
    return pandas.DataFrame(rows).assign(**columns)


def test_gradients_by_layer_are_drawn_as_given():
    signal, gradient = show.gradient_by_layer(by_layer()).axes
    assert lines_of(signal) == [([1, 2, 3], [0.1, 0.01, 0.001])] * 4  # the third is the classifier
    low, high = gradient.get_ylim()
    assert high / low > 9999  # level data look level
    assert "plain-20 10; residual-20 10" in show.gradient_by_layer(by_layer(), "t").alt
    _, weight = show.gradient_by_layer(by_layer(), "t", ("gradient", "weight")).axes
    assert lines_of(weight)[0] == ([1, 2, 3], [3, 3, 3])


def test_a_dense_block_joins_every_layer_to_all_later_ones():
    picture = show.dense_block(5, 4, 6)
    (arcs,) = picture.axes[0].collections
    ends = sorted((round(arc[0, 0]), round(arc[-1, 0])) for arc in arcs.get_segments())
    assert ends == [(i, j) for i in range(6) for j in range(i + 1, 6)]
    words = [text.get_text() for text in picture.axes[0].texts]
    assert "H₅\nreads 22\nadds 4" in words and "26 maps leave" in picture.alt
    with pytest.raises(ValueError, match="growth_rate is 0; it must be a whole number of at least 1"):
        show.dense_block(5, 0, 6)


def words_that_touch(picture):
    """Pairs of words in a picture, tick labels too, whose boxes overlap, and words that the picture cuts."""
    picture.draw_without_rendering()
    texts = list(picture.texts)
    for axes in picture.axes:
        texts += [*axes.texts, axes.xaxis.label, axes.yaxis.label]
        for axis in axes.xaxis, axes.yaxis:
            low, high = axis.get_view_interval()
            ticks = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True) if axes.axison else ()
            texts += [label for at, label in ticks if low <= at <= high]
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts if text.get_text()]
    touch = {(a, b) for i, (a, one) in enumerate(boxes) for b, other in boxes[:i] if one.overlaps(other)}
    width, height = picture.size
    return touch | {(a,) for a, box in boxes if min(box.x0, box.y0, width - box.x1, height - box.y1) < 0}


@pytest.mark.parametrize("layers", range(1, 15))
def test_the_words_of_a_dense_block_do_not_touch(layers):
    assert words_that_touch(show.dense_block(layers, growth_rate=48, channels_in=128)) == set()


DENSE = {name: plan(name) for name in NAMES if name.startswith("densenet")}
# What the sliders of notebook 07 can reach.
LARGEST = DenseNetPlan(blocks=(82,) * 4, growth_rate=128, stem_channels=192, stem="7x7", num_classes=1000)
SMALLEST = DenseNetPlan(blocks=(1, 1, 1), growth_rate=1, stem_channels=1)
SHORT = replace(LARGEST, blocks=(82, 3, 2, 82), stem_channels=64, bottleneck=True, compression=0.5)


@pytest.mark.parametrize("net", [*DENSE.values(), replace(DENSE["densenet264"], growth_rate=128), LARGEST, SHORT])
def test_the_words_of_the_staircases_do_not_touch(net):
    assert words_that_touch(show.staircase(net)) == words_that_touch(show.staircase(net, DENSE)) == set()


def met_in(net, side):
    """What an image meets in a dense net, read off its modules, in the words of the figure."""
    stages = (part for stage in net.stages for part in ([stage] if isinstance(stage, DenseBlock) else stage))
    x, block = torch.empty(1, 3, side, side, device="meta"), 0
    yield f"input, {side}×{side}"
    for part in (*net.stem, *stages, *net.head):
        x = part(x)
        if isinstance(part, DenseBlock):
            block += 1
            yield f"dense\nblock {block}\n{x.shape[2]}×{x.shape[3]}"
        elif isinstance(part, torch.nn.Conv2d):
            yield "{}×{} conv".format(*part.kernel_size)
        elif not isinstance(part, torch.nn.BatchNorm2d):
            yield {
                "ReLU": "BN–ReLU",
                "MaxPool2d": "3×3 max pool",
                "AvgPool2d": "2×2 average pool",
                "GlobalAveragePool": "global average pool",
                "Linear": "linear",
            }[type(part).__name__]


@pytest.mark.parametrize(("net", "theta", "side"), [("densenet40_k12", 0.5, 32), ("densenet121", 0.5, 224)])
def test_the_parts_of_the_net_stand_over_its_staircase(net, theta, side):
    picture = show.staircase(plan(net, compression=theta))
    with torch.device("meta"):
        expected = list(met_in(build(net, compression=theta), side))
    (axes,) = picture.axes
    words = [text for text in axes.texts if text.get_position()[1] > 1 and not text.get_text().endswith("out")]
    assert [text.get_text() for text in words] == expected
    (parts,) = axes.collections
    boxes = [path.get_extents() for path in parts.get_paths()]
    steps = [line.get_xdata() for line in axes.lines if line.get_linestyle() == "-"]
    blocks = [box for box, what in zip(boxes, expected, strict=True) if "block" in what]
    assert [(box.x0, box.x1) for box in blocks] == [pytest.approx((x[0], x[-1])) for x in steps]
    picture.draw_without_rendering()
    for text, box in zip(words, boxes, strict=True):
        room, told = box.transformed(axes.get_xaxis_transform()), text.get_window_extent()
        assert room.x0 <= told.x0 and told.x1 <= room.x1 and room.y0 <= told.y0 and told.y1 <= room.y1


def test_the_explorer_reads_out_what_the_net_costs_and_names_it():
    net = build("densenet_bc100_k12")
    explored = show.staircase(
        plan("densenet_bc100_k12", stem_channels=24), {"densenet_bc100_k12": plan("densenet_bc100_k12")}
    )
    parameters = sum(p.numel() for p in net.parameters())
    assert explored.alt.startswith(f"DenseNet-BC-100 (k = 12): {parameters:,} parameters")
    assert "100 layers deep" in explored.alt and "block 3: 150 + 16 × 12 = 342" in explored.alt
    star = next(line for line in explored.axes[1].lines if line.get_marker() == "*")
    assert star.get_xdata()[0] == pytest.approx(parameters / 1e6)
    own = show.staircase(plan("densenet_bc100_k12", growth_rate=13), {})
    assert own.alt.startswith("a net of your own")


def test_the_explorer_counts_as_the_net_does():
    changed = {"growth_rate": 31, "stem_channels": 64}
    with torch.device("meta"):
        net = build("densenet121", **changed)
    parameters = sum(p.numel() for p in net.parameters())
    told = f"{parameters:,} parameters, {trace(net, (3, 224, 224)).multiply_adds / 1e9:.3f} 10⁹ multiply–adds, "
    assert f"a net of your own: {told}" in show.staircase(plan("densenet121", **changed), DENSE).alt


def star_of(picture):
    axes = picture.axes[1]
    (star,) = (line.get_xydata()[0] for line in axes.lines if line.get_marker() == "*")
    (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
    assert x0 <= star[0] <= x1 and y0 <= star[1] <= y1
    arrows = [text.get_text().strip() for text in axes.texts if text.get_text().strip() in "↙←↖↓↑↘→↗"]
    return tuple(star), "".join(arrows)


def test_the_star_stands_among_the_papers_nets():
    for net in DENSE.values():
        net = replace(net, growth_rate=net.growth_rate + 1)
        price = cost(net)
        at = pytest.approx((price.parameters / 1e6, price.multiply_adds / 1e9))
        assert star_of(show.staircase(net, DENSE)) == (at, "")


@pytest.mark.parametrize(
    ("net", "arrow"),
    [(LARGEST, "↗"), (SMALLEST, "↙"), (DenseNetPlan(blocks=(1, 1, 82), growth_rate=96), "→")],
)
def test_a_star_beyond_the_axes_stands_at_their_edge_with_an_arrow(net, arrow):
    assert star_of(show.staircase(net, DENSE))[1] == arrow


@pytest.mark.parametrize("name", DENSE)
def test_the_nearest_of_the_papers_nets_is_filled(name):
    near = replace(DENSE[name], blocks=(*DENSE[name].blocks[:-1], DENSE[name].blocks[-1] + 1))
    picture = show.staircase(near, DENSE)
    assert picture.alt.endswith(spelled(name))
    filled = [line for line in picture.axes[1].lines if line.get_markerfacecolor() not in ("white", "black")]
    ((at,),) = (line.get_xydata() for line in filled)
    assert at == pytest.approx((cost(name).parameters / 1e6, cost(name).multiply_adds / 1e9))


@pytest.mark.parametrize(("maps", "theta", "left"), [(100, 0.5, 50), (100, 0.29, 29), (7, 0.5, 3), (3, 1, 3)])
def test_a_transition_draws_a_square_for_each_map(maps, theta, left):
    table = pandas.DataFrame({"compression": [0.5, 1.0], "thousand parameters": [60.0, 100.0]})
    picture = show.transition(maps, theta, table, "a net")
    assert [len(line.get_xdata()) for line in picture.axes[0].lines] == [maps, left]
    assert f"of {maps} maps {left} are left" in picture.alt
    assert list(picture.axes[1].lines[0].get_ydata()) == [60, 100]


@pytest.mark.parametrize(
    ("rows", "options", "told"),
    [
        ({"a": torch.zeros(1, 112, 112)}, {}, "maps draws 64 × 64 pixels at most; pool larger maps first."),
        (
            {"a": torch.zeros(4, 2, 2)},
            {"names": range(5)},
            "There are 5 names; each row needs one for each of its maps",
        ),
        ({"a": torch.zeros(4, 2, 2)}, {"picture": torch.zeros(8, 8)}, "The picture is (8, 8); it must be (C, H, W)"),
    ],
)
def test_what_maps_cannot_draw_is_told(rows, options, told):
    with pytest.raises(InputError, match=re.escape(told)):
        show.maps(rows, **options)


def test_sparse_maps_and_maps_of_yes_and_no_have_a_scale():
    sparse = torch.zeros(1, 20, 20)
    sparse[0, 3, 3] = 0.001
    for rows, most in (({"sparse": sparse}, "≥ 0.001"), ({"dead": torch.ones(1, 4, 4) > 0}, "≥ 1")):
        assert show.maps(rows).texts[-1].get_text() == most


def test_a_transition_without_maps_is_refused():
    table = pandas.DataFrame({"compression": [0.5, 1.0], "thousand parameters": [60.0, 100.0]})
    with pytest.raises(ValueError, match="θ is 0.05; of 3 maps so small a θ leaves none"):
        show.transition(3, 0.05, table, "a net")


def test_the_staircase_of_densenet_121_is_the_papers():
    picture = show.staircase(plan("densenet121"))
    blocks = [line.get_ydata() for line in picture.axes[0].lines if line.get_linestyle() == "-"]
    assert [(steps[0], steps[-1], len(steps) - 1) for steps in blocks] == [
        (64, 256, 6),
        (128, 512, 12),
        (256, 1024, 24),
        (512, 1024, 16),
    ]
    assert "block 1: 64 + 6 × 32 = 256; transition to 128; block 2" in picture.alt


@pytest.fixture
def priced():
    return pandas.DataFrame(
        {
            "net": ["resnet34", "resnet50", "densenet121", "densenet169"],
            "error": [26.0, 24.0, 25.0, 23.0],
            "parameters": [21e6, 25e6, 8e6, 14e6],
            "multiply_adds": [3.6e9, 3.8e9, 2.8e9, 3.4e9],
            "activation_bytes": [32e6, 81e6, 130e6, 157e6],
        }
    )


def test_errors_are_drawn_against_each_currency(priced):
    picture = show.error_against_costs(priced, ["parameters", "multiply_adds"], "top-1 error (%)")
    lines = {line.get_label(): list(line.get_xdata()) for line in picture.axes[0].lines}
    assert lines == {"dense, BC": [8, 14], "residual": [21, 25]}
    assert "twice as many" in picture.axes[1].get_xlabel()
    assert "DenseNet-169 23 at 14 million parameters, 3.4 10⁹ multiply–adds" in picture.alt


def test_nets_of_no_family_are_named_and_not_joined():
    table = pandas.DataFrame(
        {
            "net": ["AlexNet", "GoogLeNet", "resnet18", "resnet34"],
            "family": ["other", "other", None, None],
            "error": [18.0, 9.0, 11.0, 8.0],
            "parameters": [61e6, 7e6, 12e6, 22e6],
        }
    )
    axes = show.error_against_costs(table, ["parameters"], "error").axes[0]
    joined = {line.get_label(): line.get_linestyle() for line in axes.lines}
    assert joined == {"other": "None", "residual": "-"}
    assert {text.get_text() for text in axes.texts} == {"AlexNet", "GoogLeNet", "18", "34"}
    assert "residual: ResNet-34, 8 %" in show.error_against_costs(table, ["parameters"], "error", budget=30e6).alt


def test_the_best_nets_within_a_budget(priced):
    told = show.error_against_costs(priced, ["parameters"], "error", budget=21e6).alt
    assert "residual: ResNet-34, 26 %" in told and "dense: DenseNet-169, 23 %" in told and "best: DenseNet-169" in told
    told = show.error_against_costs(priced, ["activation_bytes"], "error", budget=100e6).alt
    assert "residual: ResNet-50, 24 %" in told and "dense: none fits" in told and "best: ResNet-50" in told
    assert "best" not in show.error_against_costs(priced, ["parameters"], "error", budget=1e6).alt


def test_connections_stand_in_their_places():
    rows = [(1, 0, 1, 0.5), (1, 0, 2, 1.0), (1, 1, 2, 2.0), (2, 0, 1, 3.0)]
    table = pandas.DataFrame(rows, columns=["block", "source", "target", "value"])
    picture = show.connections({"weight": table}, mark=(1, 1, 2), log=["weight"])
    squares = picture.axes[0].images[0].get_array()
    assert squares[0, :2].tolist() == [0.5, 1.0] and squares[1, 1] == 2.0 and squares[0, 4] == 3.0
    assert squares.mask.sum() == squares.size - 4
    assert picture.alt == "Block 1, source 1 to target 2. weight: 2"
    assert "no such connection" in show.connections({"weight": table}, mark=(2, 0, 2)).alt
    told = show.connections({"weight": table.assign(points=[0.25] * len(table))}, (1, 1, 2), limits=(0, 50))
    static = show.connections({"weight": table}, limits=(0, 4))
    (mesh,) = [c for c in static.axes[0].collections if isinstance(c, QuadMesh)]
    assert mesh.get_array()[1, 1] == 2.0 and mesh.get_clim() == (0, 4)
    assert [text.get_text() for text in static.axes[0].texts[:4]] == ["0.50", "1.00", "3.00", "2.00"]  # in the squares
    assert told.axes[0].images[0].get_clim() == (0, 50) and told.texts[-1].get_text() == told.alt
    assert told.alt.endswith(", test error +0.2 points")


def runs_of(*nets, seeds=(0,), run="a", epochs=3):
    """A table as `lab.table` makes it, its errors falling from 50 per cent."""
    rows = [
        {"net": net, "seed": seed, "run": run, "epoch": e, "iteration": 10 * e, "training_error": 50 / e + seed}
        for net in nets
        for seed in seeds
        for e in range(1, epochs + 1)
    ]
    return pandas.DataFrame(rows).assign(test_error=lambda table: table.training_error + 1)


NOTHING = pandas.DataFrame({"net": [], "training_error_pct": [], "test_error_pct": []})


def test_runs_of_every_family_have_a_row():
    nets = ["plain8", "resnet8", "preact_resnet8", "densenet10_k4"]
    picture = show.run_curves(runs_of(*nets), NOTHING)
    assert len(picture.axes) == 8 and all(f"{spelled(net)} training 16.7 %" in picture.alt for net in nets)
    assert len(show.run_curves(runs_of("preact_resnet8"), NOTHING).axes) == 2


def test_two_runs_of_one_net_are_two_lines():
    both = pandas.concat([runs_of("plain8"), runs_of("plain8", run="b", epochs=6)])
    picture = show.run_curves(both, NOTHING)
    assert [list(line.get_xdata()) for line in picture.axes[0].lines] == [[10, 20, 30], [10, 20, 30, 40, 50, 60]]
    assert "plain-8 training 16.7 %" in picture.alt and "plain-8 training 8.3 %" in picture.alt


@pytest.mark.parametrize(
    "nets",
    [
        ["resnet56", "resnet101", "resnet152", "resnet1202"],
        ["densenet100_k12", "densenet100_k24", "densenet_bc100_k12", "densenet201", "densenet121", "densenet264"],
        [f"densenet22_k{k}" for k in (1, 2, 4, 8, 12, 24)],
    ],
)
def test_nets_in_one_picture_look_different(nets):
    table = runs_of(*nets)
    for picture in (
        show.run_curves(table, NOTHING),
        show.learning_curves(table, 3),
        show.learning_curves(table, 3, mean=True),
    ):
        looks = [
            (str(line._unscaled_dash_pattern), line.get_marker(), line.get_markerfacecolor() == "white")
            for line in picture.axes[0].lines
        ]
        assert len(looks) == len(nets) == len(set(looks))


def test_a_shortcut_changes_dimensions_where_only_the_side_does():
    stages = trace(build("resnet20", width=4, blocks=(1, 1)), (3, 32, 32)).shortcuts
    assert [shortcut.changes for shortcut in stages] == [False, True]
    strided = torch.nn.Sequential(Block(ResNetPlan(), 4, 4, stride=2))
    (shortcut,) = trace(strided, (4, 8, 8)).shortcuts
    assert shortcut.changes


def test_gradients_that_are_all_zero_are_said_to_be():
    silent = by_layer(signal=0.0, gradient=0.0)
    picture = show.gradient_by_layer(silent, "dead")
    assert "exactly 0" in picture.texts[-1].get_text() and "nan" not in picture.alt
    assert not any("exactly 0" in text.get_text() for text in show.gradient_by_layer(by_layer(), "alive").texts)


def test_names_beside_points_cover_no_other():
    """The nets of both papers on CIFAR-10, of which several lie close together."""
    table = catalog().cifar10_error_pct.dropna().rename("error").rename_axis("net").reset_index()
    for currency in (currencies := ["parameters", "multiply_adds"]):
        table[currency] = [getattr(cost(net), currency) for net in table.net]
    for axes in show.error_against_costs(table, currencies, "error").axes:
        frame, names = axes.get_window_extent(), [text.get_window_extent() for text in axes.texts]
        assert len(names) == len(table) and all(box.x1 <= frame.x1 for box in names)
        assert not any(one.overlaps(other) for one, other in combinations(names, 2))
        ticks = list(axes.get_xticks())
        assert 3 <= len(ticks) <= 8 and ticks == sorted(ticks) and {1, 10} < set(ticks)


def test_more_sizes_of_maps_than_shades():
    layers = tuple(Layer("conv", 3, 1, 8, 8, (2**i, 2**i), 0) for i in range(9))
    picture = show.side_by_side({"deep": Trace(layers, (), (), 1)})
    assert "deep, 9 weighted layers" in picture.alt


def test_a_table_shows_truth_and_dates_as_they_are_written():
    frame = pandas.DataFrame({"paper": [True, None], "day": [pandas.Timestamp(2015, 12, 10)] * 2, "maps": [1000, 1.5]})
    cells = re.findall("<td.*?>(.*?)</td>", show.Table(frame.rename_axis("row"))._repr_html_())
    assert cells == ["0", "True", "2015-12-10 00:00:00", "1,000.0", "1", "", "2015-12-10 00:00:00", "1.5"]


def test_a_table_shows_tensors_and_fractions_plainly():
    values = [torch.tensor(1000), torch.tensor(True), torch.tensor(float("nan")), Fraction(1000, 3), numpy.float64(1e3)]
    frame = pandas.DataFrame({"maps": pandas.Series(values, dtype=object)}).rename_axis("row")
    cells = re.findall("<td.*?>(.*?)</td>", show.Table(frame)._repr_html_())
    assert cells[1::2] == ["1,000", "True", "", "1000/3", "1,000.0"]
