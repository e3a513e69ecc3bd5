"""The roles of the image's build and of the function that starts it."""

from tests.system.deployed import Session
from tests.system.permissions.calls import (
    Call,
    allow,
    get_object,
    may_not_invoke,
    may_not_read_the_model,
    may_not_write,
    push,
    put_log,
)

BUILD, BUILD_FUNCTION = "BuilderBuildRole", "BuilderFunctionPartsRole"


def describe_images(session: Session, repository: str) -> None:
    session.client("ecr").describe_images(repositoryName=repository)


def start_build(session: Session, project: str) -> None:
    session.client("codebuild").start_build(projectName=project)


SUCCEEDS = [
    Call(BUILD, "reads its sources", lambda s, d: get_object(s, *d.sources)),
    Call(BUILD, "logs in to ECR", lambda s, d: s.client("ecr").get_authorization_token()),
    Call(BUILD, "pushes to its repository", lambda s, d: push(s, d.built_repository)),
    Call(BUILD, "writes its log", lambda s, d: put_log(s, d.build_log)),
    Call(BUILD_FUNCTION, "looks for an image", lambda s, d: describe_images(s, d.built_repository)),
    Call(BUILD_FUNCTION, "starts the build", lambda s, d: start_build(s, d.project)),
]

DENIALS = [
    may_not_read_the_model(BUILD),
    Call(
        BUILD,
        "pushes to another repository",
        lambda s, d: push(s, d.other_repository),
        lambda d: [allow("ecr:PutImage", d.arn("ecr", f"repository/{d.other_repository}"))],
    ),
    Call(
        BUILD,
        "deletes an image",
        lambda s, d: s.client("ecr").batch_delete_image(
            repositoryName=d.built_repository, imageIds=[{"imageTag": "none"}]
        ),
        lambda d: [allow("ecr:BatchDeleteImage", d.arn("ecr", f"repository/{d.built_repository}"))],
    ),
    may_not_write(BUILD, "writes data", "dataset/matrix", with_key=True),
    Call(
        BUILD_FUNCTION,
        "starts another build",
        lambda s, d: start_build(s, d.other_project),
        lambda d: [allow("codebuild:StartBuild", d.arn("codebuild", f"project/{d.other_project}"))],
    ),
    Call(
        BUILD_FUNCTION,
        "pushes an image",
        lambda s, d: push(s, d.built_repository),
        lambda d: [allow("ecr:PutImage", d.arn("ecr", f"repository/{d.built_repository}"))],
    ),
    may_not_invoke(BUILD_FUNCTION),
]
