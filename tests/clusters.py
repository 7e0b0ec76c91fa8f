"""Clusters of Ray as ``ray start`` makes them: nodes that a test starts, and ends by their processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from processes import bare_environment

RAY = (str(Path(sys.executable).with_name("ray")),)
"""Ray's own command."""


def headed(port: int, folder: str) -> tuple[str, ...]:
    """The options of a head whose files lie in *folder*."""
    return ("--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={folder}")


@contextmanager
def ray_node(*options: str, cpus: int = 1, command: Sequence[str] = RAY, **variables: str) -> Iterator[psutil.Process]:
    """A node of a Ray cluster; all its processes are ended with the block."""
    words = [*command, "start", "--block", f"--num-cpus={cpus}", *options]
    environment = {**bare_environment(), "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", **variables}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(words, env=environment, **pipes) as process:
        assert process.stdout is not None
        said: list[str] = []
        while "This command will now block" not in "".join(said):
            line = process.stdout.readline()
            assert line, "".join(said)
            said.append(line)
        node = psutil.Process(process.pid)
        try:
            yield node
        finally:
            end(node)


def end(node: psutil.Process) -> None:
    """Kill -9 a node, all of its processes."""
    try:
        processes = [*node.children(recursive=True), node]
    except psutil.NoSuchProcess:
        return
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
