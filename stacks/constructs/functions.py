"""A Python function from one folder of lambda_src, with a role and a log group of its own and nothing else."""

from aws_cdk import Duration, IgnoreMode
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from config.sections.section import LogDays
from stacks.constructs import source_folders
from stacks.constructs.findings import acknowledge, acknowledge_wildcard
from stacks.constructs.logs import ExpiringLog


class PythonFunction(lambda_.Function):
    """Its role may write its own log and do what `statements` say; what fails for good is left in `failures`."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        folder: str,
        description: str,
        memory_mb: int,
        timeout_seconds: int,
        log_days: LogDays,
        environment: dict[str, str],
        statements: list[iam.PolicyStatement],
        reserved_concurrency: int | None = None,
        failures: sqs.IQueue | None = None,
        traced: bool = False,
    ) -> None:
        parts = Construct(scope, f"{id}Parts")
        log_group = ExpiringLog(parts, "Log", keep_days=log_days)
        write_log = iam.PolicyStatement(
            sid="WriteLog",
            actions=["logs:CreateLogStream", "logs:PutLogEvents"],
            resources=[log_group.log_group_arn],
        )
        if failures is not None:
            keep = iam.PolicyStatement(sid="KeepFailures", actions=["sqs:SendMessage"], resources=[failures.queue_arn])
            statements = [*statements, keep]
        if traced:
            # X-Ray's calls know no resource.
            trace = iam.PolicyStatement(
                sid="Trace", actions=["xray:PutTelemetryRecords", "xray:PutTraceSegments"], resources=["*"]
            )
            statements = [*statements, trace]
        role = iam.Role(
            parts,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            inline_policies={"Function": iam.PolicyDocument(statements=[*statements, write_log])},
        )
        super().__init__(
            scope,
            id,
            description=description,
            runtime=lambda_.Runtime.PYTHON_3_14,
            architecture=lambda_.Architecture.ARM_64,
            code=lambda_.Code.from_asset(
                str(source_folders.LAMBDA_SRC),
                exclude=["*", f"!{folder}", f"!{folder}/**", *source_folders.EXCLUDE],
                ignore_mode=IgnoreMode.GIT,
            ),
            handler=f"{folder}.handler.handle",
            role=role.without_policy_updates(),
            log_group=log_group,
            memory_size=memory_mb,
            timeout=Duration.seconds(timeout_seconds),
            environment=environment,
            reserved_concurrent_executions=reserved_concurrency,
            dead_letter_queue=failures,
            tracing=lambda_.Tracing.ACTIVE if traced else None,
        )
        self.execution_role = role
        """The role itself; what the function calls its role takes no statement and no acknowledgement."""
        if traced:
            acknowledge_wildcard(role, "*", "The stage file asks for X-Ray, whose calls know no resource")
        else:
            acknowledge(
                self,
                "Serverless-LambdaTracing",
                "Tracing may write for any part of the account, and the log already tells where the milliseconds went",
            )
