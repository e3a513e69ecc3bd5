"""An ECR repository, the CodeBuild project that fills it, and the function that CloudFormation asks for an image."""

from typing import Final

from aws_cdk import Aws, Duration, RemovalPolicy, Stack
from aws_cdk import aws_codebuild as codebuild
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from stacks.constructs import source_folders
from stacks.constructs.findings import acknowledge, acknowledge_wildcard
from stacks.constructs.functions import PythonFunction
from stacks.constructs.logs import ExpiringLog
from stacks.constructs.statements import log_in

BUILD_TIMEOUT = Duration.minutes(20)
QUEUE_TIMEOUT = Duration.minutes(5)
KEPT_IMAGES = 20
LOG_DAYS: Final = 30
LOST_EVENT = "A lost event fails the deploy that waits for it, by the request's own timeout; a queue would help nobody"
# Hosting refuses OCI manifests, which newer builders write as soon as they attach provenance.
BUILD_FLAGS = "--platform linux/amd64 --provenance=false --sbom=false --target serve"
BUILD_COMMANDS = [
    f"docker build {BUILD_FLAGS} --tag $REPOSITORY_URI:$IMAGE_TAG .",
    "docker push $REPOSITORY_URI:$IMAGE_TAG",
]
# A project left behind by a partial deploy must not push its sources under another's hash, which nothing could mend.
CHECK_COMMAND = (
    'test "$IMAGE_TAG" = "$SOURCES_TAG" || { echo "The Image stack holds other sources: deploy it first"; exit 1; }'
)
LOGIN_COMMAND = "aws ecr get-login-password | docker login --username AWS --password-stdin ${REPOSITORY_URI%%/*}"


class ImageBuilder(Construct):
    """Offers `repository`, `project`, `function` and `tag`, the hash of the sources that the image is made from."""

    def __init__(self, scope: Construct, id: str, *, retain_images: bool) -> None:
        super().__init__(scope, id)
        self.repository = ecr.Repository(
            self,
            "Repository",
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,
            image_scan_on_push=True,
            lifecycle_rules=[
                ecr.LifecycleRule(description="Keep what a rollback may need", max_image_count=KEPT_IMAGES)
            ],
            removal_policy=RemovalPolicy.RETAIN if retain_images else RemovalPolicy.DESTROY,
            empty_on_delete=not retain_images,
        )
        sources = assets.Asset(
            self, "Sources", path=str(source_folders.SERVING), exclude=source_folders.SERVING_EXCLUDE
        )
        self.tag = sources.asset_hash
        self.project = self._project(sources)
        self.function = self._function()
        self._tell_when_built()

    def _project(self, sources: assets.Asset) -> codebuild.CfnProject:
        log_group = ExpiringLog(self, "BuildLog", keep_days=LOG_DAYS)
        role = iam.Role(
            self,
            "BuildRole",
            assumed_by=iam.ServicePrincipal(
                "codebuild.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
            ),
            inline_policies={"Build": iam.PolicyDocument(statements=self._build_statements(sources, log_group))},
        )
        acknowledge_wildcard(
            role,
            "*",
            "ecr:GetAuthorizationToken knows no resource; the statement on the repository bounds what the token may do",
        )
        project = codebuild.CfnProject(
            self,
            "Project",
            description="Builds Whippet's serving image from its sources",
            service_role=role.role_arn,
            source=codebuild.CfnProject.SourceProperty(
                type="S3",
                location=f"{sources.s3_bucket_name}/{sources.s3_object_key}",
                build_spec=Stack.of(self).to_json_string(
                    {
                        "version": "0.2",
                        "phases": {
                            "pre_build": {"commands": [CHECK_COMMAND, LOGIN_COMMAND]},
                            "build": {"commands": BUILD_COMMANDS},
                        },
                    }
                ),
            ),
            artifacts=codebuild.CfnProject.ArtifactsProperty(type="NO_ARTIFACTS"),
            environment=codebuild.CfnProject.EnvironmentProperty(
                type="LINUX_CONTAINER",
                image="aws/codebuild/amazonlinux-x86_64-standard:6.0",
                compute_type="BUILD_GENERAL1_SMALL",
                privileged_mode=True,
                environment_variables=[
                    codebuild.CfnProject.EnvironmentVariableProperty(
                        name="REPOSITORY_URI", value=self.repository.repository_uri
                    ),
                    codebuild.CfnProject.EnvironmentVariableProperty(name="SOURCES_TAG", value=self.tag),
                ],
            ),
            logs_config=codebuild.CfnProject.LogsConfigProperty(
                cloud_watch_logs=codebuild.CfnProject.CloudWatchLogsConfigProperty(
                    status="ENABLED", group_name=log_group.log_group_name
                )
            ),
            timeout_in_minutes=int(BUILD_TIMEOUT.to_minutes()),
            queued_timeout_in_minutes=int(QUEUE_TIMEOUT.to_minutes()),
        )
        acknowledge(
            project, "AwsSolutions-CB3", "Building an image needs a Docker daemon, and that needs privileged mode"
        )
        acknowledge(
            project, "AwsSolutions-CB4", "The project keeps no artefact; the image is encrypted by its repository"
        )
        return project

    def _build_statements(self, sources: assets.Asset, log_group: ExpiringLog) -> list[iam.PolicyStatement]:
        source_object = f"{sources.bucket.bucket_arn}/{sources.s3_object_key}"
        return [
            iam.PolicyStatement(sid="ReadSources", actions=["s3:GetObject"], resources=[source_object]),
            log_in(),
            iam.PolicyStatement(
                sid="PushImage",
                actions=[
                    "ecr:BatchCheckLayerAvailability",
                    "ecr:CompleteLayerUpload",
                    "ecr:InitiateLayerUpload",
                    "ecr:PutImage",
                    "ecr:UploadLayerPart",
                ],
                resources=[self.repository.repository_arn],
            ),
            iam.PolicyStatement(
                sid="WriteLog",
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[log_group.log_group_arn],
            ),
        ]

    def _function(self) -> PythonFunction:
        """Asked by CloudFormation for an image, and told by EventBridge when a build has ended."""
        project_arn = Stack.of(self).format_arn(service="codebuild", resource="project", resource_name=self.project.ref)
        function = PythonFunction(
            self,
            "Function",
            folder="build_image",
            description="Answers CloudFormation with the digest of the image that belongs to a set of sources",
            memory_mb=256,
            timeout_seconds=60,
            log_days=LOG_DAYS,
            environment={},
            statements=[
                iam.PolicyStatement(
                    sid="Build", actions=["codebuild:BatchGetBuilds", "codebuild:StartBuild"], resources=[project_arn]
                ),
                iam.PolicyStatement(
                    sid="FindImage", actions=["ecr:DescribeImages"], resources=[self.repository.repository_arn]
                ),
            ],
        )
        acknowledge(function, "Serverless-LambdaDLQ", LOST_EVENT)
        return function

    def _tell_when_built(self) -> None:
        """Whatever way a build ends, the function hears of it and answers CloudFormation."""
        rule = events.Rule(
            self,
            "BuildEnded",
            event_pattern=events.EventPattern(
                source=["aws.codebuild"],
                detail_type=["CodeBuild Build State Change"],
                detail={
                    "project-name": [self.project.ref],
                    "build-status": ["SUCCEEDED", "FAILED", "STOPPED", "FAULT", "TIMED_OUT"],
                },
            ),
            targets=[targets.LambdaFunction(self.function)],
        )
        acknowledge(rule, "Serverless-EventBusDLQ", LOST_EVENT)
