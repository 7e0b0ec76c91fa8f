"""Prefect flows over the stages; the only place that imports Prefect."""
