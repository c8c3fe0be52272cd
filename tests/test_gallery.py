"""All figures at once: what is in them, beside numbers that came another way, and the page that shows them."""

import re
from pathlib import Path

import numpy
import pandas
import pytest
from bs4 import BeautifulSoup
from torchvision import models

from paper_nets import gallery
from paper_nets.__main__ import main
from paper_nets.lab import load

PUBLISHED = Path(gallery.__file__).parent / "published"
FIGURES = {figure.name: figure for figure in gallery.FIGURES}


@pytest.fixture(scope="module")
def drawn():
    return {name: figure.draw() for name, figure in FIGURES.items()}


@pytest.fixture(scope="module")
def folder(drawn, tmp_path_factory):
    target = tmp_path_factory.mktemp("figures")
    kept = [gallery.Figure(f.name, f.title, f.of, lambda name=name: drawn[name]) for name, f in FIGURES.items()]
    gallery.write(target, kept)
    return target


def heights(picture):
    return [bar.get_height() for bar in picture.axes[0].patches]


def test_all_twelve_are_there_and_the_companions():
    numbers = {int(name[:2]) for name in FIGURES if name[:2].isdigit()}
    assert numbers == set(range(1, 13))
    assert {"resnet-figure-7", "densenet-figure-4", "densenet-figure-5"} <= set(FIGURES)


def test_the_page_shows_each_with_words_and_its_files(folder):
    page = BeautifulSoup((folder / "index.html").read_text(), "html.parser")
    images = {image["src"]: image["alt"] for image in page.find_all("img")}
    assert set(images) == {f"{name}.svg" for name in FIGURES}
    assert all(len(words) > 30 for words in images.values())
    for link in page.find_all("a"):
        assert (folder / link["href"]).stat().st_size > 1000
    assert {path.suffix for path in folder.iterdir()} == {".png", ".svg", ".html"}
    assert not re.search(r"https?:", (folder / "index.html").read_text())


def test_error_bars_are_the_published_ones(drawn):
    rows = pandas.read_csv(PUBLISHED / "ilsvrc_top5.csv")
    assert heights(drawn["01-imagenet-errors"].picture) == sorted(rows.top5_error_pct, reverse=True)


def test_curves_end_where_the_recorded_runs_end(drawn):
    lines = drawn["02-degradation"].picture.axes[0].lines
    for net in ("plain20", "plain56"):
        run = next(Path(gallery.__file__).parent.glob(f"recorded/{net}-cifar10-15epochs-seed0/curve.csv"))
        curve = pandas.read_csv(run)
        line = next(line for line in lines if line.get_label() == net)
        assert list(line.get_ydata()) == list(curve.training_error)
        assert list(line.get_xdata()) == list(curve.iteration)


def test_the_ends_of_the_recorded_runs_stand_under_the_published_ones(drawn):
    numbers = drawn["02-degradation"].numbers
    curve = pandas.read_csv(PUBLISHED.parent / "recorded/plain20-cifar10-15epochs-seed0/curve.csv")
    figure = pandas.read_csv(PUBLISHED / "resnet_figure1.csv").set_index("net")
    for error in ("training", "test"):
        row = numbers.loc[f"plain20, {error} error (%)"]
        assert row.ours == curve[f"{error}_error"].iloc[-1]
        assert row.published == figure[f"{error}_error_pct"]["plain20"]


def test_connections_are_relative_to_their_targets_mean(drawn):
    squares = drawn["densenet-figure-5"].picture.axes[0].collections[0]
    means = numpy.ma.masked_invalid(squares.get_array().astype(float)).mean(axis=0).compressed()
    assert means == pytest.approx(numpy.ones(3 * 13))  # the targets of three blocks of 12 layers


@pytest.mark.parametrize("name", ["03-side-by-side", "06-resnet-architectures"])
def test_multiply_adds_are_the_printed_ones(drawn, name):
    numbers = drawn[name].numbers
    # Cut or rounded to one place by the paper; 3.8 is printed for 3.858.
    assert (numbers.ours - numbers.published).abs().max() < 0.1
    assert len(numbers) == (3 if name.startswith("03") else 5)


def test_gradients_fade_in_one_and_grow_in_the_other(drawn):
    for name, grows in (("04-gradient-fades", False), ("04-gradient-grows", True)):
        line = next(line for line in drawn[name].picture.axes[0].lines if "plain56" in line.get_label())
        first, last = line.get_ydata()[0], line.get_ydata()[-1]
        assert (first > 10 * last) == grows and (last > 10 * first) != grows


def test_tables_have_the_papers_cells(drawn):
    def cells(name):
        return {text.get_text() for text in drawn[name].picture.axes[0].texts}

    assert {"[1×1, 64 · 3×3, 64 · 1×1, 256] × 3", "pool", "3.858 × 10⁹"} <= {
        line for cell in cells("06-resnet-architectures") for line in cell.split("\n")
    }
    assert {"19.38", "4.49", "resnet152"} <= cells("07-resnet-results")
    assert {"20.80", "22.15", "densenet264"} <= cells("12-densenet-results")
    lines = {line for cell in cells("11-densenet-architectures") for line in cell.split("\n")}
    assert {"[1×1, 128 · 3×3, 32] × 64", "[1×1, 128 · 3×3, 32] × 48", "1×1, 128"} <= lines


def test_the_net_of_figure_10_is_named_and_has_three_blocks(drawn):
    picture = drawn["10-staircase"].picture
    assert picture.get_suptitle() == "DenseNet-40 (k = 12, θ = 0.5)"  # 1 + 3 × 12 + 2 + 1 layers
    words = [text.get_text() for text in picture.axes[0].texts]
    blocks = ["dense\nblock 1\n32×32", "dense\nblock 2\n16×16", "dense\nblock 3\n8×8"]
    assert [text for text in words if "block" in text] == blocks
    for part, times in {"3×3 conv": 1, "1×1 conv": 2, "2×2 average pool": 2, "global average pool": 1}.items():
        assert words.count(part) == times


def test_errors_stand_at_the_costs_of_the_nets(drawn):
    left = drawn["12-error-for-cost"].picture.axes[0]
    dense, residual = (
        next(line for line in left.lines if line.get_label() == kind).get_xydata() for kind in ("dense, BC", "residual")
    )
    published = pandas.read_csv(PUBLISHED / "densenet_imagenet.csv").set_index("net").top1_single_crop_pct
    for (millions, error), net in zip(dense, ("densenet121", "densenet169", "densenet201"), strict=False):
        counted = sum(p.numel() for p in models.get_model(net).parameters()) / 1e6
        assert (millions, error) == (pytest.approx(counted), published[net])
    assert residual[1][0] == pytest.approx(sum(p.numel() for p in models.resnet50().parameters()) / 1e6)


def test_the_largest_difference_is_told(drawn):
    told = drawn["densenet-figure-4"]
    apart = (told.numbers.ours - told.numbers.published).abs()
    assert apart.idxmax() in told.apart and f"{apart.max():.3g}" in told.apart
    assert (apart < 0.05 * told.numbers.published + 0.05).all()  # parameters as printed
    assert drawn["08-dense-block"].apart == ""


def test_live_trains_and_draws():
    told = []
    figure = gallery.live(load("digits").subset(50), epochs=1, watch=lambda done, doing: told.append((done, doing)))
    assert [doing for _, doing in told] == ["plain20", "plain56", "resnet20", "resnet56"] and told[-1][0] == 1
    labels = {line.get_label() for line in figure.draw().picture.axes[0].lines}
    assert {"plain20", "plain56", "resnet20", "resnet56"} <= labels


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path, capsys):
    (tmp_path / "figures").write_text("mine")
    assert main(["figures", "--to", str(tmp_path / "figures")]) == 2
    assert "is a file; figures need a folder" in capsys.readouterr().err
    assert (tmp_path / "figures").read_text() == "mine"
