"""The verdict table that closes each notebook, and all of them together."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from paper_nets.nets import InputError

FORMS = ("holds if", "holds", "does not hold as stated", "open")


@dataclass(frozen=True)
class Verdict:
    """What came of one claim: its id, the claim in short, what was measured, and the verdict.

    The verdict is "holds", "holds if …", "does not hold as stated …", or "open …" where another notebook settles it.
    Raises InputError for any other.
    """

    claim_id: str
    claim: str
    measured: str
    verdict: str

    def __post_init__(self):
        if not self.verdict.startswith(FORMS):
            raise InputError(f"The verdict on {self.claim_id} is {self.verdict!r}; it must start with one of {FORMS}.")

    @property
    def form(self) -> str:
        """The first words of the verdict, one of `FORMS`."""
        return next(form for form in FORMS if self.verdict.startswith(form))

    def _repr_markdown_(self) -> str:
        return f"**{self.claim_id}**: {self.claim}. *Measured*: {self.measured}. **Verdict: {self.verdict}.**"


class Verdicts(tuple):
    """A notebook's verdicts as a table. The output keeps them as data, too, from which `all_verdicts` reads them."""

    def _repr_mimebundle_(self, include=None, exclude=None):
        rows = [(v.claim_id, v.claim, v.measured, f"**{v.verdict}**") for v in self]
        table = _table(("", "claim", "measured", "verdict"), rows)
        data = {"text/markdown": {"verdicts": [asdict(verdict) for verdict in self]}}
        return {"text/markdown": table, "text/plain": repr(self)}, data

    def __repr__(self) -> str:
        return "\n".join(f"{v.claim_id}: {v.verdict} ({v.measured})" for v in self)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, in which a | is no end of a cell."""
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines).replace("|  |", "| |")


@dataclass(frozen=True)
class Settled(Verdict):
    """A verdict with the place where it was measured: a notebook's file name and the id of the section's first cell."""

    notebook: str
    cell: str

    @property
    def link(self) -> str:
        """To the section. JupyterLab finds a cell by its id also in a notebook that it has yet to open."""
        return f"{self.notebook}#cell-id={self.cell}"


class AllVerdicts(tuple):
    """The verdicts of all notebooks as one table, every claim with a link to where it is measured.

    unfinished: the notebooks that show none, since they are being run or their outputs were cleared.
    """

    unfinished: tuple[str, ...] = ()

    def short(self, folder: str = "") -> str:
        """The table in Markdown without what was measured; `folder` is put before every link."""
        rows = [(v.claim_id, v.claim, _first_words(v), f"[{v.notebook[:2]}]({folder}{v.notebook})") for v in self]
        return _table(("", "claim", "verdict", "where"), rows)

    def _repr_markdown_(self) -> str:
        rows = [(v.claim_id, v.claim, v.measured, f"**{v.verdict}**", f"[{v.notebook[:2]}]({v.link})") for v in self]
        missing = [f"\n{name} shows no verdicts now; run it to its end and save it." for name in self.unfinished]
        return "\n".join([_table(("", "claim", "measured", "verdict", "where"), rows), *missing])

    def __repr__(self) -> str:
        counts = Counter(verdict.form for verdict in self)
        return f"{len(self)} verdicts: " + ", ".join(f"{counts[form]} × {form}" for form in FORMS if counts[form])


def _first_words(verdict: Verdict) -> str:
    """The form of a verdict in bold, and the rest of it."""
    return f"**{verdict.form}**{verdict.verdict[len(verdict.form) :]}"


def all_verdicts(folder: str | Path = ".") -> AllVerdicts:
    """What the notebooks in `folder` say of all claims, read from their outputs, in the order of the claims.

    A claim that two notebooks look at in different ways has two rows; one that a notebook leaves open has none of it.
    Raises InputError where there are no notebooks with verdicts.
    """
    found, unfinished = [], []
    for path in sorted(Path(folder).glob("[0-9][0-9]-*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        if any("verdicts" in cell["metadata"].get("tags", []) for cell in cells):
            verdicts = [Verdict(**fields) for fields in _last_verdicts(cells)]
            if not verdicts:
                unfinished.append(path.name)
            for v in verdicts:
                if v.form != "open":
                    found.append(Settled(**asdict(v), notebook=path.name, cell=_section(cells, v.claim_id)))
    if not found:
        raise InputError(f"There are no notebooks with verdicts in {Path(folder).resolve()}; give the folder of ours.")
    verdicts = AllVerdicts(sorted(found, key=lambda verdict: (int(verdict.claim_id[1:]), verdict.notebook)))
    verdicts.unfinished = tuple(unfinished)
    return verdicts


def _last_verdicts(cells: list[dict]) -> list[dict]:
    """The fields of each verdict in a notebook's last table of them."""
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    tables = [output.get("metadata", {}).get("text/markdown", {}).get("verdicts") for output in outputs]
    return next((table for table in reversed(tables) if table), [])


def _section(cells: list[dict], claim_id: str) -> str:
    """The id of the cell whose heading names the claim, else of the notebook's first."""
    heading = re.compile(rf"^#+ .*\b{claim_id}\b", re.M)
    headed = (c["id"] for c in cells if c["cell_type"] == "markdown" and heading.search("".join(c["source"])))
    return next(headed, cells[0]["id"])
