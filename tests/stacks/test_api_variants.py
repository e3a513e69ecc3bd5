"""Ways to guard the API and to answer later, each as a stage of its own: names, permissions, cdk-nag and cfn-lint."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from aws_cdk import Validations

from tests import synth
from tests.stacks import variants
from tests.stacks.hosting import VARIANTS as HOSTING
from tests.stacks.permissions import api as table
from tests.stacks.test_findings import PACKS
from tests.stacks.test_names import CHOSEN, NAMING_PROPERTIES
from tests.stacks.test_permissions import roles, statements
from tests.stacks.test_shapes import faults, known

pytestmark = pytest.mark.xdist_group("synth")
VARIANTS = {
    "guarded": {
        "api__auth": "jwt",
        "api__jwt": {"issuer": "https://id.example.com", "audience": ["whippet"], "scopes": ["whippet/predict"]},
        "api__cors": {"origins": ["https://app.example.com"], "max_age_seconds": 600},
        "api__canary": {"percent": 10, "minutes": 5},
    },
    "later": HOSTING["async"],
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Each synthesized once, with cdk-nag in it: a finding without a reason raises."""
    made = {}
    for name, changes in VARIANTS.items():
        made[name] = tmp_path_factory.mktemp(name)
        app = variants.build(changes, str(made[name]))
        Validations.of(app).add_plugins(*(pack(app) for pack in PACKS))
        app.synth()
    return made


@pytest.fixture(scope="module")
def templates(folders):
    return {
        name: json.loads((folder / "whippet-dev-api.template.json").read_text()) for name, folder in folders.items()
    }


def test_cfn_lint_finds_nothing(folders):
    paths = [str(folder / "whippet-dev-api.template.json") for folder in folders.values()]
    options = ["--format", "json", "--regions", "us-east-1", "--ignore-checks", "W3005"]
    command = [str(Path(sys.executable).with_name("cfn-lint")), *options, "--", *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.strip(), done.stderr
    assert [(f["Rule"]["Id"], f["Message"], f["Location"]["Path"]) for f in json.loads(done.stdout)] == []


def test_codedeploys_properties_have_the_shape_of_its_calls(templates):
    checked = [body for body in synth.resources(templates["guarded"]).values() if "CodeDeploy" in body["Type"]]
    assert len(checked) == 3
    for body in checked:
        assert faults(body["Type"], body["Properties"]) == ""
        assert body["Properties"].keys() <= known(body["Type"])


@pytest.mark.parametrize("name", VARIANTS)
def test_names_come_from_the_list(templates, name):
    for body in synth.resources(templates[name]).values():
        for key in NAMING_PROPERTIES[body["Type"]]:
            given = body.get("Properties", {}).get(key)
            assert given is None or given in CHOSEN[(body["Type"], key)], (body["Type"], key)


def plain(expected):
    return json.loads(json.dumps(expected).replace("STAGE", "dev"))


def test_function_that_answers_later_leaves_images_and_fetches_results_and_no_more(templates):
    found = {name: statements(role) for name, role in roles(templates["later"]).items()}
    assert json.loads(json.dumps(found)) == plain({"PredictFunctionPartsRole": table.PREDICT_LATER})


def test_results_are_guarded_and_throttled_as_predictions_are(templates):
    routes = {
        route["Properties"]["RouteKey"]: route["Properties"]["AuthorizationType"]
        for route in synth.resources(templates["later"], "AWS::ApiGatewayV2::Route").values()
    }
    guarded = {"GET /results/{id}", "POST /predict", "POST /uploads"}
    assert {route for route, auth in routes.items() if auth == "AWS_IAM"} == guarded
    throttled = synth.only(templates["later"], "AWS::ApiGatewayV2::Stage")["RouteSettings"]
    assert throttled.keys() == guarded


def test_only_a_function_that_answers_later_knows_the_bucket(templates):
    for name, template in [*templates.items(), *((stage, synth.templates(stage)["api"]) for stage in synth.STAGES)]:
        bucket = synth.only(template, "AWS::Lambda::Function")["Environment"]["Variables"]["ASYNC_BUCKET"]
        assert bool(bucket) == (name == "later")


def test_every_type_of_a_variant_is_known_to_the_sweep(templates):
    kinds = {body["Type"] for template in templates.values() for body in synth.resources(template).values()}
    assert {kind for kind in kinds if re.match(r"AWS::(CodeDeploy|ApiGatewayV2)", kind)} <= NAMING_PROPERTIES.keys()
