"""Several runs are predicted, made, stopped and gone on with, by a loop and by the workshop's buttons."""

import gzip
import time

import pytest
import torch

from paper_nets import show
from paper_nets.__main__ import main
from paper_nets.lab import Data, Recipe, Series, learn_identity, load, paper_schedule
from paper_nets.lab.series import pace
from paper_nets.lab.train import Training
from paper_nets.show.workshop import in_words
from tests.test_panel import Page


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def before_each_step(monkeypatch, do):
    step = Training.step
    monkeypatch.setattr(Training, "step", lambda *arguments: (do(), step(*arguments))[1])


def test_stopped_anywhere_it_goes_on_to_the_same_bits(digits, tmp_path, monkeypatch):
    stopped = Series(["plain8", "resnet8"], digits, epochs=2, images=400, root=tmp_path / "a")
    steps = []

    def stop():
        steps.append(len(steps))
        if len(steps) == 18:  # seven in an epoch
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        before_each_step(patch, stop)
        list(stopped.make())
    assert [(run.net, run.finished) for run in stopped.runs()] == [("plain8", True)]
    again = list(stopped.make())
    assert [(len(now.table), now.done) for now in again] == [(3, 0.75), (4, 1)]
    assert stopped.seconds_left() == {"plain8": 0, "resnet8": 0}
    unbroken = Series(["resnet8"], digits, epochs=2, images=400, root=tmp_path / "b")
    list(unbroken.make())
    ours, wanted = (series.runs()[-1].weights().state_dict() for series in (stopped, unbroken))
    assert all(torch.equal(ours[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("images", [None, 400])
def test_its_runs_are_those_of_the_command(images, digits, tmp_path, capsys):
    series = Series(["plain8"], digits, epochs=1, seed=2, images=images, root=tmp_path)
    list(series.make())
    some = ["--images", str(images)] if images else []
    assert main(["train", "plain8", "--epochs", "1", "--seed", "2", "--runs", str(tmp_path), *some]) == 0
    assert f"{series.folder('plain8')} is finished already." in capsys.readouterr().out


def test_a_part_of_the_digits_is_trained_as_the_digits_are(digits, tmp_path):
    part, whole = (
        Series(["plain8"], data, epochs=1, images=images, root=tmp_path)
        for data, images in ((digits.subset(400), None), (digits, 400))
    )
    assert part.recipes == whole.recipes and part.folder("plain8") == whole.folder("plain8")
    assert not part.recipes["plain8"].augment


def test_the_caller_has_its_own_threads_while_a_series_waits(digits, tmp_path, monkeypatch):
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    seen = []
    try:
        with monkeypatch.context() as patch:
            before_each_step(patch, lambda: seen.append(torch.get_num_threads()))
            list(Series(["plain8"], digits, epochs=1, images=50, root=tmp_path / "c").make())
        assert set(seen) == {1}  # the digits' own, while it works
        first, second = (
            Series(["plain8"], digits, epochs=2, images=50, root=tmp_path / name).make() for name in ("a", "b")
        )
        for steps in (first, second):
            next(steps)
            assert torch.get_num_threads() == 3
        for steps in (learn_identity("plain", 1, 0, seed=0, steps=20), first, second):
            next(steps)
            assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_how_long_it_takes_is_told_before(digits, tmp_path):
    series = Series(["resnet8"], digits, epochs=4, root=tmp_path)
    expected = series.seconds_left()["resnet8"]
    start = time.perf_counter()
    making = series.make()
    for _ in range(3):
        next(making)
    taken = time.perf_counter() - start
    assert expected / 4 < taken * 4 / 3 < expected * 4
    # A quarter is left of it, of the time that it takes by now where the machine has become slower.
    assert series.seconds_left()["resnet8"] < 0.7 * max(expected, taken)


def test_the_pace_is_told_where_one_image_is_left_over():
    """ResNet-18 shrinks these images to a pixel, and of one image batch norm could tell no spread then."""
    some = torch.zeros(5, 3, 32, 32, dtype=torch.uint8), torch.zeros(5, dtype=torch.long)
    assert pace("resnet18", Data("black", ("a",), *some, *some), Recipe(epochs=1, batch=2))[0] > 0


@pytest.mark.parametrize(
    ("nets", "epochs", "words"),
    [
        ([], 1, "No net is chosen; choose at least one."),
        (["resnet21"], 1, "There is no net 'resnet21'"),
        (["plain8"], 0, "epochs is 0; it must be"),
        (["resnet50"], 1, "does not fit"),
    ],
)
def test_what_cannot_be_trained_is_refused(nets, epochs, words, digits, tmp_path):
    with pytest.raises(ValueError, match=words):
        Series(nets, digits, epochs, root=tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_workshop_tells_trains_stops_and_goes_on(tmp_path):
    root = tmp_path / "runs"
    panel = show.workshop(root)
    page, controls = Page(panel), panel._controls
    controls["nets"].value, controls["images"].value, controls["epochs"].value = ["plain20", "resnet20"], 400, 2

    def start():
        page.heard.clear()
        panel.button.click()
        panel.wait()
        return page.words()[-1]

    controls["only_time"].value = True
    words = start()
    assert words.startswith("About ") and "resnet20" in words and not root.exists()
    controls["only_time"].value = False
    panel.button.click()
    worker = panel._worker
    panel.button.click()  # a second click, which does nothing
    assert panel._worker is worker and panel.button.disabled and not panel.stop.disabled
    while not page.shares()[-1]:
        time.sleep(0.05)
    panel.stop.click()
    panel.wait()
    assert page.words()[-1] == "Stopped." and not panel.button.disabled and panel.stop.disabled
    assert len(list(root.iterdir())) >= 1
    assert start() == f"Done. The runs are in the folder {root}." and page.shares()[-1] == 1
    last = [gzip.decompress(packed[0]).decode() for message, packed in page.heard if packed and packed[0]][-1]
    assert "residual-20 training" in last and last.count(">14 of 14<") == 2
    # What cannot be done is said.
    for control, value, words in (("nets", [], "No net is chosen"), ("source", str(tmp_path / "no"), "There is no f")):
        before, controls[control].value = controls[control].value, value
        assert start().startswith(words)
        controls[control].value = before
    controls["only_time"].value = True
    assert "plain20 is there, resnet20 is there" in start()
    (tmp_path / "a file").touch()
    panel = show.workshop(tmp_path / "a file")
    page, controls = Page(panel), panel._controls
    assert f"{tmp_path / 'a file'}" in start() and "cannot be used" in page.words()[-1]


def test_times_are_told_as_one_says_them():
    words = ["1 second", "89 seconds", "1.6 minutes", "13 minutes", "1.5 hours", "11 hours", "23 days"]
    assert list(map(in_words, (0.2, 89, 95, 800, 5500, 40_000, 2e6))) == words


def test_a_papers_schedule_is_told_in_steps_and_seconds():
    told = paper_schedule("resnet8")
    assert told["iterations"] == 64_000 and told["epochs"] == pytest.approx(163.84) and 60 < told["seconds"] < 1e6
    assert paper_schedule("densenet10_k4")["iterations"] == 300 * 782
