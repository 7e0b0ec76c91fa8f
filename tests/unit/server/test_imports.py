"""The API server that is installed can start."""

from __future__ import annotations

import subprocess
import sys


def test_the_installed_prefect_server_imports() -> None:
    """The bounds on fastapi and sqlalchemy give a Prefect whose server module loads."""
    subprocess.run([sys.executable, "-c", "import prefect.server.api.server"], check=True, timeout=120)
