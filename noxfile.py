"""Quality gates: ``nox`` runs those of its list; ``nox -s faults``, ``bench``, ``image`` and others run on demand."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox
from packaging.requirements import Requirement

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "docs", "pythons", "tests"]
nox.options.error_on_external_run = True

PYPROJECT = nox.project.load_toml("pyproject.toml")
VERSIONS = nox.project.python_versions(PYPROJECT)


BYTECODE = {"PYTHONDONTWRITEBYTECODE": ""}
"""Every process that a test starts imports thousands of modules: without bytecode that takes seconds each."""


ENVIRONMENT = {**BYTECODE, "UV_COMPILE_BYTECODE": "1"}
"""Where many processes start, that of all packages is written at once; elsewhere that of what is imported will do."""


SHARED = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
"""In the order of ``testpaths``, which has the long ones first: left to itself, xdist begins with the files that hold
the most tests, and ends with the slowest."""


SCHEMAS = {
    "vendor.compose-spec": "compose.yaml",
    "vendor.github-workflows": ".github/workflows/*.yml",
    "vendor.dependabot": ".github/dependabot.yml",
    "vendor.citation-file-format": "CITATION.cff",
}
"""What files are checked against, by schema."""


PROGRAMS = [("chromium", "chromium"), ("systemd-analyze", "systemd")]
"""What tests run that no Python package brings: (program, Debian package)."""


EDGES = ("publish_races", "gc_beside_runs", "ray_start", "cluster", "server_access")
"""Tests of the integration suite that count among the faults, some of them with larger numbers there."""


BENCHMARKS = (
    "select_run",
    "parts",
    "walk_forward",
    "kernels",
    "large",
    "meta_run",
    "sweep",
    "luck",
    "view",
    "install",
)
"""Those of ``benchmarks`` that need nothing but quantflow and its test packages."""


BUILT: list[str] = []
"""The wheel, once it is built."""


def group(name: str) -> list[str]:
    return nox.project.dependency_groups(PYPROJECT, name)


def wheel(session: nox.Session) -> str:
    """Return the wheel that ``nox`` builds once, from the sdist that it builds before, into ``dist``."""
    if not BUILT:
        shutil.rmtree("dist", ignore_errors=True)
        session.run("uv", "build", "--quiet", "--out-dir", "dist", external=True)
        BUILT.extend(map(str, Path("dist").glob("*.whl")))
    return BUILT[0]


def install_programs(session: nox.Session) -> None:
    """Install the missing ones of ``PROGRAMS`` where apt can; elsewhere the tests that need them fail and name them."""
    missing = [package for program, package in PROGRAMS if shutil.which(program) is None]
    if missing and shutil.which("apt-get") and os.geteuid() == 0:
        quietly = {"external": True, "silent": True, "env": {"DEBIAN_FRONTEND": "noninteractive"}}
        session.run("apt-get", "update", **quietly)
        session.run("apt-get", "install", "-y", "--no-install-recommends", *missing, **quietly)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, layers, docstrings, the image and its services."""
    session.install("-e", ".", *group("lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")
    session.run("interrogate", "src")
    session.run("hadolint", "Dockerfile")
    for schema, files in SCHEMAS.items():
        session.run("check-jsonschema", "--builtin-schema", schema, *sorted(map(str, Path().glob(files))))
    if succeeds("docker", "compose", "version"):
        session.run("docker", "compose", "--profile", "*", "config", "--quiet", external=True)
    else:
        session.log("docker compose is not on this machine: its schema alone has read compose.yaml")


@nox.session
def types(session: nox.Session) -> None:
    """mypy --strict."""
    session.install("-e", ".", *group("types"))
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """The documents as a site, in ``build/site``: every link leads somewhere, every name of the API is there."""
    session.install(*group("docs"))
    session.run("mkdocs", "build", "--quiet", env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session
def tests(session: nox.Session) -> None:
    """Unit, property, contract and integration tests, on the wheel that the sdist becomes."""
    install_programs(session)
    session.env.update(ENVIRONMENT)
    session.install(wheel(session), *group("test"))
    session.run("pytest", *SHARED, *session.posargs)


@nox.session
def pythons(session: nox.Session) -> None:
    """Unit and property tests on every other supported Python of this machine; one that is not there is named."""
    session.env.update(BYTECODE)
    for version in VERSIONS:
        if version == f"{sys.version_info.major}.{sys.version_info.minor}":
            continue  # it runs all tests
        if not (found := interpreter(version)):
            session.warn(f"Python {version} is not on this machine: nothing was tested on it")
            continue
        folder = session.cache_dir.resolve() / f"python-{version}"
        program = str(folder / "bin" / "python")
        session.run("uv", "venv", "--quiet", "--clear", "--python", found, str(folder), external=True)
        install = ("uv", "pip", "install", "--quiet", "--python", program)
        session.run(*install, wheel(session), *group("test"), external=True)
        command = ("pytest", *SHARED, "tests/property", "tests/unit")
        session.run(program, "-m", *command, external=True)


def interpreter(version: str) -> str:
    """Return a Python of this machine, on the PATH or of pyenv, which is never downloaded; empty if none runs."""
    pyenv = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"), reverse=True)
    for found in (shutil.which(f"python{version}"), *map(str, pyenv)):
        asked = [found or "false", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        if subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() == version:
            return str(found)
    return ""


@nox.session(python="3.11")
def lowest(session: nox.Session) -> None:
    """The unit tests with the lowest versions that ``pyproject.toml`` allows."""
    session.env.update(ENVIRONMENT)
    session.run_install("uv", "pip", "install", "--quiet", "--resolution", "lowest-direct", ".")
    session.install(".", *group("test"))  # keeps what is installed
    session.run("pytest", *SHARED, "tests/unit", *session.posargs)


@nox.session(python="3.11")
def newest(session: nox.Session) -> None:
    """The unit tests with the newest versions there are, allowed or not: it reports, and fails nothing."""
    session.env.update(ENVIRONMENT)
    session.install(".", *group("test"))
    names = [Requirement(text).name for text in PYPROJECT["project"]["dependencies"]]
    session.run_install("uv", "pip", "install", "--quiet", "--upgrade", *names)
    session.run("uv", "pip", "list", "--outdated", external=True)
    session.run("pytest", *SHARED, "tests/unit", *session.posargs, success_codes=[0, 1])


@nox.session
def faults(session: nox.Session) -> None:
    """Every fault at every place, in real processes; prints the table that the README quotes."""
    session.env.update(ENVIRONMENT)
    session.install(".", *group("test"), *group("faults"))
    edges = [f"tests/integration/test_{name}.py" for name in EDGES]
    session.run("pytest", "tests/faults", *edges, *session.posargs, env={"FULL_FAULTS": "1"})


@nox.session
def prefect(session: nox.Session) -> None:
    """A team's Prefect in real processes: a server, a pool's worker, TLS, Cloud's addresses; about ten minutes."""
    session.env.update(ENVIRONMENT)
    session.install(".", *group("test"))
    session.run("pytest", "tests/team", *session.posargs)


@nox.session
def image(session: nox.Session) -> None:
    """The image and its services in a container engine: built, looked into, and each service killed at work.

    What follows ``--`` is given to ``docker build``, such as ``--secret id=pip,src=pip.conf``. The image's packages are
    written to ``build/image/sbom.json``.
    """
    if not succeeds("docker", "info") or not succeeds("docker", "compose", "version"):
        session.error("no container engine answers (docker info, docker compose version): start one, and try again")
    session.install("-e", ".", *group("test"), *group("image"))
    version, folder = PYPROJECT["project"]["version"], Path("build/image")
    revision = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    named = (
        "--tag",
        f"quantflow:{version}",
        "--build-arg",
        f"VERSION={version}",
        "--build-arg",
        f"REVISION={revision}",
    )
    session.run("docker", "build", *named, *session.posargs, ".", external=True, env={"DOCKER_BUILDKIT": "1"})
    folder.mkdir(parents=True, exist_ok=True)
    listed = ("deploy/requirements.txt", "--pyproject", "pyproject.toml", "--mc-type", "application")
    session.run("cyclonedx-py", "requirements", *listed, "--output-reproducible", "-o", str(folder / "sbom.json"))
    session.run("pytest", "-s", "tests/engine")


def succeeds(*command: str) -> bool:
    """Whether a program is on this machine and ends well."""
    return (
        shutil.which(command[0]) is not None
        and subprocess.run(command, capture_output=True, check=False).returncode == 0
    )


@nox.session
def bench(session: nox.Session) -> None:
    """The table of benchmarks/README.md: everything beside its peer, in one go; about an hour."""
    session.env.update(ENVIRONMENT)
    session.install(".", "uv", *group("test"))
    peers = session.cache_dir.resolve() / "bench"  # the benchmarks work in folders of their own
    session.run("python", "-m", "venv", f"{peers}/peers")
    session.run(f"{peers}/peers/bin/pip", "install", "--quiet", "kedro", "metaflow", external=True)
    session.run("python", "benchmarks/startup.py", f"{peers}/peers/bin")
    session.run("python", "benchmarks/peers.py", f"{peers}/engines")
    for name in BENCHMARKS:
        session.run("python", f"benchmarks/{name}.py")
    session.run("python", "benchmarks/meta_run.py", "--cold", "8")
    session.run("python", "benchmarks/meta_run.py", "--scale", "16", "256")


@nox.session
def year(session: nox.Session) -> None:
    """A year of nights with all that goes wrong in them, and a month of the demo's; about half an hour."""
    session.env.update(ENVIRONMENT)
    session.install(".", *group("test"))
    session.run("pytest", "tests/year", *session.posargs)
