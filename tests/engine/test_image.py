"""The image: it needs nothing that it is not given, holds nothing that it need not hold, and says what is in it."""

from __future__ import annotations

import json
import re
import tomllib

from engines import HARDENED, IMAGE, ROOT, WRITABLE, docker, inside

SITE = "/opt/quantflow/lib/python3.12/site-packages"
MEGABYTES = 1700
"""More than the image has, less than it had before its tests, jars and headers went."""


def installed() -> dict[str, str]:
    script = "import importlib.metadata as m; [print(d.name, d.version) for d in m.distributions()]"
    lines = inside("/opt/quantflow/bin/python", "-c", script).splitlines()
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in map(str.split, lines)}


def test_it_runs_without_network_rights_or_a_disk_to_write_on() -> None:
    """A profile over sample prices is computed by a container that may do nothing and reach nobody."""
    said = docker("run", "--rm", *HARDENED, *WRITABLE, IMAGE, "select", "--profile", "demo", "--json")
    last = json.loads(said.splitlines()[-1])
    assert (last["schema_version"], last["event"]) == (1, "result"), last


def test_it_holds_what_is_pinned_and_no_more() -> None:
    """Its packages are those of the requirements in their versions, which is what the list of packages says too."""
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "deploy" / "requirements.txt").read_text(), re.MULTILINE))
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert installed() == {
        **{re.sub(r"[-_.]+", "-", name).lower(): v for name, v in pinned.items()},
        "quantflow": version,
    }


def test_it_holds_nothing_that_no_run_reads() -> None:
    """No tests of packages, no Java, no pip of its own, no program that gives rights, no settings of the build."""
    unwanted = f"find {SITE} -type d ( -name tests -o -name jars ) -print -quit"
    assert inside(*unwanted.split()) == ""
    assert "pip" not in installed()
    assert (
        inside("find", "/", "-xdev", "-type", "f", "-perm", "/6000", "-print", "-quit", options=("--user", "0")) == ""
    )
    kept = "find / -xdev ( -name pip.conf -o -path /root/.cache/* -o -path /run/secrets/* ) -print -quit"
    assert inside(*kept.split(), options=("--user", "0")) == ""


def test_it_says_what_it_is() -> None:
    """Labels that registries and scanners read; an unprivileged user; a size that does not creep up."""
    about = json.loads(docker("inspect", IMAGE))[0]
    labels = about["Config"]["Labels"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert labels["org.opencontainers.image.version"] == project["version"]
    assert labels["org.opencontainers.image.licenses"] == project["license"]
    assert labels["org.opencontainers.image.revision"]
    assert about["Config"]["User"] == "10001:10001"
    assert about["Size"] / 1e6 < MEGABYTES, about["Size"]
