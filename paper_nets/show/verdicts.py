"""The verdict table that closes each notebook, and all of them together."""

import html
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from paper_nets.language import say
from paper_nets.nets import InputError, published
from paper_nets.nets.parts import check_choice

# What a verdict can be, with its mark, which says the same without its colour.
SCALE = {
    "true": ("●", "#1a7f37"),
    "true, with a footnote": ("◕", "#4d8b31"),
    "true only when": ("◑", "#9a6700"),
    "half true": ("◔", "#bc4c00"),
    "false": ("○", "#cf222e"),
}
GROUNDS = ("arithmetic", "published numbers", "one seed", "several seeds")


@dataclass(frozen=True)
class Verdict:
    """What came of one claim.

    Args:
        claim_id: "C1" to "C24", those of the table `published("claims")`, or a new one.
        verdict: one of `SCALE`.
        sentence: why, in at most 15 words; it goes on where "true only when" ends.
        rests_on: one of `GROUNDS`.
        measured: the numbers.
        borne_out: whether these numbers show it. Where they don't, that is what the verdict says.
        claim, section: what is claimed, in the words of the table, and in which section of the review.
        notebook, cell: where it was measured, a file's name and the id of the section's first cell; known once read.

    Raises:
        InputError: for another verdict or ground, and for a claim of which there are no words.
    """

    claim_id: str
    verdict: str
    sentence: str
    rests_on: str
    measured: str
    borne_out: bool = True
    claim: str = ""
    section: str = ""
    notebook: str = field(default="", repr=False)
    cell: str = field(default="", repr=False)

    def __post_init__(self):
        check_choice(f"The verdict on {self.claim_id}", self.verdict, SCALE)
        check_choice(f"What the verdict on {self.claim_id} rests on", self.rests_on, GROUNDS)
        claims = published("claims").set_index("id")
        if not self.claim and self.claim_id not in claims.index:
            raise InputError(f"There is no claim {self.claim_id}; say in `claim` what is claimed.")
        object.__setattr__(self, "borne_out", bool(self.borne_out))  # of NumPy's, which JSON does not take
        for name in ("claim", "section") if not self.claim else ():
            object.__setattr__(self, name, claims.loc[self.claim_id, name])

    def answer(self, coloured: bool = True) -> str:
        """The verdict and its sentence, in Markdown."""
        if not self.borne_out:
            return say(f"**not borne out by these numbers**: {self.verdict} {self.sentence}")
        mark, colour = SCALE[self.verdict]
        mark = f'<span style="color: {colour}">{mark}</span>' if coloured else mark
        end = " " if self.verdict.endswith("when") else ": "
        return f"{mark} {say(f'**{self.verdict}**')}{end}{say(self.sentence)}"

    @property
    def link(self) -> str:
        """To the section. JupyterLab finds a cell by its id also in a notebook that it has yet to open."""
        return f"{self.notebook}#cell-id={self.cell}"

    def _repr_markdown_(self) -> str:
        rests_on = say(f"*Rests on {self.rests_on}*")
        return f"**{self.claim_id}**: {say(self.claim)}.\n\n{self.answer()}\n\n{rests_on}: {say(self.measured)}."


class Verdicts(tuple):
    """Verdicts as a table. A notebook's output keeps them as data, too, from which `read` takes them.

    unfinished: the notebooks that had none to read, since they are being run or their outputs were cleared.
    """

    unfinished: tuple[str, ...] = ()

    @classmethod
    def read(cls, folder: str | Path = ".") -> "Verdicts":
        """What the notebooks in `folder` say of all claims, read from their outputs, in the order of the claims.

        Raises InputError where there are no notebooks with verdicts.
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
            raise InputError(f"There are no notebooks with verdicts in {folder}; run them, or give the folder of ours.")
        verdicts = cls(sorted(found, key=lambda v: (int(re.sub(r"\D", "", v.claim_id) or 0), v.claim_id)))
        verdicts.unfinished = tuple(unfinished)
        return verdicts

    def short(self, folder: str = "") -> str:
        """The table in Markdown without what was measured; `folder` is put before every link."""
        links = (f"[{v.notebook[:2]}]({folder}{v.notebook})" for v in self)
        rows = [(v.claim_id, v.claim, v.answer(False), v.rests_on, link) for v, link in zip(self, links, strict=True)]
        return _table(("", "the claim", "the verdict", "rests on", "where"), rows)

    def _repr_mimebundle_(self, include=None, exclude=None):
        rows = []
        for v in self:
            where = f"<br><small>{say(f'in the review: {v.section}')}</small>" if v.section else ""
            measured = html.escape(say(v.measured), quote=False)
            folded = f"<details>{say(f'<summary>rests on {v.rests_on}</summary>')}{measured}</details>"
            rows.append((v.claim_id, say(v.claim) + where, v.answer() + folded, f"[{v.notebook[:2]}]({v.link})"))
        columns = 4 if any(v.notebook for v in self) else 3
        head = ("", say("the claim"), say("the verdict"), say("where"))
        table = _table(head[:columns], [row[:columns] for row in rows])
        missing = (say(f"{name} shows no verdicts now; run it to its end and save it.") for name in self.unfinished)
        data = [{name: value for name, value in asdict(v).items() if name not in ("notebook", "cell")} for v in self]
        shown = {"text/markdown": "\n\n".join([table, *missing]), "text/plain": repr(self)}
        return shown, {"text/markdown": {"verdicts": data}}

    def __repr__(self) -> str:
        def verdict(v: Verdict) -> str:
            return v.verdict if v.borne_out else f"not borne out by these numbers: {v.verdict}"

        return "\n".join(f"{v.claim_id}: {verdict(v)}; {v.sentence} ({v.measured})" for v in self)

    def __str__(self) -> str:
        found = Counter(verdict.verdict if verdict.borne_out else "not borne out" for verdict in self)
        counts = {word: found[word] for word in (*SCALE, "not borne out") if found[word]}
        words = [say(f"{n} {word}{' a condition holds' * word.endswith('when')}") for word, n in counts.items()]
        return say(f"{len(self)} verdicts: {'; '.join(words)}")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, in which a | is no end of a cell."""
    lines = [head, ["---"] * len(head), *([" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines).replace("|  |", "| |")


def _last_verdicts(cells: list[dict]) -> list[dict]:
    """The fields of each verdict in a notebook's last table of them, unless an older version wrote it."""
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    tables = [output.get("metadata", {}).get("text/markdown", {}).get("verdicts") for output in outputs]
    ours = (table for table in reversed(tables) if table and all(row.get("rests_on") in GROUNDS for row in table))
    return next(ours, [])


def _section(cells: list[dict], claim_id: str) -> str:
    """The id of the cell whose heading names the claim, else of the notebook's first."""
    heading = re.compile(rf"^#+ .*\b{re.escape(claim_id.rstrip('ab'))}\b", re.M)
    headed = (c["id"] for c in cells if c["cell_type"] == "markdown" and heading.search("".join(c["source"])))
    return next(headed, cells[0]["id"])
