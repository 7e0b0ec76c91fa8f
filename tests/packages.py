"""The example packages: built, unpacked as their wheels install them, and tested as a stranger would."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

from processes import bare_environment

EXAMPLES = Path(__file__).parents[1] / "examples"


def unpacked_wheel(package: Path, folder: Path) -> Path:
    """A folder for PYTHONPATH that holds *package* as its wheel installs it."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=package, check=True, capture_output=True, timeout=120)
    target = folder / "site"
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(target)
    return target


def check_own_tests(package: Path, site: Path) -> None:
    """Run the tests that a package has itself."""
    environment = {**bare_environment(), "PYTHONPATH": str(site)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    found = subprocess.run(
        command, cwd=package, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert found.returncode == 0, found.stdout
