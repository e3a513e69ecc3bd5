"""cdk-nag over every stage: what it finds is mended, or acknowledged on the spot with a reason."""

import cdk_nag
import pytest
from aws_cdk import App, Validations

from stacks.whippet import build_app
from tests import synth

PACKS = (cdk_nag.AwsSolutionsChecks, cdk_nag.ServerlessChecks)
pytestmark = pytest.mark.xdist_group("synth")


@pytest.mark.parametrize("stage", synth.STAGES)
def test_stage_has_no_finding_without_a_reason(stage, tmp_path):
    app = App(outdir=str(tmp_path), context=synth.context())
    build_app(app, stage)
    Validations.of(app).add_plugins(*(pack(app) for pack in PACKS))
    app.synth()  # raises with the findings
