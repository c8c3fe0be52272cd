"""What code says to readers, in Korean where their notebook is.

The English of the code is the key, the expressions in its f-strings its places; what has no Korean stays as it is.
`python -m tools.korean` writes korean.json.
"""

import json
import os
import re
from functools import cache
from pathlib import Path

PLACE = re.compile(r"(\{[^}]*\})")


def language() -> str:
    """Of the notebook, whose name JupyterLab tells its kernel; PAPER_NETS_LANGUAGE, "ko" or "en", goes before."""
    korean = Path(os.environ.get("JPY_SESSION_NAME", "")).name.startswith("ko-")
    return os.environ.get("PAPER_NETS_LANGUAGE") or ("ko" if korean else "en")


@cache
def sentences() -> list[tuple[re.Pattern, list[str], str]]:
    """The English as patterns, those with the most words of their own first; their places; the Korean."""
    known = json.loads(Path(__file__).with_name("korean.json").read_text(encoding="utf-8"))
    found = []
    for english in sorted(known, key=lambda english: len(PLACE.sub("", english)), reverse=True):
        parts = ("(.*?)" if PLACE.fullmatch(part) else re.escape(part) for part in PLACE.split(english))
        found.append((re.compile("".join(parts), re.DOTALL), PLACE.findall(english), known[english]))
    return found


def in_korean(english: str) -> str:
    """A sentence, or a name, in Korean, and what stands in its places too."""
    for pattern, places, korean in sentences():
        if match := pattern.fullmatch(english):
            said = dict(zip(places, map(in_korean, match.groups()), strict=True))
            return PLACE.sub(lambda place: said[place[0]], korean)  # noqa: B023, called at once
    return english


def say(english: str) -> str:
    """The same in the reader's language."""
    return in_korean(english) if language() == "ko" else english
