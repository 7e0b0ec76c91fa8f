"""The manifests of ``deploy/kuberay``: as KubeRay's own schema has them, and confined like the services of Compose."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "deploy" / "kuberay").glob("*.yaml"))
MANIFESTS: dict[str, dict[str, Any]] = {path.stem: yaml.safe_load(path.read_text()) for path in FILES}
SCHEMA: dict[str, Any] = json.loads((ROOT / "tests" / "schemas" / "kuberay.json").read_text())
OF_RAY = ("raycluster", "rayjob")
REQUIREMENTS = (ROOT / "deploy" / "requirements.txt").read_text().splitlines()


def clusters() -> Iterator[dict[str, Any]]:
    """The specifications of both clusters."""
    yield MANIFESTS["raycluster"]["spec"]
    yield MANIFESTS["rayjob"]["spec"]["rayClusterSpec"]


def templates() -> Iterator[dict[str, Any]]:
    """The templates of all pods."""
    for cluster in clusters():
        yield cluster["headGroupSpec"]["template"]
        yield from (group["template"] for group in cluster["workerGroupSpecs"])
    yield MANIFESTS["rayjob"]["spec"]["submitterPodTemplate"]
    yield MANIFESTS["job"]["spec"]["template"]


def refused(manifest: dict[str, Any]) -> list[str]:
    """What KubeRay's schema refuses in a manifest."""
    schema = {"$ref": f"#/$defs/{manifest['kind']}", "$defs": SCHEMA["$defs"]}
    found = jsonschema.Draft202012Validator(schema).iter_errors(manifest)
    return [f"{error.json_path}: {error.message}" for error in found]


@pytest.mark.parametrize("name", OF_RAY)
def test_the_operator_takes_it(name: str) -> None:
    """Every field is one that KubeRay knows, and of its type."""
    assert refused(MANIFESTS[name]) == []


def test_the_schema_finds_what_is_wrong() -> None:
    """A field that is misspelt, deep in a pod, and a number where a text must be."""
    manifest = json.loads(json.dumps(MANIFESTS["raycluster"]))
    head = manifest["spec"]["headGroupSpec"]
    head["rayStartParams"]["num-cpus"] = 0
    container = head["template"]["spec"]["containers"][0]
    container["securityContext"]["readOnlyRootFileSystem"] = True
    container["livenessProbe"]["exec"]["command"] = "healthy"
    said = "\n".join(refused(manifest))
    assert "$.spec.headGroupSpec.rayStartParams['num-cpus']: 0 is not of type 'string'" in said
    assert "'readOnlyRootFileSystem' was unexpected" in said
    assert "'healthy' is not of type 'array'" in said


def test_a_plain_job_has_a_pod_as_pods_are() -> None:
    """Its template is one that a cluster's pod could have."""
    manifest = json.loads(json.dumps(MANIFESTS["raycluster"]))
    manifest["spec"]["headGroupSpec"]["template"] = MANIFESTS["job"]["spec"]["template"]
    assert refused(manifest) == []


@pytest.mark.parametrize("template", list(templates()))
def test_every_pod_is_confined(template: dict[str, Any]) -> None:
    """Not root, a read-only root, no capability, no new right, no token of the API of Kubernetes, limits."""
    pod = template["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory"} <= set(container["resources"]["limits"])
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}
        assert not [
            about
            for about in container.get("env", ())
            if "AUTH_" in about["name"] and "TOKEN" in str(about.get("value"))
        ]


def test_no_probe_starts_a_python() -> None:
    """Head and workers are asked by bash, each for its own process; the operator would put in what asks by HTTP."""
    for cluster in clusters():
        head, *workers = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
        for group, port in ((head, 6379), *((worker, 6380) for worker in workers)):
            (container,) = group["template"]["spec"]["containers"]
            for probe in ("livenessProbe", "readinessProbe"):
                assert container[probe]["exec"]["command"] == ["healthy", "grpc", f"127.0.0.1:{port}"]
        assert all(worker["rayStartParams"]["node-manager-port"] == "6380" for worker in workers)


def test_no_sleeve_runs_on_a_head() -> None:
    """It has no CPUs for Ray, and every cluster wants the token."""
    for cluster in clusters():
        assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
        assert cluster["authOptions"] == {"mode": "token", "secretName": "quantflow-ray"}


def test_all_run_this_version_on_the_ray_of_the_image() -> None:
    """The image's tag is the package's version; the operator must know which Ray is in it."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    images = {container["image"] for template in templates() for container in template["spec"]["containers"]}
    assert images == {f"quantflow:{version}"}
    (ray,) = [line.partition("==")[2] for line in REQUIREMENTS if line.startswith("ray==")]
    assert {cluster["rayVersion"] for cluster in clusters()} == {ray}
