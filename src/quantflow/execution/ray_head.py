"""The process that holds the workspace's kept Ray head: Ray lives as long as it does, and ends with it however it ends.

Run as ``python -m quantflow.execution.ray_head HOME FOLDER CPUS``: the folder that tells of its users, the one of Ray's
own files, and how many workers it has.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from pathlib import Path

import psutil

from quantflow.data.store import write_atomic
from quantflow.execution.keeping import POLL_SECONDS, wait_until_unused
from quantflow.execution.kept_ray import clear


def main() -> None:
    """Hold a Ray head until nobody uses or keeps it, until SIGTERM, or until a process of it has died."""
    home, folder, cpus = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    unused = threading.Event()
    threading.Thread(target=_tell, args=(home, unused), daemon=True).start()

    import ray

    ray.init(
        address="local",
        num_cpus=cpus,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        _temp_dir=folder,
    )
    processes = psutil.Process().children()
    write_atomic(home / "up", f"{os.getpid()} {ray.get_runtime_context().gcs_address}".encode())
    try:
        while not unused.wait(POLL_SECONDS):
            if not all(_alive(process) for process in processes):
                clear(home, folder)
                os._exit(1)  # Ray's own shutdown waits for what has died
        ray.shutdown()
    finally:
        clear(home, folder)


def _tell(home: Path, unused: threading.Event) -> None:
    wait_until_unused(home)
    unused.set()


def _alive(process: psutil.Process) -> bool:
    return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)


if __name__ == "__main__":
    main()
