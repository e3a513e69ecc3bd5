"""What the account must have before the first deploy: bootstrap, roles of the services, zones, an identity provider."""

from collections.abc import Iterator

from botocore.exceptions import ClientError

from ops.stage import Stage
from ops.watch.doctor.finding import Finding, fault, note, unanswered, well
from ops.watch.reading import Unknown, asked

# What the CDK's own templates ask for; `cdk bootstrap` writes it.
BOOTSTRAP_PARAMETER, OLDEST_BOOTSTRAP = "/cdk-bootstrap/hnb659fds/version", 6
BOOTSTRAP_STACK = "CDKToolkit"
ADMINISTRATOR = "AdministratorAccess"
# Made by the services when first needed, if whoever deploys may have them made.
SERVICE_ROLES = {
    "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint": "sagemaker.application-autoscaling.amazonaws.com",
    "AWSServiceRoleForApplicationAutoScaling_LambdaConcurrency": "lambda.application-autoscaling.amazonaws.com",
}
GITHUB = "token.actions.githubusercontent.com"


def caller(stage: Stage) -> Iterator[Finding]:
    arn = stage.client("sts").get_caller_identity()["Arn"]
    said = f"{arn}, region {stage.account.region}"
    if arn.endswith(":root"):
        yield note("credentials", said, "the root user's may do anything and cannot be narrowed: use a role's")
    else:
        yield well("credentials", said)


def bootstrap(stage: Stage) -> Iterator[Finding]:
    target = f"cdk bootstrap aws://{stage.account.number}/{stage.account.region} -c stage={stage.name}"
    try:
        found = stage.client("ssm").get_parameter(Name=BOOTSTRAP_PARAMETER)["Parameter"]["Value"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise
        remedy = f"docs/first-deploy.md, section 2; in short: {target}"
        yield fault("bootstrap", "this account and region are not bootstrapped for the CDK", remedy)
        return
    if int(found) < OLDEST_BOOTSTRAP:
        yield fault("bootstrap", f"version {found}; the templates ask for {OLDEST_BOOTSTRAP}", target)
        return
    yield well("bootstrap", f"version {found}")
    yield from _execution(stage)


def _execution(stage: Stage) -> Iterator[Finding]:
    """Whether CloudFormation is an administrator here."""
    stacks = stage.client("cloudformation").describe_stacks(StackName=BOOTSTRAP_STACK)["Stacks"]
    given = {one["ParameterKey"]: one["ParameterValue"] for one in stacks[0].get("Parameters", [])}
    policies = given.get("CloudFormationExecutionPolicies", "")
    if not policies or ADMINISTRATOR in policies:
        yield note(
            "who CloudFormation is",
            "an administrator of the account",
            "docs/first-deploy.md, section 2, bootstraps it with what these templates need and no more",
        )
    else:
        yield well("who CloudFormation is", f"narrowed by {policies.count(',') + 1} policies")


def service_roles(stage: Stage) -> Iterator[Finding]:
    iam = stage.client("iam")
    endpoint = stage.config.serving.scaling.enabled and stage.config.serving.mode != "serverless"
    function = stage.config.api.concurrency.provisioned_max > 0
    wanted = dict(pair for pair, used in zip(SERVICE_ROLES.items(), (endpoint, function), strict=True) if used)
    for role, service in wanted.items():
        try:
            iam.get_role(RoleName=role)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchEntity":
                raise
            remedy = f"if you may not: aws iam create-service-linked-role --aws-service-name {service}"
            yield note(role, "is not there yet; the service makes it when a deploy first needs it", remedy)
        else:
            yield well(role, "is there")


def zones(stage: Stage) -> Iterator[Finding]:
    wanted = stage.config.network.zones
    found = stage.client("ec2").describe_availability_zones()["AvailabilityZones"]
    names = sorted(zone["ZoneName"] for zone in found if zone["State"] == "available")
    missing = [zone for zone in wanted if zone not in names]
    if missing:
        said = f"{', '.join(missing)}: not for this account in {stage.account.region}"
        yield fault("zones of the network", said, f"choose network.zones from {', '.join(names)}")
    else:
        yield well("zones of the network", ", ".join(wanted))
    box = stage.config.workbench.box
    if box.enabled:
        offered = asked(lambda: _offered(stage, box.instance_type))
        yield _box_zone(box.instance_type, wanted, offered)


def _offered(stage: Stage, kind: str) -> set[str]:
    pages = stage.client("ec2").get_paginator("describe_instance_type_offerings")
    asked_for = [{"Name": "instance-type", "Values": [kind]}]
    found = pages.paginate(LocationType="availability-zone", Filters=asked_for)
    return {str(zone) for zone in found.search("InstanceTypeOfferings[].Location") if zone}


def _box_zone(kind: str, wanted: list[str], offered: set[str] | Unknown) -> Finding:
    what = f"the box's type {kind}"
    if isinstance(offered, Unknown):
        return unanswered(what, offered)
    if not offered:
        return fault(what, "is not offered in this region", "choose another workbench.box.instance_type")
    missing = [zone for zone in wanted if zone not in offered]
    if len(missing) == len(wanted):
        return fault(what, f"is offered in none of {', '.join(wanted)}", f"one of {', '.join(sorted(offered))} has it")
    if missing:
        return note(
            what, f"is not offered in {', '.join(missing)}", "a launch there fails; name a zone that has it first"
        )
    return well(what, f"is offered in {', '.join(wanted)}")


def github(stage: Stage) -> Iterator[Finding]:
    provider = stage.config.operations.github.provider
    if provider == "none":
        return
    listed = stage.client("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]
    exists = any(one["Arn"].endswith(f"/{GITHUB}") for one in listed)
    ours = stage.find("operations") is not None
    if provider == "create" and exists and not ours:
        said = "GitHub's identity provider is in this account already, and there can be one only"
        yield fault("operations.github.provider", said, 'set it to "import"')
    elif provider == "import" and not exists:
        said = "there is no identity provider of GitHub's in this account"
        yield fault("operations.github.provider", said, 'set it to "create"')
    else:
        yield well("operations.github.provider", f'"{provider}" fits')
