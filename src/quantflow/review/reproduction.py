"""What came of executing a run again: a verdict per stage, the first difference and its likely cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum

from quantflow.types import Json


class Verdict(StrEnum):
    """What came of one stage. The set is closed."""

    SAME = "same"
    """The same bytes."""
    SAME_VALUES = "same values"
    """The same values to the bit, in a file that another version of the Parquet writer lays out otherwise."""
    WITHIN = "within 1e-9"
    """On another CPU: nothing differs but real numbers, and these by 1e-9 at most."""
    GIVEN = "given"
    """Not executed: what the run fetched was handed on, undamaged."""
    NOT_COMPARED = "not compared"
    """A report: it has the run's own timings."""
    DIFFERS = "differs"
    """Other values, or the stored file is damaged."""
    FAILED = "failed"
    """The stage raised an error."""
    NOT_RUN = "not run"
    """A stage before it failed."""


BROKEN = frozenset({Verdict.DIFFERS, Verdict.FAILED, Verdict.NOT_RUN})
"""Verdicts that refuse the certificate."""


@dataclass(frozen=True)
class Row:
    """One stage, or the weights as the run's file has them.

    Attributes:
        stage: The stage; ``weights.csv`` for that file.
        recorded: sha256 by artifact, as the run's record has it.
        reproduced: sha256 by artifact, as made here; empty when nothing was made.
        verdict: What came of it.
        detail: The first place that differs, what is missing, or the error; empty when there is nothing to add.
    """

    stage: str
    recorded: Mapping[str, str]
    reproduced: Mapping[str, str]
    verdict: Verdict
    detail: str = ""


@dataclass(frozen=True)
class Reproduction:
    """What came of a run's second execution.

    Attributes:
        run_id: The run.
        profile: Its profile.
        as_of: Its as-of session.
        exact: Whether bytes had to be the same; else numbers within 1e-9, since the run was made on another CPU.
        cpu: CPU and kernel of the run, and those here.
        refetched: Whether the data were fetched anew.
        stages: A row per stage, in order, then one for ``weights.csv``.
        first: The first stage without the same result; empty when there is none.
        cause: Why that is so, most likely.
        sleeves: Runs of sleeves whose results were taken as recorded.
    """

    run_id: str
    profile: str
    as_of: str
    exact: bool
    cpu: tuple[str, str]
    refetched: bool
    stages: tuple[Row, ...]
    first: str
    cause: str
    sleeves: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether the run is certified."""
        return not self.first

    def json(self) -> Json:
        """Return the reproduction as JSON values."""
        return {**asdict(self), "same": self.same}
