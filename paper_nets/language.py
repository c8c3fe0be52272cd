"""What code says to readers, in Korean where their notebook is.

The English of the code is the key, the expressions in its f-strings its places; what has no Korean stays as it is.
`python -m tools.korean` writes korean.json.
"""

import html
import json
import os
import re
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from textwrap import fill

PLACE = re.compile(r"(\{[^}]*\})")
# A word that wants Korean; nets' names, as plain-56 and resnet56, names in code, and formulas have none.
WORD = re.compile(r"(?<![\w'∂+.-])([a-z]{2,}|Block|Human)(?![\w-]|\.\w)|memory-efficient|pre-activation")

# After a number or Hangul, a particle in both its forms: that after a consonant and that after a vowel.
PARTICLES = {"이(가)": "이가", "은(는)": "은는", "을(를)": "을를", "와(과)": "과와"}
PARTICLE = re.compile(rf"([0-9가-힣])({'|'.join(map(re.escape, PARTICLES))})")
NUMBERED = r"(.+?) (\(?-?\d\S*(?: %)?)|([-+−]?\d\S*) (.+)"  # "test 0.5 %", "5 layers"


def language() -> str:
    """Of the notebook, whose name JupyterLab tells its kernel; PAPER_NETS_LANGUAGE, "ko" or "en", goes before."""
    korean = Path(os.environ.get("JPY_SESSION_NAME", "")).name.startswith("ko-")
    return os.environ.get("PAPER_NETS_LANGUAGE") or ("ko" if korean else "en")


@cache
def messages() -> dict[str, str]:
    """The English and the Korean; what is broken into lines also as one line."""
    known = json.loads(Path(__file__).with_name("korean.json").read_text(encoding="utf-8"))
    return {" ".join(english.split("\n")): " ".join(known[english].split("\n")) for english in known} | known


@cache
def sentences() -> list[tuple[str, re.Pattern, list[str], str]]:
    """Of messages with places, those with the most words of their own first: the longest of these, which a text must
    hold; the English as a pattern; the places; the Korean."""
    found, known = [], messages()
    for english in sorted(known, key=lambda english: len(PLACE.sub("", english)), reverse=True):
        if places := list(dict.fromkeys(PLACE.findall(english))):
            pattern = re.escape(english)
            for i, place in enumerate(map(re.escape, places)):
                pattern = pattern.replace(place, f"(?P<at{i}>.*?)", 1).replace(place, f"(?P=at{i})")
            longest = max(PLACE.sub("{}", english).split("{}"), key=len)
            found.append((longest, re.compile(pattern, re.DOTALL), places, known[english]))
    return found


def filled(english: str, say: Callable[[str], str | None], holds: str = "") -> str | None:
    """The Korean of the first message that fits and `holds` this, with what `say` makes of its places, if of each."""
    for longest, pattern, places, korean in sentences():
        if longest in english and re.search(holds, korean) and (match := pattern.fullmatch(english)):
            said = dict(zip(places, map(say, match.groups()), strict=True))
            if None not in said.values():
                return PARTICLE.sub(particle, PLACE.sub(lambda place: said[place[0]], korean))  # noqa: B023
    return None


def particle(found: re.Match) -> str:
    """The one of its two forms that the last sound before it wants; digits as they are read: 3 is 삼, 2 is 이."""
    read = "영일이삼사오육칠팔구"[int(found[1])] if found[1].isdigit() else found[1]
    ends_in_a_vowel = (ord(read) - ord("가")) % 28 == 0
    return found[1] + PARTICLES[found[2]][ends_in_a_vowel]


@lru_cache(10_000)
def wholly(english: str) -> str | None:
    """A text in Korean to its last word, also one joined of several, as pictures' are; None where a word has none."""
    if english in messages() or not WORD.search(english):
        return messages().get(english, english)
    if counted := re.fullmatch(r"(\d+) of (\d+)", english):
        return f"{counted[1]} / {counted[2]}"
    if said := filled(english, lambda place: None if WORD.search(place) else place):
        return said
    for between in ("\n", ". ", "; ", ": ", ", "):
        found, part = [], ""
        for more in re.split(rf"{re.escape(between)}(?![^()]*\))", english):  # none in brackets
            part = f"{part}{between}{more}" if part else more
            if part != english and (said := wholly(part)) is not None:
                found, part = [*found, said], ""
        if not part:
            return between.join(found)
    if said := filled(english, wholly):
        return said
    if one := re.fullmatch(NUMBERED, english):
        said = wholly(one[1] or one[4])
        return said and f"{said} {one[2] or one[3]}"
    lines = english.split("\n")  # broken to fit, and Korean letters are wider
    said = wholly(" ".join(lines)) if len(lines) > 1 else None
    return said and fill(said, round(0.65 * max(map(len, lines))))


@lru_cache(10_000)
def in_korean(english: str) -> str:
    """The same, or of a sentence as much as can be; what has no Korean stays as it is."""
    return wholly(english) or filled(english, in_korean, "니다|세요|예측|측정값") or english


def say(english: str) -> str:
    """The same in the reader's language."""
    return in_korean(english) if language() == "ko" else english


def lines_in_korean(text: str) -> str:
    """Each line that can be in Korean to its last word; marks at its end, where the next print goes on, stay."""
    return re.sub(r"(?m)\S.*?(?=[ ,;:]*$)", lambda line: wholly(line[0]) or line[0], text)


def table_in_korean(text: str) -> str:
    """An HTML table's words in Korean; its source, in the notebooks, is that of published numbers."""

    def said(words: re.Match) -> str:
        korean = wholly(html.unescape(words[0]))
        return html.escape(korean) if korean else words[0]

    return re.sub(r"(?<=>)(?!source<)[^<>]*[a-z][^<>]*(?=<)", said, text)
