"""The command writes a file once, and says what it did with each key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quantflow.config.load import load_profile
from quantflow_manifest.command import main


def test_import_writes_a_file_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file loads; it is never replaced without --force; both lists are printed."""
    manifest, out = tmp_path / "m.json", tmp_path / "quantflow.toml"
    manifest.write_text('{"profiles": {"core": {"selection": {"top_n": 4, "nonsense": 1}}}}')
    arguments = [str(manifest), "--out", str(out)]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "policy.top_n" in shown
    assert "nonsense" in shown.partition("NOT MAPPED")[2]
    assert load_profile("core", workspace=tmp_path).policy.top_n == 4
    manifest.write_text('{"profiles": {"core": {"selection": {"top_n": 5}}}}')
    assert main(arguments) == 2
    assert "exists already" in capsys.readouterr().err
    assert load_profile("core", workspace=tmp_path).policy.top_n == 4
    assert main([*arguments, "--force", "--json"]) == 0
    mapped = json.loads(capsys.readouterr().out)["mapped"]
    assert [line["target"] for line in mapped] == ["policy.top_n", "publish.enabled"]
    assert load_profile("core", workspace=tmp_path).policy.top_n == 5


def test_a_folder_is_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An --out that is a folder is refused before the manifest is read."""
    assert main([str(tmp_path / "none.json"), "--out", str(tmp_path)]) == 2
    assert "Name a file" in capsys.readouterr().err


def test_nothing_in_a_key_reaches_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A control character in a key is shown, not obeyed."""
    manifest = tmp_path / "m.json"
    manifest.write_text(json.dumps({"profiles": {"core": {"policy": {"top_n": 4, "a\x1b[2Jb": 1}}}}))
    assert main([str(manifest), "--out", str(tmp_path / "out.toml")]) == 0
    assert "\x1b" not in capsys.readouterr().out
