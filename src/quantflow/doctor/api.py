"""Checks of Prefect's API server: which one runs would use, whether it answers, and whether it is kept."""

from __future__ import annotations

from collections.abc import Iterator

from quantflow.doctor.base import Finding, Place, Result

SECONDS = 2.0


def api(place: Place) -> Iterator[Finding]:
    """Which API server would a run use, does it answer, and does its version go with the client's?"""
    from quantflow.server.server import running
    from quantflow.server.url import configured_url, without_secrets

    if url := configured_url():
        source = "PREFECT_API_URL" if "PREFECT_API_URL" in place.environ else "the active Prefect profile"
        unset = "unset PREFECT_API_URL" if source == "PREFECT_API_URL" else "prefect config unset PREFECT_API_URL"
        yield from _answering(url, f"{without_secrets(url)}, from {source}", place, f"start it, or {unset}")
        return
    home = place.workspace / ".quantflow" / "server"
    state = running(home) if home.is_dir() else None
    if state is None:
        kept = (home / "kept").exists()
        fix = "quantflow server start, or quantflow server stop to let it go" if kept else ""
        said = "a server is to be kept, but none runs" if kept else "none runs: each run starts its own"
        yield Finding("api server", Result.WARN if kept else Result.OK, said, fix)
    else:
        fix = f"quantflow server stop, else: kill {state['pid']}"
        yield from _answering(state["url"], f"{state['url']}, the workspace's own", place, fix)


def _answering(url: str, about: str, place: Place, fix: str) -> Iterator[Finding]:
    import httpx

    from quantflow.server.url import answer_of, first_line, trouble_at

    trouble = trouble_at(url)
    try:
        answer = None if trouble else answer_of(url, "admin/version", SECONDS)
    except httpx.HTTPError as error:
        trouble = first_line(error)
    if trouble or answer is None:
        yield Finding("api server", Result.BLOCKS, f"{about}, does not answer: {trouble}", fix)
        return
    if not answer.is_success:  # a server that asks who is there tells strangers only that it is alive
        yield Finding("api server", Result.OK, f"{about}, answers")
        return
    version, ours = str(answer.json()), place.version_of("prefect") or ""
    if version.split(".")[:2] == ours.split(".")[:2]:
        yield Finding("api server", Result.OK, f"{about}, answers; Prefect {version}")
    else:
        detail = f"{about}, is Prefect {version}, this client {ours}"
        yield Finding("api server", Result.WARN, detail, f"{place.pip} 'prefect=={version}', or update the server")
