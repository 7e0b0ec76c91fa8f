"""What is left of a Sharpe ratio when the trials that it was chosen among are counted, each one or by clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quantflow.quant.significance import SharpeEstimate, deflated_sharpe


@dataclass(frozen=True)
class Deflated:
    """The probability that a true Sharpe ratio is above 0, given that it is the best of several trials.

    Attributes:
        trials: How many trials there were.
        clusters: How many clusters of them: the effective number of trials.
        by_count: The deflated Sharpe ratio with the number and the variance of all trials; None without an error.
        by_clusters: The same with those of the clusters.
    """

    trials: int
    clusters: int
    by_count: float | None
    by_clusters: float | None

    @property
    def clustered(self) -> bool:
        """Whether the clusters leave less than the count."""
        return self.by_count is not None and self.by_clusters is not None and self.by_clusters < self.by_count

    @property
    def probability(self) -> float | None:
        """The lower of both: what may be claimed."""
        return self.by_clusters if self.clustered else self.by_count

    @property
    def number(self) -> str:
        """The number that the lower one used, in words: ``12 trials``, or ``4 clusters of 12 trials``."""
        trials = f"{self.trials} {'trial' if self.trials == 1 else 'trials'}"
        return (
            f"{self.clusters} {'cluster' if self.clusters == 1 else 'clusters'} of {trials}"
            if self.clustered
            else trials
        )


def deflated(found: SharpeEstimate, ratios: Sequence[float], clusters: Sequence[float]) -> Deflated:
    """Return a ratio deflated for the trials and for their clusters.

    Neither is the lower one always. The variance of the trials' ratios is smaller when they resemble one another, which
    makes up for their number; clusters are fewer, and further apart.

    Args:
        found: The strategy that was chosen.
        ratios: The ratio of every trial, the chosen one too, per session.
        clusters: The ratio of every cluster's stream, see ``effective``, per session.

    Source:
        Bailey and López de Prado (2014), The Deflated Sharpe Ratio; López de Prado and Lewis (2019), Detection of false
        investment strategies using unsupervised learning methods.
    """
    return Deflated(len(ratios), len(clusters), deflated_sharpe(found, ratios), deflated_sharpe(found, clusters))
