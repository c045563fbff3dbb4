"""One promise, put to the test: what was tried, what came out, and what broke it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class NotRun(Exception):
    """A proof cannot run on this machine; the message says why, such as 'no browser'."""


@dataclass(frozen=True)
class Proof:
    """One promise with its trials.

    Parameters
    ----------
    name : str
        Short and unique, such as 'intake: text files'.
    promise : str
        One sentence that a reader can check.
    tried : int
        Number of trials.
    unit : str
        What one trial is, in the plural: 'files'.
    outcomes : dict of str to int
        Outcome → number of trials; they add up to `tried`.
    faults : list of str
        What broke the promise, one line each, with all that is needed to try it again (the seed). Empty: kept.
    seconds : float
        Wall time.
    details : list of dict
        More to show: one row each, all with the same keys (such as the outcomes of each way to break a file).
    not_run : str
        Why there was no trial; then the promise counts neither as kept nor as broken.
    """

    name: str
    promise: str
    tried: int
    unit: str
    outcomes: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0
    details: list[dict[str, Any]] = field(default_factory=list)
    not_run: str = ""

    @property
    def result(self) -> str:
        """'kept', 'broken' or 'not run'; without a trial nothing is kept."""
        if self.faults:
            return "broken"
        return "not run" if self.not_run or self.tried == 0 else "kept"

    @property
    def said(self) -> str:
        """The proof in one line."""
        if self.result == "not run":
            return f"not run: {self.name}: {self.not_run or 'nothing was tried'}"
        outcomes = ", ".join(f"{n:,} {what}" for what, n in self.outcomes.items() if n)
        broken = f"; {len(self.faults):,} faults, the first: {self.faults[0]}" if self.faults else ""
        return f"{self.result}: {self.name}: {self.tried:,} {self.unit} in {self.seconds:.0f} s: {outcomes}{broken}"
