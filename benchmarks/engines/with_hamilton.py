"""The six stages by Hamilton: a function per node, and its cache; ``python with_hamilton.py START``."""

from __future__ import annotations

import sys

from hamilton import driver
from work import begin, stage

from quantflow.pipeline.stage import SelectionContext


def ingestion(start: str) -> SelectionContext:
    """Node of the first stage."""
    return stage("ingestion", begin(start))


def features(ingestion: SelectionContext) -> SelectionContext:
    """Node of the second stage."""
    return stage("features", ingestion)


def inference(features: SelectionContext) -> SelectionContext:
    """Node of the third stage."""
    return stage("inference", features)


def clustering(inference: SelectionContext) -> SelectionContext:
    """Node of the fourth stage."""
    return stage("clustering", inference)


def policy(clustering: SelectionContext) -> SelectionContext:
    """Node of the fifth stage."""
    return stage("policy", clustering)


def synthesis(policy: SelectionContext) -> SelectionContext:
    """Node of the sixth stage."""
    return stage("synthesis", policy)


if __name__ == "__main__":
    nodes = sys.modules[__name__]
    driver.Builder().with_modules(nodes).with_cache().build().execute(["synthesis"], inputs={"start": sys.argv[1]})
