"""What the rows of the permission matrix are made of: a call by a role, and what it lacks where it must be denied."""

import contextlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.system.deployed import Deployed, Session

STAR = "*"
HOSTING_ROLE = "HostingRole"


@dataclass(frozen=True)
class Call:
    role: str
    what: str
    make: Callable[[Session, Deployed], Any]
    missing: Callable[[Deployed], list[dict[str, Any]]] | None = None
    """The statements that the role lacks, where the call must be denied."""

    def __str__(self) -> str:
        return f"{self.role} {self.what}"


def allow(action: str | list[str], *resources: str, **condition: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": list(resources), **condition}


def put_log(session: Session, group: str) -> None:
    logs = session.client("logs")
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_stream(logGroupName=group, logStreamName="matrix")
    logs.put_log_events(logGroupName=group, logStreamName="matrix", logEvents=[{"timestamp": 1, "message": "matrix"}])


def make_and_put_log(session: Session, group: str) -> None:
    logs = session.client("logs")
    with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=group)
    put_log(session, group)


def invoke(session: Session, endpoint: str, deployed: Deployed) -> None:
    answer = session.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=endpoint, ContentType="image/jpeg", Body=deployed.sample.read_bytes()
    )
    assert json.loads(answer["Body"].read())["predictions"]


def put_object(session: Session, deployed: Deployed, key: str) -> None:
    session.client("s3").put_object(Bucket=deployed.bucket, Key=key, Body=b"matrix")


def get_object(session: Session, bucket: str, key: str) -> None:
    session.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()


def put_metric(session: Session, namespace: str) -> None:
    session.client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=[{"MetricName": "matrix", "Value": 1}])


def pull(session: Session, repository: str) -> None:
    session.client("ecr").batch_get_image(repositoryName=repository, imageIds=[{"imageTag": "source"}])


def object_arn(bucket: str, key: str) -> str:
    return f"arn:aws:s3:::{bucket}/{key}"


def push(session: Session, repository: str) -> None:
    session.client("ecr").put_image(repositoryName=repository, imageManifest=json.dumps({"made": uuid.uuid4().hex}))


def list_objects(session: Session, deployed: Deployed, prefix: str) -> None:
    session.client("s3").list_objects_v2(Bucket=deployed.bucket, Prefix=prefix)


def stop(session: Session, box: str) -> None:
    session.client("ec2").stop_instances(InstanceIds=[box])


def may_not_read(role: str, what: str, key: str) -> Call:
    return Call(
        role,
        what,
        lambda s, d: get_object(s, d.bucket, key),
        lambda d: [allow("s3:GetObject", object_arn(d.bucket, key))],
    )


def may_not_write(role: str, what: str, key: str, *, with_key: bool = False) -> Call:
    """`with_key`: the role may not write under the stage's key anywhere else either."""
    return Call(
        role,
        what,
        lambda s, d: put_object(s, d, key),
        lambda d: [
            allow("s3:PutObject", object_arn(d.bucket, key)),
            *([allow("kms:GenerateDataKey", d.key)] if with_key else []),
        ],
    )


def may_not_list(role: str) -> Call:
    return Call(
        role,
        "lists the bucket",
        lambda s, d: s.client("s3").list_objects_v2(Bucket=d.bucket),
        lambda d: [allow("s3:ListBucket", f"arn:aws:s3:::{d.bucket}")],
    )


def may_not_use_the_key(role: str) -> Call:
    return Call(
        role,
        "uses the key past S3",
        lambda s, d: s.client("kms").generate_data_key(KeyId=d.key, KeySpec="AES_256"),
        lambda d: [allow("kms:GenerateDataKey", d.key)],
    )


def may_not_invoke(role: str) -> Call:
    return Call(
        role,
        "invokes the endpoint",
        lambda s, d: invoke(s, d.endpoint, d),
        lambda d: [allow("sagemaker:InvokeEndpoint", d.arn("sagemaker", f"endpoint/{d.endpoint}"))],
    )


def may_not_read_the_model(role: str) -> Call:
    return Call(
        role,
        "reads the model",
        lambda s, d: get_object(s, *d.model),
        lambda d: [allow("s3:GetObject", object_arn(*d.model))],
    )


def may_not_read_another_asset(role: str) -> Call:
    return Call(
        role,
        "reads another asset",
        lambda s, d: get_object(s, d.model[0], "matrix"),
        lambda d: [allow("s3:GetObject", object_arn(d.model[0], "matrix"))],
    )


def may_not_make_a_model(role: str) -> Call:
    return Call(
        role,
        "makes a model that runs with the hosting role",
        lambda s, d: s.client("sagemaker").create_model(
            ModelName=d.fresh_name(), ExecutionRoleArn=d.role_arn(HOSTING_ROLE), PrimaryContainer={"Image": d.image}
        ),
        lambda d: [
            allow("sagemaker:CreateModel", d.arn("sagemaker", "model/*")),
            allow("iam:PassRole", d.role_arn(HOSTING_ROLE)),
        ],
    )


def may_not_log(role: str, whose: str) -> Call:
    """`whose`: the member of Deployed that names the log group."""

    def missing(deployed: Deployed) -> list[dict[str, Any]]:
        group = deployed.arn("logs", f"log-group:{getattr(deployed, whose)}")
        return [allow(["logs:CreateLogStream", "logs:PutLogEvents"], f"{group}:*", group)]

    return Call(role, "writes another log", lambda s, d: put_log(s, getattr(d, whose)), missing)
