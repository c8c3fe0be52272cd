"""The verdict table that closes each notebook."""

from dataclasses import dataclass

FORMS = ("holds", "holds if", "does not hold as stated", "open")


@dataclass(frozen=True)
class Verdict:
    """What came of one claim: its id, the claim in short, what was measured, and the verdict.

    The verdict is "holds", "holds if …", "does not hold as stated …", or "open …" where another notebook settles it.
    Raises ValueError for any other.
    """

    claim_id: str
    claim: str
    measured: str
    verdict: str

    def __post_init__(self):
        if not self.verdict.startswith(FORMS):
            raise ValueError(f"The verdict on {self.claim_id} is {self.verdict!r}; it must start with one of {FORMS}.")

    def _repr_markdown_(self) -> str:
        return f"**{self.claim_id}**: {self.claim}. *Measured*: {self.measured}. **Verdict: {self.verdict}.**"


class Verdicts(tuple):
    """A notebook's verdicts as a table."""

    def _repr_markdown_(self) -> str:
        rows = [f"| {v.claim_id} | {v.claim} | {v.measured} | **{v.verdict}** |" for v in self]
        return "\n".join(["| | claim | measured | verdict |", "| --- | --- | --- | --- |", *rows])

    def __repr__(self) -> str:
        return "\n".join(f"{v.claim_id}: {v.verdict} ({v.measured})" for v in self)
