"""The files with which a team deploys the flows: Prefect and Kubernetes read them as they are meant."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator
from prefect.cli.deploy._models import DeploymentConfig, PrefectYamlModel, WorkPoolConfig
from prefect.events.schemas.automations import AutomationCore
from prefect.flows import load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools import validate
from prefect.utilities.templating import apply_values
from prefect.workers.process import ProcessWorker

from quantflow.flows.deployed.ended import HELD_BACK, PUBLISHED
from quantflow.flows.deployed.flows import meta, select

DEPLOY = Path(__file__).parents[2] / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
TEMPLATE = json.loads((KUBERNETES / "job-template.json").read_text())
POOLS = {
    DEPLOY / "prefect.yaml": ProcessWorker.get_default_base_job_template(),
    KUBERNETES / "prefect.yaml": TEMPLATE,
}


def deployments(path: Path) -> list[dict[str, Any]]:
    """The deployments of a file, as they are written."""
    return list(yaml.safe_load(path.read_text())["deployments"])


def keys(model: Any) -> set[str]:
    """The keys that Prefect knows; it passes over others in silence."""
    return {field.alias or name for name, field in model.model_fields.items()}


@pytest.mark.parametrize("path", POOLS, ids=lambda path: path.parent.name)
def test_prefect_reads_each_deployment(path: Path) -> None:
    """Its keys, its flow, its parameters by the flow's schema, and its job variables by the pool's."""
    document = yaml.safe_load(path.read_text())
    assert document.keys() - {"definitions"} <= keys(PrefectYamlModel)
    PrefectYamlModel.model_validate(document)
    variables = POOLS[path]["variables"]
    for each in deployments(path):
        assert each.keys() <= keys(DeploymentConfig)
        assert each["work_pool"].keys() <= keys(WorkPoolConfig)
        flow = load_flow_from_entrypoint(each["entrypoint"], use_placeholder_flow=False)
        validate(each["parameters"], parameter_schema(flow).model_dump(), raise_on_error=True)
        given = each["work_pool"]["job_variables"]
        assert given.keys() <= variables["properties"].keys()
        Draft202012Validator({**variables, "required": []}).validate(given)


@pytest.mark.parametrize("flow", [select, meta])
def test_a_form_has_a_type_and_a_description_for_each_parameter(flow: Any) -> None:
    """The dialog of Prefect's UI is made of this schema."""
    properties = parameter_schema(flow).model_dump()["properties"]
    assert len(properties) == 8
    for name, shown in properties.items():
        assert shown.get("description"), name
        assert shown.get("type") or shown.get("anyOf"), name
    assert {"type": "string", "format": "date"} in properties["as_of"]["anyOf"]


def jobs() -> Iterator[dict[str, Any]]:
    """The Job that a worker makes of each deployment, by the pool's template."""
    properties = TEMPLATE["variables"]["properties"]
    defaults = {name: shown["default"] for name, shown in properties.items() if shown.get("default") is not None}
    for each in deployments(KUBERNETES / "prefect.yaml"):
        values = {**defaults, **each["work_pool"]["job_variables"], "name": "a-run", "labels": {}}
        values["command"] = ["prefect", "flow-run", "execute"]
        values["env"] = [{"name": name, "value": value} for name, value in values["env"].items()]
        yield apply_values(TEMPLATE["job_configuration"]["job_manifest"], values)


def test_kubernetes_reads_the_jobs_and_manifests() -> None:
    """By the schemas of its newest version, with no key that it does not know."""
    found = [*jobs(), *yaml.safe_load_all((KUBERNETES / "select.yaml").read_text())]
    for manifest in found:
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)
    assert [manifest["kind"] for manifest in found] == ["Job", "Job", "PersistentVolumeClaim", "CronJob"]


def test_no_container_has_more_rights_than_it_needs() -> None:
    """No root, no root file system to write on, no capabilities; the workspace is the same volume everywhere."""
    (*_, cron) = yaml.safe_load_all((KUBERNETES / "select.yaml").read_text())
    for job in (*jobs(), cron["spec"]["jobTemplate"]):
        pod = job["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsUser"] == 10001
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        claims = [
            volume["persistentVolumeClaim"]["claimName"]
            for volume in pod["volumes"]
            if len(volume) > 1 and "persistentVolumeClaim" in volume
        ]
        assert claims == ["quantflow-workspace"]
        assert job["spec"]["backoffLimit"] == 0


AUTOMATIONS = sorted((DEPLOY / "automations").glob("*.yaml"))


@pytest.mark.parametrize("path", AUTOMATIONS, ids=lambda path: path.stem)
def test_prefect_reads_each_automation(path: Path) -> None:
    """Nothing that is written is passed over; the events of books are those that flows send."""
    written = yaml.safe_load(path.read_text())
    read = AutomationCore.model_validate(written).model_dump(mode="json", exclude_unset=True)
    assert read["trigger"].keys() == written["trigger"].keys()
    assert [action.keys() for action in read["actions"]] == [action.keys() for action in written["actions"]]
    own = {event for event in written["trigger"]["expect"] if event.startswith("quantflow.")}
    assert own <= {PUBLISHED, HELD_BACK}
