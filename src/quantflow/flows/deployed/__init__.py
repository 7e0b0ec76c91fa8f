"""The flows that a team deploys to its own Prefect: a run of ``select`` or ``meta`` per flow run."""
