"""The six stages by Metaflow: a step per stage; ``python with_metaflow.py run --start START``, or ``resume``."""

from __future__ import annotations

from metaflow import FlowSpec, Parameter, step
from work import begin, stage


class Six(FlowSpec):
    """Ingestion to synthesis; Metaflow wants the first step called start and the last one end."""

    first = Parameter("first", help="First session, YYYY-MM-DD.", required=True)

    @step
    def start(self) -> None:
        """Run ingestion."""
        self.context = stage("ingestion", begin(self.first))
        self.next(self.features)

    @step
    def features(self) -> None:
        """Run features."""
        self.context = stage("features", self.context)
        self.next(self.inference)

    @step
    def inference(self) -> None:
        """Run inference."""
        self.context = stage("inference", self.context)
        self.next(self.clustering)

    @step
    def clustering(self) -> None:
        """Run clustering."""
        self.context = stage("clustering", self.context)
        self.next(self.policy)

    @step
    def policy(self) -> None:
        """Run policy."""
        self.context = stage("policy", self.context)
        self.next(self.end)

    @step
    def end(self) -> None:
        """Run synthesis."""
        self.context = stage("synthesis", self.context)


if __name__ == "__main__":
    Six()
