"""The verdict table that closes each notebook, and all of them together."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from paper_nets.nets import InputError

FORMS = ("holds if", "holds", "does not hold as stated", "open")


@dataclass(frozen=True)
class Verdict:
    """What came of one claim: its id, the claim in short, what was measured, and the verdict.

    The verdict is "holds", "holds if …", "does not hold as stated …", or "open …" where another notebook settles it.
    Raises InputError for any other.

    notebook, cell: where it was measured, a file's name and the id of the section's first cell; known once it was read.
    """

    claim_id: str
    claim: str
    measured: str
    verdict: str
    notebook: str = field(default="", repr=False)
    cell: str = field(default="", repr=False)

    def __post_init__(self):
        if not self.verdict.startswith(FORMS):
            raise InputError(f"The verdict on {self.claim_id} is {self.verdict!r}; it must start with one of {FORMS}.")

    @property
    def form(self) -> str:
        """The first words of the verdict, one of `FORMS`."""
        return next(form for form in FORMS if self.verdict.startswith(form))

    @property
    def link(self) -> str:
        """To the section. JupyterLab finds a cell by its id also in a notebook that it has yet to open."""
        return f"{self.notebook}#cell-id={self.cell}"

    def _repr_markdown_(self) -> str:
        return f"**{self.claim_id}**: {self.claim}. *Measured*: {self.measured}. **Verdict: {self.verdict}.**"


class Verdicts(tuple):
    """Verdicts as a table. A notebook's output keeps them as data, too, from which `read` takes them.

    unfinished: the notebooks that had none to read, since they are being run or their outputs were cleared.
    """

    unfinished: tuple[str, ...] = ()

    @classmethod
    def read(cls, folder: str | Path = ".") -> "Verdicts":
        """What the notebooks in `folder` say of all claims, read from their outputs, in the order of the claims.

        A claim that two notebooks look at in different ways has two rows; one that a notebook leaves open has none of
        it. Raises InputError where there are no notebooks with verdicts.
        """
        found, unfinished = [], []
        for path in sorted(Path(folder).glob("[0-9][0-9]-*.ipynb")):
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            if any("verdicts" in cell["metadata"].get("tags", []) for cell in cells):
                rows = _last_verdicts(cells)
                found += [Verdict(**row, notebook=path.name, cell=_section(cells, row["claim_id"])) for row in rows]
                unfinished += [] if rows else [path.name]
        if not found:
            folder = Path(folder).resolve()
            raise InputError(f"There are no notebooks with verdicts in {folder}; give the folder of ours.")
        settled = [verdict for verdict in found if verdict.form != "open"]
        verdicts = cls(sorted(settled, key=lambda verdict: (int(verdict.claim_id[1:]), verdict.notebook)))
        verdicts.unfinished = tuple(unfinished)
        return verdicts

    def short(self, folder: str = "") -> str:
        """The table in Markdown without what was measured; `folder` is put before every link."""
        rows = [
            (
                v.claim_id,
                v.claim,
                f"**{v.form}**{v.verdict[len(v.form) :]}",
                f"[{v.notebook[:2]}]({folder}{v.notebook})",
            )
            for v in self
        ]
        return _table(("", "claim", "verdict", "where"), rows)

    def _repr_mimebundle_(self, include=None, exclude=None):
        rows = [(v.claim_id, v.claim, v.measured, f"**{v.verdict}**", f"[{v.notebook[:2]}]({v.link})") for v in self]
        columns = 5 if any(v.notebook for v in self) else 4
        table = _table(("", "claim", "measured", "verdict", "where")[:columns], [row[:columns] for row in rows])
        missing = [f"\n{name} shows no verdicts now; run it to its end and save it." for name in self.unfinished]
        data = [{name: value for name, value in asdict(verdict).items() if value} for verdict in self]
        shown = {"text/markdown": "\n".join([table, *missing]), "text/plain": repr(self)}
        return shown, {"text/markdown": {"verdicts": data}}

    def __repr__(self) -> str:
        return "\n".join(f"{v.claim_id}: {v.verdict} ({v.measured})" for v in self)

    def __str__(self) -> str:
        counts = Counter(verdict.form for verdict in self)
        return f"{len(self)} verdicts: " + ", ".join(f"{counts[form]} × {form}" for form in FORMS if counts[form])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, in which a | is no end of a cell."""
    lines = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines).replace("|  |", "| |")


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
