"""What SageMaker and Lambda bill while nobody asks: a notebook, an endpoint, environments kept warm."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from config.names import ALIAS
from ops.spans import in_words
from ops.watch.idlers import GIB, STOP_BY, Ground, Idler, stored, times, whole

DAY = timedelta(days=1)


def notebooks(ground: Ground) -> Iterator[Idler]:
    sagemaker = ground.stage.client("sagemaker")
    pages = sagemaker.get_paginator("list_notebook_instances").paginate(StatusEquals="InService")
    for found in pages.search("NotebookInstances[]"):
        if not found or not _is_ours(ground, sagemaker, found["NotebookInstanceArn"]):
            continue
        name, age = found["NotebookInstanceName"], ground.now - found["LastModifiedTime"]
        if age >= timedelta(hours=ground.stage.config.operations.idle.notebook_hours):
            yield Idler(
                "notebook",
                name,
                f"{in_words(age)} since its start",
                f"longer than operations.idle.notebook_hours = {ground.stage.config.operations.idle.notebook_hours:g}",
                ground.prices.hourly(found["InstanceType"]),
                f"{STOP_BY}aws sagemaker stop-notebook-instance --notebook-instance-name {name}",
                lambda name=name: sagemaker.stop_notebook_instance(NotebookInstanceName=name),  # type: ignore[misc]
            )


def notebook_volumes(ground: Ground) -> Iterator[Idler]:
    """A notebook that is stopped keeps its volume, and pays for it."""
    sagemaker = ground.stage.client("sagemaker")
    pages = sagemaker.get_paginator("list_notebook_instances").paginate(StatusEquals="Stopped")
    for found in pages.search("NotebookInstances[]"):
        if not found or not _is_ours(ground, sagemaker, found["NotebookInstanceArn"]):
            continue
        name = found["NotebookInstanceName"]
        size = sagemaker.describe_notebook_instance(NotebookInstanceName=name)["VolumeSizeInGB"]
        yield Idler(
            f"volume of a stopped notebook, {size} GiB",
            name,
            f"{in_words(ground.now - found['LastModifiedTime'])} since its stop",
            "the notebook's state, now",
            stored(ground.prices.other("notebook GiB-month"), size * GIB),
            "workbench.notebook.enabled = false takes notebook and volume away, with what is on it",
        )


def endpoint(ground: Ground) -> Iterator[Idler]:
    """CloudFormation owns it, so that it is never stopped from here."""
    name = (ground.stage.find("serving") or {}).get("EndpointName")
    if name is None or ground.stage.config.serving.mode == "serverless":
        return
    sagemaker = ground.stage.client("sagemaker")
    found = sagemaker.describe_endpoint(EndpointName=name)
    limit = timedelta(days=ground.stage.config.operations.idle.endpoint_idle_days)
    age = ground.now - found["CreationTime"]
    if found["EndpointStatus"] != "InService" or age < limit or _requests(ground, name, found, limit) > 0:
        return
    config = sagemaker.describe_endpoint_config(EndpointConfigName=found["EndpointConfigName"])
    types = {one["VariantName"]: one.get("InstanceType", "") for one in config["ProductionVariants"]}
    costs = [
        times(ground.prices.hourly(types[one["VariantName"]]), one["CurrentInstanceCount"])
        for one in found["ProductionVariants"]
    ]
    yield Idler(
        "endpoint",
        name,
        f"no request for {in_words(limit)}",
        "Invocations of every variant",
        whole(costs),
        f'serving.mode = "serverless" or "async", or cdk destroy {ground.stage.names.stack("serving")}',
    )


def warm_functions(ground: Ground) -> Iterator[Idler]:
    function = (ground.stage.find("api") or {}).get("PredictFunctionName")
    if function is None:
        return
    client = ground.stage.client("lambda")
    try:
        found = client.get_provisioned_concurrency_config(FunctionName=function, Qualifier=ALIAS)
    except client.exceptions.ProvisionedConcurrencyConfigNotFoundException:
        return
    count = found.get("AllocatedProvisionedConcurrentExecutions", 0)
    age = ground.now - datetime.fromisoformat(found["LastModified"])
    if not count or age < DAY or ground.count("AWS/Lambda:Invocations", {"FunctionName": function}, DAY) > 0:
        return
    made = client.get_function_configuration(FunctionName=function)
    item = f"provisioned GB-hour {made.get('Architectures', ['x86_64'])[0]}"
    yield Idler(
        f"{count} warm environments",
        function,
        "no call for 1 day",
        "Invocations of the function",
        times(ground.prices.other(item), count * made["MemorySize"] / 1024),
        "api.concurrency.provisioned_min = 0",
    )


def _requests(ground: Ground, endpoint: str, found: dict[str, Any], span: timedelta) -> float:
    return sum(
        ground.count("AWS/SageMaker:Invocations", {"EndpointName": endpoint, "VariantName": one["VariantName"]}, span)
        for one in found["ProductionVariants"]
    )


def _is_ours(ground: Ground, sagemaker: Any, arn: str) -> bool:  # noqa: ANN401 - boto3's client
    tags = sagemaker.list_tags(ResourceArn=arn)["Tags"]
    return ground.tags.items() <= {tag["Key"]: tag["Value"] for tag in tags}.items()
