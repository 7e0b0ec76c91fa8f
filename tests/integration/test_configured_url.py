"""The API server that the user has configured is found in each way that Prefect itself knows."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

URL = "http://prefect.example:4200/api"
ASK = """
import sys
from quantflow.server.url import configured_url
print(configured_url(), "prefect" in sys.modules)
"""


def asked(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """What a new process in *folder* finds, and whether it had to import Prefect."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment = {**bare, "HOME": str(folder / "home"), **variables}
    command = [sys.executable, "-c", ASK]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (".env", f"PREFECT_API_URL={URL}\n"),
        ("prefect.toml", f'[api]\nurl = "{URL}"\n'),
        ("pyproject.toml", f'[tool.prefect.api]\nurl = "{URL}"\n'),
        ("pyproject.toml", f'[tool]\nprefect = {{ api = {{ url = "{URL}" }} }}\n'),
        ("home/.prefect/profiles.toml", f'active = "team"\n[profiles.team]\nPREFECT_API_URL = "{URL}"\n'),
    ],
)
def test_a_file_that_prefect_reads_counts(file: str, text: str, tmp_path: Path) -> None:
    """The workspace's .env and project files, and the active profile, as for the command ``prefect``."""
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text)
    assert asked(tmp_path).stdout.split() == [URL, "True"]


def test_a_profile_of_another_place_counts(tmp_path: Path) -> None:
    """Where ``PREFECT_PROFILES_PATH`` says that the profiles are, and ``PREFECT_PROFILE`` which one is meant."""
    path = tmp_path / "elsewhere.toml"
    path.write_text(f'active = "none"\n[profiles.none]\n[profiles.team]\nPREFECT_API_URL = "{URL}"\n')
    assert asked(tmp_path, PREFECT_PROFILES_PATH=str(path)).stdout.split()[0] == "None"
    assert asked(tmp_path, PREFECT_PROFILES_PATH=str(path), PREFECT_PROFILE="team").stdout.split()[0] == URL


def test_prefect_is_not_imported_where_nothing_speaks_of_it(tmp_path: Path) -> None:
    """A second that most commands need not spend."""
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'mine'\n")
    assert asked(tmp_path).stdout.split() == ["None", "False"]


@pytest.mark.parametrize(
    ("file", "text"),
    [(".env", f"PREFECT_API_URL={URL}\n"), ("pyproject.toml", f'[tool . "prefect" . api]\nurl = "{URL}"\n')],
)
def test_another_users_file_is_not_followed(file: str, text: str, tmp_path: Path) -> None:
    """It could send runs, with all that they know, to a server of its owner; a folder on the user's list may."""
    (tmp_path / file).write_text(text)
    os.chown(tmp_path / file, 65534, 65534)
    refused = asked(tmp_path)
    assert "Prefect would follow" in refused.stderr
    assert "belongs to nobody" in refused.stderr
    mine = tmp_path / "home" / ".config" / "quantflow"
    mine.mkdir(parents=True)
    (mine / "config.toml").write_text(f'trusted = ["{tmp_path}"]\n')
    assert asked(tmp_path).stdout.split()[0] == URL


def test_its_answer_is_kept_for_as_long_as_it_holds(tmp_path: Path) -> None:
    """The same variables and files are not asked for twice; another word in any of them is."""
    (tmp_path / "home").mkdir()
    assert asked(tmp_path, PREFECT_API_URL=URL).stdout.split() == [URL, "True"]
    assert asked(tmp_path, PREFECT_API_URL=URL).stdout.split() == [URL, "False"]
    (tmp_path / ".env").write_text("PREFECT_API_URL=http://elsewhere/api\n")
    assert asked(tmp_path, PREFECT_API_URL=URL).stdout.split() == [URL, "True"]
    assert asked(tmp_path).stdout.split() == ["http://elsewhere/api", "True"]
    assert asked(tmp_path).stdout.split() == ["http://elsewhere/api", "False"]
    kept = list((tmp_path / "home" / ".cache" / "quantflow" / "api-access").iterdir())
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}
    for path in kept:
        path.write_text(path.read_text().replace("elsewhere", "altered"))
    assert asked(tmp_path).stdout.split() == ["http://elsewhere/api", "True"]


@pytest.mark.parametrize(
    ("name", "value", "setting"),
    [
        ("PREFECT_LOGGING_LEVEL", "loud", "level"),
        ("PREFECT_API_REQUEST_TIMEOUT", "soon", "REQUEST_TIMEOUT"),
        ("PREFECT_CLIENT_CUSTOM_HEADERS", "notjson", "custom_headers"),
    ],
)
def test_a_setting_that_prefect_refuses_is_a_usage_error(name: str, value: str, setting: str, tmp_path: Path) -> None:
    """Exit 2 naming it, before a run is begun."""
    environment = {key: text for key, text in os.environ.items() if not key.startswith("PREFECT_")}
    command = [sys.executable, "-m", "quantflow", "select", "-p", "demo", "--no-progress"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**environment, name: value}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "error: Prefect " in done.stderr
    assert "its settings: " in done.stderr
    assert setting.lower() in done.stderr.lower()
    assert not (tmp_path / "runs").exists()
