"""What runs, where, and what exists in it."""

import contextlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local import damaged
from local.control import Running, environment
from local.facts import isolation
from local.home import VOLUME, LocalError
from local.inert import ACCEPTED_WITHOUT_EFFECT
from local.process_group import members


def status(running: Running) -> dict[str, Any]:
    """Facts for people and programs; asked of the embedded AWS itself, as any client would."""
    facts = running.facts
    return {
        "running": True,
        "url": facts.url,
        "http_url": facts.http_url,
        "pid": facts.pid,
        "port": facts.port,
        "account": facts.account,
        "region": facts.region,
        "state": str(running.home.folder),
        "log": str(running.home.log),
        "images": facts.images,
        "clock": facts.clock,
        "not_isolated": facts.not_isolated,
        "memory_mb": memory_mb(facts.pid),
        "damaged_objects": [asdict(one) for one in damaged.read(running.home)],
        "mails": {"folder": str(running.home.mail), "count": len(list(running.home.mail.glob("*.eml")))},
        **_contents(running),
        "accepted_without_effect": [asdict(inert) for inert in ACCEPTED_WITHOUT_EFFECT],
    }


def memory_mb(group: int) -> int:
    """Of the server and everything that it started: they share its process group."""
    return sum(one.memory_kib for one in members(group)) // 1024


def api_urls(running: Running, api_id: str) -> dict[str, str]:
    """Where an HTTP API answers. A browser warns about the first; the others are the plain-http door."""
    facts = running.facts
    return {
        "url": f"{facts.url}/_aws/execute-api/{api_id}",
        "http_url": f"{facts.http_url}/_aws/execute-api/{api_id}",
        "browser_url": f"http://{api_id}.execute-api.localhost:{facts.http_port}",
    }


def _contents(running: Running) -> dict[str, Any]:
    try:
        return _asked(running)
    except (BotoCoreError, ClientError, FileNotFoundError) as error:
        # A stop or a reset may come at any moment.
        raise LocalError(
            f"The embedded AWS at {running.url} did not say what is in it; unless it is just being stopped, "
            f"{running.home.log} tells more: {error}"
        ) from error


def _asked(running: Running) -> dict[str, Any]:
    session = botocore.session.Session()
    given = environment(running)

    def client(service: str) -> Any:  # noqa: ANN401 - botocore makes clients at run time
        return session.create_client(
            service,
            region_name=running.facts.region,
            endpoint_url=running.facts.url,
            verify=given["AWS_CA_BUNDLE"],
            aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
            # On this very machine, one that does not answer is gone.
            config=Config(retries={"total_max_attempts": 1}),
        )

    stacks = _all(client("cloudformation"), "describe_stacks", "Stacks")
    hosting = client("sagemaker")
    living = {one.pid for one in members(running.facts.pid)}
    return {
        "stacks": [{"name": stack["StackName"], "status": stack["StackStatus"]} for stack in stacks],
        "endpoints": [
            {
                "name": one["EndpointName"],
                "status": one["EndpointStatus"],
                "failure": one.get("FailureReason"),
                "instances": _instances(running.home.instances / one["EndpointName"], living),
            }
            for one in _endpoints(hosting)
        ],
        "jobs": _jobs(hosting, running.home.jobs),
        "machines": _machines(client, running),
        "notebooks": _notebooks(hosting, running),
        "functions": [one["FunctionName"] for one in _all(client("lambda"), "list_functions", "Functions")],
        "apis": [
            {"name": one["Name"], "id": one["ApiId"], **api_urls(running, one["ApiId"])}
            for one in _all(client("apigatewayv2"), "get_apis", "Items")
        ],
    }


def _all(client: Any, operation: str, key: str, **params: str) -> list[dict[str, Any]]:  # noqa: ANN401 - as above
    """Of every page."""
    return [one for page in client.get_paginator(operation).paginate(**params) for one in page.get(key, [])]


def _endpoints(hosting: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - as above
    found = []
    for one in _all(hosting, "list_endpoints", "Endpoints"):
        try:
            found.append(hosting.describe_endpoint(EndpointName=one["EndpointName"]))
        except ClientError as error:
            # One may go between the two calls.
            if error.response["Error"]["Code"] != "ValidationException":
                raise
    return found


def _jobs(hosting: Any, folder: Path) -> list[dict[str, Any]]:  # noqa: ANN401 - as above
    """Those that run, and where each one's instances have their folders."""
    found = []
    for kind in ("Training", "Processing", "Transform", "HyperParameterTuning"):
        # "HyperParameterTuning" -> "hyper_parameter_tuning"
        verb = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in kind)
        for status in ("InProgress", "Stopping"):
            for one in _all(hosting, f"list{verb}_jobs", f"{kind}JobSummaries", StatusEquals=status):
                name = one[f"{kind}JobName"]
                found.append({"name": name, "kind": kind, "status": status, "folder": str(folder / name)})
    return found


def _machines(client: Callable[[str], Any], running: Running) -> list[dict[str, Any]]:
    """EC2's instances, but for those that are gone."""
    online = {
        one["InstanceId"] for one in _all(client("ssm"), "describe_instance_information", "InstanceInformationList")
    }
    groups = _all(client("ec2"), "describe_instances", "Reservations")
    found = [one for group in groups for one in group["Instances"]]
    return [
        {
            "id": one["InstanceId"],
            "type": one["InstanceType"],
            "state": one["State"]["Name"],
            "takes_commands": one["InstanceId"] in online,
            "disk": str(running.home.machines / one["InstanceId"] / "root"),
        }
        for one in found
        if one["State"]["Name"] != "terminated"
    ]


def _notebooks(hosting: Any, running: Running) -> list[dict[str, Any]]:  # noqa: ANN401 - as above
    facts = running.facts
    return [
        {
            "name": one["NotebookInstanceName"],
            "type": one["InstanceType"],
            "state": one["NotebookInstanceStatus"],
            "volume": str(running.home.notebook(facts.account, facts.region, one["NotebookInstanceName"]) / VOLUME),
        }
        for one in _all(hosting, "list_notebook_instances", "NotebookInstances")
    ]


def _instances(folder: Path, living: set[int]) -> list[dict[str, Any]]:
    """Those of this server: a folder may outlive its process."""
    found = []
    for path in sorted(folder.glob("*/instance.json")):
        # One that is just being replaced takes its folder along.
        with contextlib.suppress(FileNotFoundError):
            found.append(json.loads(path.read_text()))
    return [one for one in found if one["pid"] in living]


def sentences(found: dict[str, Any]) -> list[str]:
    """The same for a person."""
    lines = [
        f"Embedded AWS at {found['url']} (HTTP APIs also at {found['http_url']}), account {found['account']}, region "
        f"{found['region']}",
        f"  process {found['pid']}, {found['memory_mb']} MB with all that it started; state in {found['state']}",
    ]
    if found["clock"] != 1:
        lines.append(f"  clock     CloudWatch and scaling live {found['clock']:g} times as fast as this machine")
    lines += [f"  damaged   {damaged.Damage(**one)}" for one in found["damaged_objects"]]
    lines += [f"  {sentence}" for sentence in isolation(found["not_isolated"])]
    for stack in found["stacks"]:
        lines.append(f"  stack     {stack['name']}: {stack['status']}")
    for endpoint in found["endpoints"]:
        failure = f": {endpoint['failure']}" if endpoint["failure"] else ""
        lines.append(f"  endpoint  {endpoint['name']}: {endpoint['status']}{failure}")
        for one in endpoint["instances"]:
            lines.append(f"            {one['variant']} {one['name']}: process {one['pid']}, log {one['log']}")
    lines += [f"  job       {one['name']} ({one['kind']}): {one['status']}" for one in found["jobs"]]
    for one in found["machines"]:
        commands = ", takes commands" if one["takes_commands"] else ""
        lines.append(f"  instance  {one['id']} ({one['type']}): {one['state']}{commands}; its disk is {one['disk']}")
    for one in found["notebooks"]:
        lines.append(f"  notebook  {one['name']} ({one['type']}): {one['state']}; what it keeps is in {one['volume']}")
    lines += [f"  function  {name}" for name in found["functions"]]
    for api in found["apis"]:
        lines.append(f"  API       {api['name']}: {api['url']} (in a browser: {api['browser_url']}/)")
    if mails := found["mails"]["count"]:
        lines.append(f"  mail      {mails} in {found['mails']['folder']}, of topics")
    lines.append("Accepted without effect:")
    lines += [f"  {inert['what']}: {inert['reason']}" for inert in found["accepted_without_effect"]]
    return lines
