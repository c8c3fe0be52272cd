"""The Korean edition says what the English one says, cell by cell."""

import ast
import re
from collections import Counter

import nbformat
import pandas
import pytest
import torch
from babel.messages import pofile
from bs4 import BeautifulSoup
from ipywidgets import Dropdown, IntSlider
from jupyter_server.services.sessions.sessionmanager import SessionManager
from nbclient import NotebookClient
from torch import nn

from paper_nets import published, questions, show
from paper_nets.lab.differences import Difference
from paper_nets.language import in_korean, language, say, wholly
from paper_nets.nets.cost import Cost
from tests.test_questions import ANSWERS, CHECKS
from tools import korean

PARTS = {
    "numbers": r"\d+(?:[.,]\d+)*",
    "links": r"\]\(([^)\s]+)",
    "code": r"`[^`\n]+`",
    "formulas": r"\$[^$\n]+\$",
    "headings": r"(?m)^#+(?= )",
    "rows of tables": r"(?m)^\|",
    "folds": r"</?details>",
    "places": r"\{[^}]*\}",
}


def parts(text: str, pattern: str) -> Counter:
    return Counter(re.findall(pattern, text))


@pytest.mark.parametrize("source", korean.SOURCES, ids=lambda source: source.stem)
def test_every_cell_is_translated_as_it_now_stands(source):
    wrong = [message.context or message.id for message in korean.catalogue(source) if message.id and message.fuzzy]
    missing = [
        message.context or message.id for message in korean.catalogue(source) if message.id and not message.string
    ]
    assert not wrong, f"The English of {', '.join(wrong)} has changed since it was translated."
    assert not missing, f"{', '.join(missing)} is not translated."


@pytest.mark.parametrize("source", korean.SOURCES, ids=lambda source: source.stem)
@pytest.mark.parametrize("what", PARTS)
def test_numbers_links_and_code_are_the_same(source, what):
    for message in korean.catalogue(source):
        if message.id and message.string:
            texts = message.id, re.sub(r"\d+월", "", message.string)  # January has no digits in English
            english, ours = (parts(text, PARTS[what]) for text in texts)
            assert english == ours, f"{message.context}: {what}: {english - ours} against {ours - english}"


def test_it_is_korean_and_spelled_as_in_the_glossary():
    text = "\n".join(message.string for source in korean.SOURCES for message in korean.catalogue(source))
    hangul, latin = (len(re.findall(f"[{letters}]", text)) for letters in ("가-힣", "a-zA-Z"))
    assert hangul > latin
    for other in ("배치 정규화", "기울기 소실", "성장률", "전이층", "특징 재사용", "지름길"):
        assert other in text
    for other in ("그라디언트", "그래디언트", "컨볼루션", "레이어"):
        assert other not in text, other


def test_what_code_says_has_no_korean_of_before():
    with (korean.CATALOGUES / "code.po").open("rb") as file:
        kept = {message.id for message in pofile.read_po(file) if message.id}
    assert kept == {*korean.messages(korean.CODE)} and len(kept) > 240, "run python -m tools.korean --update"
    assert korean.SAID.read_text(encoding="utf-8") == korean.said(), "run make korean"


def test_strings_that_readers_see_are_found(monkeypatch, tmp_path):
    code = """show.Panel(draw, button="Begin", play="turn", far_off=Dropdown(options=["near", "far"]))
guess = questions.Guess("how many", "none", "all of them")
say(f"it has {len(net)} layers" if net else "there is none")
def loss(net):
    "What documentation says stays."
    print(f"loss of {net}, ", end="")
published("a").query("not a or b == 'c d'")
show.Verdict("C1", "true", "a sentence of its catalogue")"""
    source = tmp_path / "01-a.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)]), source)
    monkeypatch.setattr(korean, "TEXTS", [source])
    found = {*korean.marked()}
    own = {"Begin", "far off", "near", "far", "how many", "none", "all of them", "it has {len(net)} layers"}
    shown = {"loss of {net}", "{error} error (%)", "The net's output does not depend on the images."}
    assert {*own, *shown, "there is none"} <= found
    none = {"turn", "play", "What documentation says stays.", "says", "kc,nchw->nkhw", "a sentence of its catalogue"}
    assert not none & found and not any("== 'c d'" in text for text in found)


def test_a_change_of_the_english_shows(tmp_path, monkeypatch):
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text, id=text) for text in ("one", "two")])
    source = tmp_path / "01-a.ipynb"
    nbformat.write(book, source)
    monkeypatch.setattr(korean, "CATALOGUES", tmp_path)
    monkeypatch.setattr(korean, "SOURCES", [source])
    monkeypatch.setattr(korean, "ROOT", tmp_path)
    korean.main(update=True)
    path = tmp_path / "01-a.po"
    path.write_text(path.read_text().replace('msgid "one"\nmsgstr ""', 'msgid "one"\nmsgstr "하나"'))
    korean.main(update=True)
    assert korean.translated(source) == {"one": "하나", "two": "two"}
    book.cells[0].source = "another"
    nbformat.write(book, source)
    (message,) = (message for message in korean.catalogue(source) if message.context == "one")
    assert message.fuzzy and message.id == "another" and message.string == "하나"
    assert korean.translated(source)["one"] == "another"


def test_the_korean_notebook_has_the_code_and_outputs_of_the_english_one(tmp_path, monkeypatch):
    source = next(path for path in korean.TEXTS if path.name.startswith("00"))
    book = nbformat.read(source, as_version=4)
    made = nbformat.read(korean.write(source, tmp_path), as_version=4)
    assert [cell.id for cell in made.cells] == [cell.id for cell in book.cells]
    for ours, english in zip(made.cells, book.cells, strict=True):
        if english.cell_type == "code" and "erdict" not in english.source:
            assert ours.source == english.source
            for output in english.outputs:
                output.data["text/html"] = korean.table_in_korean(output.data["text/html"])
            assert ours.outputs == english.outputs and ">노트북<" in str(ours.outputs)
    links = [link for cell in made.cells for link in re.findall(r"\]\(([^):]+\.ipynb)", cell.source)]
    assert links[0] == source.name and len(links) > 12 and all(link.startswith("ko-") for link in links[1:])


@pytest.mark.parametrize("source", korean.TEXTS, ids=lambda source: source.stem)
def test_the_stored_files_are_those_of_now(source, tmp_path):
    made = korean.write(source, tmp_path)
    assert made.read_bytes() == (source.parent / made.name).read_bytes(), "run make korean"


def test_the_language_is_that_of_the_notebook(monkeypatch):
    for name, wanted in (("", "en"), ("a/ko-01-a.ipynb", "ko"), ("ko-notes/01-a.ipynb", "en")):
        monkeypatch.setenv("JPY_SESSION_NAME", name)
        assert language() == wanted
        monkeypatch.setenv("PAPER_NETS_LANGUAGE", "en")
        assert language() == "en" and say("yes") == "yes"
        monkeypatch.setenv("PAPER_NETS_LANGUAGE", "ko")
        assert language() == "ko" and say("yes") == "예" and say("no such sentence") == "no such sentence"
        monkeypatch.delenv("PAPER_NETS_LANGUAGE")


def test_places_are_filled_and_what_stands_in_them_is_korean_too():
    assert in_korean("7 is not it. per cent, please.") == "7은 답이 아닙니다. 퍼센트로 답해 주세요."
    assert in_korean("9 is not it. per cent, please.").startswith("9는 ")
    assert in_korean("0.5 is not it. x").startswith("0.5는 ")
    assert in_korean("abc is not it. x").startswith("abc은(는) ")  # read as in English, which its letters do not tell
    assert "채널 4 5 6 7을" in in_korean(
        "layer 3 now is blind to channels 4 5 6 7. It reads x, then layer 1, then layer 2; "
        "which channels are layer 1's four?"
    )
    assert in_korean("y = x, but 2 tensors were changed (a, b); one is enough.").count("(a, b)") == 1


def test_jupyter_tells_the_kernel_its_notebook():
    assert SessionManager().get_kernel_env("notebooks/ko-01-a.ipynb")["JPY_SESSION_NAME"].endswith("ko-01-a.ipynb")


@pytest.fixture
def in_ko(monkeypatch):
    monkeypatch.setenv("PAPER_NETS_LANGUAGE", "ko")


ENGLISH = re.compile(r"[a-z]+ [a-z]+ [a-z]+")


def test_any_answer_gets_a_korean_sentence(in_ko):
    for check in CHECKS:
        assert check(...).message.startswith("이제 여러분 차례입니다.")
        for answer in ANSWERS[4::3]:
            message = re.split("audit|오류가 났습니다:", check(answer).message)[0]  # what follows is English
            assert re.match(r"(맞습니다|아직 아닙니다)\. ", message) and not ENGLISH.search(message), message


BOOKS = [nbformat.read(path, as_version=4) for path in korean.TEXTS if path.suffix == ".ipynb"]


def test_wrong_answers_of_the_notebooks_get_korean_hints(in_ko):
    wrong = [cell.metadata["wrong"] for book in BOOKS for cell in book.cells if "wrong" in cell.metadata]
    for code in wrong:
        *before, last = ast.parse(code).body
        there = {"questions": questions, "torch": torch, "nn": nn, "published": published}
        exec(compile(ast.Module(before, []), "", "exec"), there)
        message = eval(ast.unparse(last), there).message.partition("audit")[0]
        assert message.startswith("아직 아닙니다. ") and not ENGLISH.search(message), message
    assert len(wrong) > 30


def test_a_guess_is_in_korean(in_ko):
    guess = questions.Guess("the worst plain-20 is better than the best plain-44", "yes", "no")
    what = "가장 나쁜 plain-20도 가장 좋은 plain-44보다 낫다"
    assert repr(guess) == f"나의 예측: {what}" and guess.box.options == ("", "예", "아니요")
    guess.box.value = "예"
    assert repr(guess.beside(False)) == f"{what}: 예측 예, 측정값 아니요"


def test_a_panel_is_in_korean(in_ko):
    drawn = []
    control = Dropdown(options=["training", "test"], value="test")
    panel = show.Panel(
        lambda **values: drawn.append(values) or show.Picture(9, 9),
        play="epoch",
        epoch=IntSlider(min=1, max=3),
        error=control,
    )
    panel._repr_mimebundle_()
    assert control.description == "오차" and control.label == "테스트" and drawn[-1] == {"epoch": 1, "error": "test"}
    says = panel.picture.setup["says"]
    assert says["reset"] == "처음으로" and len(says) >= 10 and all(re.search("[가-힣]", word) for word in says.values())
    training = show.Panel(lambda: iter([]), button="Train")
    assert (training.button.description, training.stop.description) == ("학습하기", "멈춤")


def test_a_picture_is_in_korean(monkeypatch):
    def drawn():
        table = pandas.DataFrame({"net": ["plain56"] * 2, "seed": 0, "epoch": [1, 2], "training_error": [50, 0.5]})
        columns = {"training_error": "training error (%)"}
        picture = show.lines(table, "epoch", columns, title="before training")
        picture.axes[0].set_yticks([0, 50], ["none", "0.50"])
        return picture.svg(), picture._repr_mimebundle_()[1]["image/png"]["alt"]

    words = lambda svg: {*re.findall("(?<=>)[^<>]+(?=</text>)", svg)}  # noqa: E731
    monkeypatch.setenv("PAPER_NETS_LANGUAGE", "en")
    svg, alt = drawn()
    assert {"before training", "training error (%)", "epoch", "plain-56", "none", "0.50"} <= words(svg)
    assert alt.startswith("before training. From epoch 1 to 2, training error (%): plain-56 50 to 0.5, at most 50")
    monkeypatch.setenv("PAPER_NETS_LANGUAGE", "ko")
    svg, alt = drawn()
    assert words(svg) >= {"학습 전", "훈련 오차 (%)", "에폭", "plain-56", "없음", "0.50"}
    assert alt == "학습 전. 에폭 1에서 2까지, 훈련 오차 (%): plain-56 50에서 0.5까지, 최대 50"
    before = wholly.cache_info().misses
    again, _ = drawn()
    assert words(again) == words(svg) and wholly.cache_info().misses == before


def test_a_text_of_several_is_joined_in_korean_only_as_a_whole():
    assert in_korean("residual, test error (%)\nepoch 3; 0.5 epochs") == "잔차, 테스트 오차 (%)\n에폭 3; 0.5 에폭"
    # A place that a message has twice holds the same twice: 256 here, and not "256 69,632".
    assert in_korean("bottleneck 256–64–64–256 69,632") == "병목 256–64–64–256 69,632"
    assert in_korean("2.5 million parameters") == "파라미터 (백만) 2.5"
    for text in ("0.01", "1e-05", "plain-56", "DenseNet-BC-100, k = 12", "training_error", "test error, by no means"):
        assert in_korean(text) == text


def test_what_is_wrong_with_a_setting_is_told_in_korean(in_ko):
    def draw(layers):
        show.dense_block(layers=layers)

    panel = show.Panel(draw, layers=IntSlider(value=0, min=0, max=3))
    panel._repr_mimebundle_()
    (frame, _), *_ = panel.picture.frames
    assert frame["words"] == "층 수가 0입니다. 올바른 값: 1 이상의 정수."


def test_what_audit_tells_is_in_korean(in_ko):
    cost = Cost(1000, -231_211_008, 4_210_000)
    place = "the first blocks of stages 2, 3 and 4 (layer2.0.conv1)"
    told = Difference("stride", place, "stride 2 in convolution 2 (3×3)", "stride 2 in convolution 1 (1×1)", cost)
    assert not ENGLISH.search(str(told)) and "stages" not in str(told)
    assert "스테이지 2, 3, 4의 첫 블록 (layer2.0.conv1): " in str(told) and "곱셈-덧셈 −231,211,008" in str(told)


def test_a_count_of_all_is_in_korean_and_no_other_of():
    assert in_korean("5865 of 5865") == "5865 / 5865" and in_korean("maps of digits") == "maps of digits"


def test_a_table_is_in_korean(in_ko):
    table = show.Table(pandas.DataFrame({"test error": [1.5], "note": ["as written"]}, index=["a"]).rename_axis("net"))
    assert all(f">{word}<" in table._repr_html_() for word in ("네트워크", "테스트 오차", "원래 형태", "1.5"))
    twice = show.Table(pandas.DataFrame([["a", 1.5]], columns=["note", "note"]).rename_axis("net"))
    assert "text-align: left" in (html := twice._repr_html_()) and html.count("text-align: right") == 2


def test_what_a_cell_shows_is_in_korean_as_soon_as_show_is_imported(monkeypatch):
    monkeypatch.setenv("PAPER_NETS_LANGUAGE", "ko")
    code = """import io
from paper_nets import audit, build, show
import pandas
from torchvision.models import resnet50
print("training error", 0.5, "%", end=", ")
print("7 of 9 claims\\n5 layers", flush=True)
print("training error", file=(kept := io.StringIO()))
assert kept.getvalue() == "training error\\n"  # a file gets what was written to it
display(pandas.DataFrame({"test error": [1.5], "claims": [7]}, index=pandas.Index(["seed"], name="net")))
audit(resnet50(), "resnet50")"""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(book, timeout=120).execute()
    printed, table, held = book.cells[0].outputs
    assert printed.text == "훈련 오차 0.5 %, 7 of 9 claims\n5층\n"  # what has no Korean stays
    assert all(f">{word}<" in table.data["text/html"] for word in ("테스트 오차", "네트워크", "시드", "1.5", "claims"))
    words = BeautifulSoup(held.data["text/html"], "html.parser").get_text(" ")
    assert words.startswith("논문의 네트워크가 아닙니다(ResNet-50). ") and not re.search("[a-z]+ [a-z]+", words)


@pytest.mark.parametrize("number", ["01", "05"])
def test_stored_pictures_and_lines_are_in_korean(number):
    (path,) = (korean.ROOT / "notebooks").glob(f"ko-{number}-*.ipynb")
    outputs = [output for cell in nbformat.read(path, as_version=4).cells for output in cell.get("outputs", [])]
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    lines = [line for output in outputs for line in output.get("text", "").split("\n") if "python -m" not in line]
    alts = [output.metadata["image/png"]["alt"] for output in pictures]
    assert len(alts) >= 5 and len(lines) > 5 and not [text for text in (*alts, *lines) if ENGLISH.search(text)]


def test_a_verdict_that_is_run_says_what_the_stored_one_says(monkeypatch):
    verdicts = show.Verdicts.read(korean.ROOT / "notebooks")

    def shown():
        table = verdicts._repr_mimebundle_()[0]["text/markdown"]
        return "\n".join([*(verdict._repr_markdown_() for verdict in verdicts), table])

    stored = korean.verdicts_in_korean(shown())
    english = [verdict.claim_id for verdict in verdicts if wholly(verdict.measured) in (None, verdict.measured)]
    assert not english, f"What was measured has no Korean: {', '.join(english)}"
    monkeypatch.setenv("PAPER_NETS_LANGUAGE", "ko")
    assert shown() == stored and str(verdicts).startswith(f"판정 {len(verdicts)}개: 참 ")


def test_a_verdict_is_in_korean():
    verdict = show.Verdict("C2", "true", "it is so", "several seeds", "33 points")
    shown = korean.verdicts_in_korean(verdict._repr_markdown_())
    claim = korean.translated(korean.VERDICTS)["C2 claim"]
    assert claim in shown and "**참**: it is so" in shown and "여러 시드" in shown and "33 points" in shown
    assert "Rests" not in shown and verdict.claim not in shown
