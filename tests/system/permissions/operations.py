"""The roles of the idle sweep and of GitHub's workflows."""

from tests.system.deployed import Deployed, Session
from tests.system.permissions.calls import Call, allow, get_object, may_not_read_the_model, object_arn, put_log, stop

IDLE, DEPLOY, DIFF = "IdleFunctionPartsRole", "GithubDeployRole", "GithubDiffRole"


def read_metric(session: Session) -> None:
    stat = {"Metric": {"Namespace": "AWS/EC2", "MetricName": "CPUUtilization"}, "Period": 60, "Stat": "Maximum"}
    session.client("cloudwatch").get_metric_data(
        MetricDataQueries=[{"Id": "matrix", "MetricStat": stat}], StartTime=0, EndTime=60
    )


def describe_endpoint(session: Session, endpoint: str) -> None:
    session.client("sagemaker").describe_endpoint(EndpointName=endpoint)


def tell(session: Session, topic: str) -> None:
    session.client("sns").publish(TopicArn=topic, Message="matrix")


def become(session: Session, deployed: Deployed, kind: str) -> None:
    session.client("sts").assume_role(RoleArn=deployed.bootstrap_role(kind), RoleSessionName="matrix")


SUCCEEDS = [
    Call(IDLE, "looks for boxes", lambda s, d: s.client("ec2").describe_instances()),
    Call(IDLE, "reads metrics", lambda s, d: read_metric(s)),
    Call(IDLE, "describes its endpoint", lambda s, d: describe_endpoint(s, d.endpoint)),
    Call(IDLE, "stops this stage's box", lambda s, d: stop(s, d.own_box)),
    Call(IDLE, "tells its news", lambda s, d: tell(s, d.news_topic)),
    Call(IDLE, "writes its log", lambda s, d: put_log(s, d.idle_log)),
    Call(DEPLOY, "becomes the role that deploys", lambda s, d: become(s, d, "deploy")),
    Call(DEPLOY, "becomes the role that publishes assets", lambda s, d: become(s, d, "file-publishing")),
    Call(DEPLOY, "becomes the role that looks up", lambda s, d: become(s, d, "lookup")),
    Call(DIFF, "becomes the role that looks up", lambda s, d: become(s, d, "lookup")),
]

DENIALS = [
    Call(
        IDLE,
        "stops another's box",
        lambda s, d: stop(s, d.foreign_box),
        lambda d: [allow("ec2:StopInstances", d.arn("ec2", f"instance/{d.foreign_box}"))],
    ),
    Call(
        IDLE,
        "terminates this stage's box",
        lambda s, d: s.client("ec2").terminate_instances(InstanceIds=[d.doomed_box]),
        lambda d: [allow("ec2:TerminateInstances", d.arn("ec2", f"instance/{d.doomed_box}"))],
    ),
    Call(
        IDLE,
        "describes another endpoint",
        lambda s, d: describe_endpoint(s, d.other_endpoint),
        lambda d: [allow("sagemaker:DescribeEndpoint", d.arn("sagemaker", f"endpoint/{d.other_endpoint}"))],
    ),
    Call(
        IDLE,
        "deletes an endpoint",
        lambda s, d: s.client("sagemaker").delete_endpoint(EndpointName=d.forgotten_endpoint),
        lambda d: [allow("sagemaker:DeleteEndpoint", d.arn("sagemaker", f"endpoint/{d.forgotten_endpoint}"))],
    ),
    Call(
        IDLE,
        "tells another topic",
        lambda s, d: tell(s, d.other_topic),
        lambda d: [allow("sns:Publish", d.other_topic)],
    ),
    Call(
        IDLE,
        "reads a capture",
        lambda s, d: get_object(s, d.bucket, "capture/seed"),
        lambda d: [allow("s3:GetObject", object_arn(d.bucket, "capture/seed")), allow("kms:Decrypt", d.key)],
    ),
    may_not_read_the_model(DEPLOY),
    Call(
        DIFF,
        "becomes the role that deploys",
        lambda s, d: become(s, d, "deploy"),
        lambda d: [allow("sts:AssumeRole", d.bootstrap_role("deploy"))],
    ),
    Call(
        DIFF,
        "becomes the role that publishes assets",
        lambda s, d: become(s, d, "file-publishing"),
        lambda d: [allow("sts:AssumeRole", d.bootstrap_role("file-publishing"))],
    ),
]
