"""Whatever a stage file may switch on, switched on at once in stage local and deployed."""

import pytest

from local import control
from tests.stacks.choices import CHOICES
from tests.system.deployed import API, NETWORK, OPERATIONS, SERVING, TRAINING, WORKBENCH, Deployed

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("widest")]
# Stage local's image is given by URI.
OFF = {key: value for key, value in CHOICES["all that is off"].items() if key != "image__source"}
WIDEST = {
    "beside instances": {
        **OFF,
        "network__isolated": True,
        "network__zones": ["us-east-1a", "us-east-1b", "us-east-1c"],
        "api__concurrency__provisioned_min": 0,
        "api__concurrency__provisioned_max": 0,
        "serving__rollout": CHOICES["shadow"]["serving__rollout"],
    },
    "serverless": {
        **CHOICES["serverless"],
        "api__max_upload_bytes": 0,
        "api__auth": "none",
    },
}
EXPECTED = {
    "beside instances": {
        API: ("AWS::CodeDeploy::DeploymentGroup", "AWS::ApiGatewayV2::Authorizer"),
        NETWORK: ("AWS::EC2::VPCEndpoint", "AWS::EC2::FlowLog"),
        OPERATIONS: ("AWS::CloudTrail::Trail", "AWS::Budgets::Budget", "AWS::IAM::OIDCProvider"),
        WORKBENCH: ("AWS::SageMaker::NotebookInstance", "AWS::EC2::Instance"),
        TRAINING: ("AWS::SageMaker::Pipeline",),
        SERVING: ("AWS::ApplicationAutoScaling::ScalingPolicy",),
    },
    "serverless": {SERVING: ("AWS::SageMaker::Endpoint",)},
}


@pytest.mark.parametrize("choice", WIDEST)
def test_what_is_off_is_deployed_when_it_is_on(tmp_path, choice):
    running = control.start(state=tmp_path / "aws", port=0)
    try:
        system = Deployed(running, tmp_path)
        system.bootstrap()
        assembly = system.changed(**WIDEST[choice])
        system.deploy(assembly)
        for stack, kinds in EXPECTED[choice].items():
            made = {kind for kind, _ in system.resources_and_types(stack).values()}
            assert set(kinds) <= made, stack
        assert "There were no differences" in system.run_cdk("diff", assembly=assembly)
    finally:
        control.stop(tmp_path / "aws")
