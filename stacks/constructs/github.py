"""GitHub's workflows as roles: one that deploys and one that only looks, both without a key that could be lost."""

from typing import Final

from aws_cdk import Aws, Duration, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from config.sections.operations import Github

HOST: Final = "token.actions.githubusercontent.com"
AUDIENCE: Final = "sts.amazonaws.com"
# The bootstrap's roles are assumed from these by chaining, which AWS ends after an hour whatever is asked for.
SESSION = Duration.hours(1)


class GithubRoles(Construct):
    """Neither role may do anything but become roles of CDK's bootstrap, in this account and region."""

    def __init__(self, scope: Construct, id: str, *, config: Github, builds_images_here: bool) -> None:
        super().__init__(scope, id)
        self._provider_arn = self._provider(config)
        self._repository = str(config.repository)
        lookup, publishing = ["lookup"], ["file-publishing", *(["image-publishing"] if builds_images_here else [])]
        self.deploy_role = self._role(
            "DeployRole", subject=self._deployer(config), may=["deploy", *publishing, *lookup]
        )
        self.diff_role = (
            self._role("DiffRole", subject=f"repo:{self._repository}:pull_request", may=lookup)
            if config.diff_pull_requests
            else None
        )

    def _provider(self, config: Github) -> str:
        """An account holds one provider a host, so that an imported one's ARN is known."""
        if config.provider == "import":
            return f"arn:{Aws.PARTITION}:iam::{Aws.ACCOUNT_ID}:oidc-provider/{HOST}"
        # No thumbprint: AWS checks GitHub's certificate against authorities of its own.
        provider = iam.CfnOIDCProvider(self, "Provider", url=f"https://{HOST}", client_id_list=[AUDIENCE])
        return provider.attr_arn

    def _deployer(self, config: Github) -> str:
        """The token's subject to the letter; a token of an environment does not name the branch."""
        place = f"environment:{config.environment}" if config.environment else f"ref:refs/heads/{config.branch}"
        return f"repo:{self._repository}:{place}"

    def _role(self, id: str, *, subject: str, may: list[str]) -> iam.Role:
        stack = Stack.of(self)
        prefix = f"arn:{Aws.PARTITION}:iam::{Aws.ACCOUNT_ID}:role/cdk-{stack.synthesizer.bootstrap_qualifier}"
        bootstrap = [f"{prefix}-{kind}-role-{Aws.ACCOUNT_ID}-{stack.region}" for kind in may]
        return iam.Role(
            self,
            id,
            assumed_by=iam.WebIdentityPrincipal(
                self._provider_arn, {"StringEquals": {f"{HOST}:aud": AUDIENCE, f"{HOST}:sub": subject}}
            ),
            max_session_duration=SESSION,
            inline_policies={
                "Bootstrap": iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(sid="BecomeBootstrapRoles", actions=["sts:AssumeRole"], resources=bootstrap)
                    ]
                )
            },
        )
