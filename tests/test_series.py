"""Several runs are predicted, made, stopped and gone on with, by a loop and by the workshop's buttons."""

import time

import pytest
import torch

from paper_nets import show
from paper_nets.__main__ import main
from paper_nets.lab import Data, Recipe, Series, learn_identity, load, paper_schedule
from paper_nets.lab.series import pace
from paper_nets.show.workshop import in_words


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def test_stopped_anywhere_it_goes_on_to_the_same_bits(digits, tmp_path):
    stopped = Series(["plain8", "resnet8"], digits, epochs=2, images=400, root=tmp_path / "a")
    steps = []

    def stop(iteration, *_):
        steps.append(iteration)
        if len(steps) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(stopped.make(stop))
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


def test_the_caller_has_its_own_threads_while_a_series_waits(digits, tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    seen = []
    try:
        list(
            Series(["plain8"], digits, epochs=1, images=50, root=tmp_path / "c").make(
                lambda *_: seen.append(torch.get_num_threads())
            )
        )
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
    # A quarter is left of it.
    assert series.seconds_left()["resnet8"] < 0.7 * expected


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
    workshop = show.Workshop(tmp_path)
    workshop.nets.value, workshop.images.value, workshop.epochs.value = ["plain20", "resnet20"], 400, 2

    def press(name, wait=True):
        workshop.buttons[name].click()
        if wait:
            workshop.wait()
        return workshop.message.value

    assert "About" in press("How long?") and "resnet20" in workshop.message.value
    assert not list(tmp_path.iterdir())
    press("Start", wait=False)
    worker = workshop._worker
    press("Start", wait=False)  # a second click, which does nothing
    assert workshop._worker is worker
    assert [button.disabled for button in workshop.buttons.values()] == [True, True, False]
    while "<img" not in workshop.picture.value:
        time.sleep(0.05)
    assert "Stopped. Start goes on" in press("Stop")
    begun = len(list(tmp_path.iterdir()))
    assert begun >= 1 and [button.disabled for button in workshop.buttons.values()] == [False, False, True]
    assert f"Done. The runs are in the folder {tmp_path}." in press("Start")
    assert workshop.bar.value == 1 and "resnet20 training" in workshop.picture.value
    assert workshop.table.value.count(">14 of 14<") == 2
    # What cannot be done is said, and the last curves stay.
    for control, value, words in (
        (workshop.nets, [], "No net is chosen"),
        (workshop.source, str(tmp_path / "nothing"), "There is no folder"),
    ):
        before, control.value = control.value, value
        assert words in press("Start") and "<img" in workshop.picture.value
        control.value = before
    (tmp_path / "a file").touch()
    workshop.root = tmp_path / "a file"
    assert f"{tmp_path / 'a file'}" in press("Start") and "cannot be used" in workshop.message.value
    workshop.root = tmp_path
    assert "plain20 is there, resnet20 is there" in press("How long?")


def test_times_are_told_as_one_says_them():
    words = ["1 second", "89 seconds", "1.6 minutes", "13 minutes", "1.5 hours", "11 hours", "23 days"]
    assert list(map(in_words, (0.2, 89, 95, 800, 5500, 40_000, 2e6))) == words


def test_a_papers_schedule_is_told_in_steps_and_seconds():
    told = paper_schedule("resnet8")
    assert told["iterations"] == 64_000 and told["epochs"] == pytest.approx(163.84) and 60 < told["seconds"] < 1e6
    assert paper_schedule("densenet10_k4")["iterations"] == 300 * 782
