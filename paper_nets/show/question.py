"""Questions that the reader answers with code, and gets an answer to."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any


class NotYet(Exception):
    """What is off about an answer, in words that help to the next try without giving the solution away."""


@dataclass(frozen=True)
class Reply:
    """What the reader is told; `right` is None while there is no answer."""

    right: bool | None
    words: str

    def __repr__(self) -> str:
        return self.words

    def _repr_markdown_(self) -> str:
        mark = {True: "✓", False: "✗", None: "…"}[self.right]
        return f"{mark} {self.words}"


def question(check: Callable[[Any], str]) -> Callable[[Any], Reply]:
    """Make a question of a check: it is given the answer, and returns what there is to add to a right one.

    It raises `NotYet` for a wrong one. No answer, `...` as in the notebook, is not wrong; an answer that cannot be
    used, or whose code fails, is.
    """

    @wraps(check)
    def ask(answer: Any) -> Reply:
        if answer is ...:
            return Reply(None, "Your turn: put your answer in place of the dots, and run the cell again.")
        try:
            return Reply(True, f"Right. {check(answer)}")
        except NotYet as off:
            return Reply(False, f"Not yet: {off}")
        except Exception as error:  # the reader's own code runs in here, and may do anything
            return Reply(False, f"Not yet: your answer gave {type(error).__name__}: {error}")

    return ask
