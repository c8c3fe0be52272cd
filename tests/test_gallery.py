"""All figures at once: those of the notebooks, and the page that shows them."""

import html
import io
import json
import re

import pytest
from bs4 import BeautifulSoup
from PIL import Image

from paper_nets import InputError, gallery
from paper_nets.__main__ import main
from paper_nets.lab import load

FIGURES = {figure.name: figure for figure in gallery.figures()}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures")
    assert main(["figures", "--to", str(folder)]) == 0
    return folder / "index.html"


def test_all_twelve_are_there_and_the_companions():
    assert {int(name[:2]) for name in FIGURES if name[:2].isdigit()} == set(range(1, 13))
    assert {"resnet-figure-7", "densenet-figure-4", "densenet-figure-5"} <= set(FIGURES)
    assert len(FIGURES) == len(gallery.figures())  # no name twice
    for figure in FIGURES.values():  # the figure of the review that its name counts
        assert not figure.name[:2].isdigit() or f"figure {int(figure.name[:2])} of the review" in figure.of
        assert figure.title and re.search(r"From notebook \d\d-", figure.caption) and "Question" not in figure.caption


def test_a_picture_is_the_one_that_the_notebook_shows():
    """Found in the notebook in another way: by the function that draws it."""
    for name, notebook, function in (
        ("02-degradation", "01-depth-degradation", "show.run_curves("),
        ("densenet-figure-4", "10-what-it-costs", 'error_against_costs(cifar, CURRENCIES, "CIFAR-10'),
    ):
        cells = json.loads((gallery.NOTEBOOKS / f"{notebook}.ipynb").read_text())["cells"]
        (cell,) = (cell for cell in cells if function in "".join(cell["source"]))
        content, suffix, words = FIGURES[name].picture
        about = cell["outputs"][-1]["metadata"]["image/png"]
        assert (
            suffix == ".png"
            and html.escape(about["alt"]) in words
            and Image.open(io.BytesIO(content)).width == 2 * about["width"]
        )


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("06-resnet-architectures", ["[1×1, 64<br>3×3, 64<br>1×1, 256] × 3", "3.858 × 10⁹"]),
        ("07-resnet-results", ["19.38", "4.49", "resnet152"]),
        ("12-densenet-results", ["20.80", "22.15", "densenet264"]),
        ("11-densenet-architectures", ["[1×1, 128<br>3×3, 32] × 64", "[1×1, 128<br>3×3, 32] × 48"]),
    ],
)
def test_tables_have_the_papers_cells(name, cells):
    assert all(cell in FIGURES[name].picture for cell in cells)


def test_published_numbers_stand_beside_ours():
    assert "13.00" in FIGURES["02-degradation"].numbers and "3.8" in FIGURES["06-resnet-architectures"].numbers


def test_the_page_shows_each_with_words_and_its_file(page):
    shown = BeautifulSoup(page.read_text(), "html.parser")
    images = {image["src"]: image["alt"] for image in shown.find_all("img")}
    assert all(len(words) > 30 and (page.parent / name).stat().st_size > 1000 for name, words in images.items())
    assert [figure["id"] for figure in shown.find_all("figure")] == sorted(FIGURES)
    assert all(figure.find(["img", "table"]) for figure in shown.find_all("figure"))
    assert {path.name for path in page.parent.iterdir()} == {*images, "index.html", "index.ko.html"}
    assert not re.search(r"https?:", re.sub(r"xmlns=\S+", "", page.read_text()))


def test_the_korean_page_shows_the_same_in_korean(page):
    english, korean = (
        BeautifulSoup((page.parent / name).read_text(), "html.parser") for name in gallery.INDEX.values()
    )
    for tag, name in (("figure", "id"), ("img", "src")):
        assert [one[name] for one in english.find_all(tag)] == [one[name] for one in korean.find_all(tag)]
    assert (english.html["lang"], english.a["href"]) == ("en", "index.ko.html")
    assert (korean.html["lang"], korean.a["href"]) == ("ko", "index.html")
    for one in korean.find_all(["h1", "h2", "figcaption", "img"]) + [found.p for found in korean.find_all("figure")]:
        words = one.get("alt") or one.get_text()
        assert re.search("[가-힣]", words) and not re.search("(?i)reproduces|from notebook|what to see", words), words


def test_live_trains_and_draws():
    told = []
    figure = gallery.live(load("digits").subset(50), epochs=1, watch=lambda done, doing: told.append((done, doing)))
    assert [doing for _, doing in told] == ["plain20", "plain56", "resnet20", "resnet56"] and told[-1][0] == 1
    content, _, words = figure.picture
    assert Image.open(io.BytesIO(content)).width == 1800 and "plain-56" in words


def test_without_the_notebooks_it_says_where_they_are(tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "NOTEBOOKS", tmp_path)
    with pytest.raises(InputError, match="clone of the repository"):
        gallery.figures()


def test_a_cell_that_has_not_run_is_named(tmp_path, monkeypatch):
    figure = {"name": "a", "title": "b", "of": "c"}
    cell = {"cell_type": "code", "id": "x1", "metadata": {"figure": figure}, "source": [], "outputs": []}
    (tmp_path / "01-a.ipynb").write_text(json.dumps({"cells": [cell, cell]}))
    monkeypatch.setattr(gallery, "NOTEBOOKS", tmp_path)
    with pytest.raises(InputError, match="Cell x1 of 01-a.ipynb shows no figure"):
        gallery.figures()


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path, capsys):
    (tmp_path / "figures").write_text("mine")
    assert main(["figures", "--to", str(tmp_path / "figures")]) == 2
    assert "is a file; figures need a folder" in capsys.readouterr().err
    assert (tmp_path / "figures").read_text() == "mine"


@pytest.mark.parametrize("name", gallery.INDEX.values())
def test_a_page_of_another_kind_is_not_written_over(tmp_path, name):
    (tmp_path / name).write_text("<title>my own</title>")
    with pytest.raises(InputError, match=f"{name} that is not of these figures"):
        gallery.check_folder(tmp_path)
