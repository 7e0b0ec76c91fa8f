"""The six stages by Dagster: an asset per stage; ``python with_dagster.py START [processes]``, or ``resume``.

The instance is that of ``DAGSTER_HOME``: run, event and schedule storage in SQLite, assets pickled by the default
I/O manager. ``processes`` takes the default executor, a process per step; ``resume`` re-executes the last run from its
failure. There are no future annotations here: Dagster reads the types themselves.
"""

import sys
from itertools import pairwise

import dagster as dg
from work import SIX, begin, stage

from quantflow.pipeline.stage import SelectionContext


class First(dg.Config):
    """Configuration of the first asset."""

    start: str


@dg.asset
def ingestion(config: First) -> SelectionContext:
    """Asset of the first stage."""
    return stage("ingestion", begin(config.start))


def asset_of(name: str, before: str) -> dg.AssetsDefinition:
    """Return the asset of a stage that takes up the one before it."""

    @dg.asset(name=name, ins={"earlier": dg.AssetIn(before)})
    def made(earlier: SelectionContext) -> SelectionContext:
        return stage(name, earlier)

    return made


assets = [ingestion, *(asset_of(name, before) for before, name in pairwise(SIX))]
one_process = dg.define_asset_job("one_process", executor_def=dg.in_process_executor)
definitions = dg.Definitions(assets=assets, jobs=[one_process, dg.define_asset_job("process_per_step")])


def in_one_process() -> dg.JobDefinition:
    """Return the job that runs all assets in this process."""
    return definitions.resolve_job_def("one_process")


def process_per_step() -> dg.JobDefinition:
    """Return the job with Dagster's default executor."""
    return definitions.resolve_job_def("process_per_step")


def main() -> None:
    """Run a job, or the rest of the one that failed."""
    job = dg.reconstructable(process_per_step if sys.argv[2:] == ["processes"] else in_one_process)
    with dg.DagsterInstance.get() as instance:
        if sys.argv[1] == "resume":
            last = instance.get_runs(limit=1)[0]
            again = dg.ReexecutionOptions.from_failure(last.run_id, instance)
            done = dg.execute_job(job, instance, run_config=last.run_config, reexecution_options=again)
        else:
            config = dg.RunConfig(ops={"ingestion": First(start=sys.argv[1])})
            done = dg.execute_job(job, instance, run_config=config.to_config_dict())
        sys.exit(not done.success)


if __name__ == "__main__":
    main()
