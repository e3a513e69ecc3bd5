"""Ways from isolated subnets to AWS's services: the free gateway to S3, and interface endpoints, billed by the hour."""

from aws_cdk import Aws, DefaultStackSynthesizer, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from config.sections.network import InterfaceEndpoint
from stacks.constructs.virtual_network import VirtualNetwork

# What jobs, endpoints and the box do with the stage's bucket; the role of each says which of it.
BUCKET_ACTIONS = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
OBJECT_ACTIONS = [
    "s3:AbortMultipartUpload",
    "s3:DeleteObject",
    "s3:GetObject",
    "s3:GetObjectTagging",
    "s3:ListMultipartUploadParts",
    "s3:PutObject",
    "s3:PutObjectTagging",
]


class S3Gateway(Construct):
    """From the isolated subnets to the stage's own bucket, and to what AWS and CDK keep in S3 for those inside."""

    def __init__(self, scope: Construct, id: str, *, vpc: ec2.Vpc, bucket: s3.IBucket) -> None:
        super().__init__(scope, id)
        gateway = ec2.GatewayVpcEndpoint(
            self,
            "Endpoint",
            vpc=vpc,
            service=ec2.GatewayVpcEndpointAwsService.S3,
            subnets=[ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)],
        )
        for sid, actions, resources in (
            ("ThisStage", BUCKET_ACTIONS, [bucket.bucket_arn]),
            ("ThisStagesObjects", OBJECT_ACTIONS, [bucket.arn_for_objects("*")]),
            # A job looks its code up by the prefix that is the whole key.
            ("FindCode", ["s3:ListBucket"], [self._read_only()[0]]),
            ("ReadWhatAwsKeeps", ["s3:GetObject"], [f"{name}/*" for name in self._read_only()]),
        ):
            gateway.add_to_policy(
                iam.PolicyStatement(sid=sid, principals=[iam.AnyPrincipal()], actions=actions, resources=resources)
            )

    def _read_only(self) -> list[str]:
        """Code assets first, the layers of images in ECR, and updates of the agent by which the box is reached."""
        stack = Stack.of(self)
        qualifier = stack.synthesizer.bootstrap_qualifier or DefaultStackSynthesizer.DEFAULT_QUALIFIER
        names = (
            f"cdk-{qualifier}-assets-{stack.account}-{stack.region}",
            f"prod-{stack.region}-starport-layer-bucket",
            f"amazon-ssm-{stack.region}",
            f"amazon-ssm-packages-{stack.region}",
        )
        return [f"arn:{Aws.PARTITION}:s3:::{name}" for name in names]


class InterfaceEndpoints(Construct):
    """They answer the VPC's own addresses, and only to principals of this account."""

    def __init__(self, scope: Construct, id: str, *, vpc: VirtualNetwork, services: list[InterfaceEndpoint]) -> None:
        super().__init__(scope, id)
        group = ec2.SecurityGroup(
            self,
            "SecurityGroup",
            vpc=vpc,
            description="Admits https from within the VPC to the endpoints of AWS services",
            allow_all_outbound=False,
        )
        group.add_ingress_rule(ec2.Peer.ipv4(vpc.cidr), ec2.Port.HTTPS, "From within the VPC")
        for service in services:
            endpoint = ec2.InterfaceVpcEndpoint(
                self,
                _role_noun(service),
                vpc=vpc,
                service=ec2.InterfaceVpcEndpointAwsService(service),
                subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
                security_groups=[group],
                open=False,
                private_dns_enabled=True,
            )
            endpoint.add_to_policy(
                iam.PolicyStatement(
                    sid="OnlyThisAccount",
                    principals=[iam.AnyPrincipal()],
                    actions=["*"],
                    # What each caller may do is said by its role; this keeps others' credentials out.
                    resources=["*"],
                    conditions={"StringEquals": {"aws:PrincipalAccount": Stack.of(self).account}},
                )
            )


def _role_noun(service: InterfaceEndpoint) -> str:
    """SagemakerApi of "sagemaker.api"."""
    return "".join(part.capitalize() for part in service.split("."))
