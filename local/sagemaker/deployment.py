"""What an endpoint runs: its config and models as they were when it took them, so that neither need outlive it."""

from local.json_service import JsonService
from local.records import Document, Scope
from local.sagemaker.fleet import Fleet, VariantFleet
from local.sagemaker.names import validation
from local.sagemaker.serverless import Environments


def deployment_of(service: JsonService, scope: Scope, config_name: str) -> Document:
    config = service.required(scope, "EndpointConfig", config_name)
    variants = []
    for variant in config["ProductionVariants"]:
        model = service.records.get(scope, "Model", variant["ModelName"])
        if model is None:
            raise validation(f'Could not find model "{variant["ModelName"]}" of endpoint config "{config_name}".')
        variants.append({**variant, "Model": model})
    return {
        "EndpointConfigName": config_name,
        "Variants": variants,
        "DataCaptureConfig": config.get("DataCaptureConfig"),
        "AsyncInferenceConfig": config.get("AsyncInferenceConfig"),
        "KmsKeyId": config.get("KmsKeyId"),
    }


def retained(deployment: Document, endpoint: Document, params: Document) -> Document:
    """`deployment` with what RetainAllVariantProperties keeps of the running one, less what is excluded from that."""
    if not params.get("RetainAllVariantProperties"):
        return deployment
    excluded = {each["VariantPropertyType"] for each in params.get("ExcludeRetainedVariantProperties", [])}
    running = {variant["VariantName"]: variant for variant in endpoint["_deployment"]["Variants"]}
    for variant in deployment["Variants"]:
        before = running.get(variant["VariantName"])
        if before is None:
            continue
        # A serverless variant has none to keep.
        if "DesiredInstanceCount" not in excluded and {"InitialInstanceCount"} <= variant.keys() & before.keys():
            variant["InitialInstanceCount"] = before["InitialInstanceCount"]
        if "DesiredWeight" not in excluded and "InitialVariantWeight" in before:
            variant["InitialVariantWeight"] = before["InitialVariantWeight"]
    if "DataCaptureConfig" not in excluded:
        deployment["DataCaptureConfig"] = endpoint["_deployment"]["DataCaptureConfig"]
    return deployment


def summaries(deployment: Document, fleet: Fleet | None) -> list[Document]:
    """ProductionVariants as DescribeEndpoint shows them: what is, beside what is wanted."""
    result = []
    for variant in deployment["Variants"]:
        running = fleet.variants.get(variant["VariantName"]) if fleet else None
        weight = float(variant.get("InitialVariantWeight", 1.0))
        result.append(
            {
                "VariantName": variant["VariantName"],
                "DeployedImages": [{"SpecifiedImage": variant["Model"]["PrimaryContainer"]["Image"]}],
                "CurrentWeight": running.weight if running else 0.0,
                "DesiredWeight": weight,
                **_capacity(variant, running),
            }
        )
    return result


def _capacity(variant: Document, running: VariantFleet | None) -> Document:
    wanted = variant.get("ServerlessConfig")
    if wanted is None:
        count = len(running.instances) if running else 0
        return {"CurrentInstanceCount": count, "DesiredInstanceCount": variant["InitialInstanceCount"]}
    # AWS counts no environments, and tells a desired config only while it is not the current one.
    now = running.config if isinstance(running, Environments) else None
    return {
        "CurrentInstanceCount": 0,
        **({"CurrentServerlessConfig": now} if now else {}),
        **({"DesiredServerlessConfig": wanted} if now != wanted else {}),
    }
