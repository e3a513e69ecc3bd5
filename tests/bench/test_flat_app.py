"""The bench's flat app: it declares what the stage declares, or says what it cannot write."""

import json
import os
import re
import subprocess
import sys

import pytest
from aws_cdk import App, CfnOutput, CfnResource, Duration, Environment, RemovalPolicy, Stack, Tags
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3

from bench import assembly, flat_app
from bench.expressions import UntranslatableError
from bench.l1 import L1, NoSuchL1Error
from tests import synth


class Store(Stack):
    """What a small stack of L2 constructs makes: policies, tags, removal policies, exports."""

    def __init__(self, scope, id):
        super().__init__(
            scope, id, env=Environment(region="eu-west-1"), description="Keeps", termination_protection=True
        )
        self.key = kms.Key(self, "Key", enable_key_rotation=True, removal_policy=RemovalPolicy.RETAIN)
        self.bucket = s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self.key,
            enforce_ssl=True,
            lifecycle_rules=[s3.LifecycleRule(expiration=Duration.days(7), prefix="old/")],
            removal_policy=RemovalPolicy.DESTROY,
        )
        Tags.of(self.bucket).add("kept", "no")
        CfnOutput(self, "Name", value=self.bucket.bucket_name, description="The bucket")


class Use(Stack):
    """What refers to another stack, to a custom resource, and to pseudo parameters."""

    def __init__(self, scope, id, *, store):
        super().__init__(scope, id, env=Environment(region="eu-west-1"))
        custom = CfnResource(self, "Custom", type="Custom::Thing", properties={"ServiceToken": f"arn:{self.account}"})
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["s3:GetObject"],
                resources=[store.bucket.arn_for_objects("*"), custom.get_att("Other.Arn").to_string()],
            )
        )
        function = lambda_.Function(
            self,
            "Function",
            code=lambda_.Code.from_inline("pass"),
            handler="index.handle",
            runtime=lambda_.Runtime.PYTHON_3_14,
            role=role,
            environment={"BUCKET": store.bucket.bucket_name, "QUOTED": "it's {\"a\": 'brace'}\n"},
        )
        function.node.add_dependency(custom)


def write(app, folder):
    stacks = assembly.read(folder)
    flat_app.write(stacks, app)
    return stacks


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The folder of the flat app of two small stacks, and the stacks."""
    folder = tmp_path_factory.mktemp("bench")
    app = App(outdir=str(folder / "ours"), context=synth.context())
    store = Store(app, "small-store")
    Use(app, "small-use", store=store)
    Tags.of(app).add("project", "small")
    app.synth()
    (folder / "flat").mkdir()
    return folder / "flat", write(folder / "flat", folder / "ours")


def test_flat_app_declares_what_the_stacks_declare(written, tmp_path):
    program, stacks = written
    told = {"CDK_OUTDIR": str(tmp_path), "CDK_CONTEXT_JSON": json.dumps(synth.context()), "CDK_VALIDATION": "false"}
    environment = {**os.environ, **told}
    subprocess.run([sys.executable, "app.py"], cwd=program, env=environment, check=True)
    found = assembly.read(tmp_path)
    assert [stack.name for stack in found] == ["small-store", "small-use"]
    assert assembly.differences(stacks, found) == []


def test_flat_app_is_l1_and_nothing_else(written):
    program, stacks = written
    text = "\n".join(path.read_text() for path in program.glob("*.py"))
    assert "aws_s3.CfnBucket(self, 'Bucket" in text
    assert "aws_s3.CfnBucket.RuleProperty(expiration_in_days=7, prefix='old/', status='Enabled')" in text
    made = re.findall(r"= (?:aws_\w+\.)?(\w+)\(self, ", text)
    assert len(made) == sum(len(stack.resources) for stack in stacks)
    assert [name for name in made if not name.startswith("Cfn")] == []
    assert set(re.findall(r"^(?:from|import) (\S+)", text, re.MULTILINE)) == {"aws_cdk", "small_store", "small_use"}


def test_flat_app_reads_an_attribute_once_and_tags_the_app(written):
    program, _ = written
    assert (program / "small_use.py").read_text().count("small_store.bucket.attr_arn") == 1
    assert "Tags.of(app).add('project', 'small')" in (program / "app.py").read_text()
    assert "'project'" not in (program / "small_store.py").read_text()


def stack_of(**template):
    return assembly.Stack("s", None, None, False, {}, (), {"Resources": {}, **template})


BUCKET = {"Type": "AWS::S3::Bucket"}


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ({"Conditions": {"InEurope": {}}}, "Conditions"),
        ({"Parameters": {"BootstrapVersion": {}, "Size": {}}}, "Parameters Size"),
        ({"Resources": {"B": {**BUCKET, "Condition": "InEurope"}}}, "B has Condition"),
        ({"Resources": {"B": {**BUCKET, "DeletionPolicy": "Snapshot"}}}, "Snapshot"),
        ({"Resources": {"B": {**BUCKET, "Properties": {"BucketName": {"Fn::FindInMap": [1, 2, 3]}}}}}, "FindInMap"),
        ({"Outputs": {"O": {"Value": "x", "Condition": "InEurope"}}}, "output O has a condition"),
    ],
)
def test_flat_app_names_what_it_cannot_write(template, said, tmp_path):
    with pytest.raises(UntranslatableError, match=said):
        flat_app.write([stack_of(**template)], tmp_path)


@pytest.mark.parametrize("kind", ["AWS::S3::Teapot", "AWS::Teapot::Pot"])
def test_type_without_an_l1_class_is_named(kind):
    with pytest.raises(NoSuchL1Error, match=kind):
        L1.of(kind)


def test_property_without_an_argument_is_named(tmp_path):
    resources = {"B": {**BUCKET, "Properties": {"BucketTeapot": "short"}}}
    with pytest.raises(NoSuchL1Error, match=r"CfnBucket has no argument for BucketTeapot"):
        flat_app.write([stack_of(Resources=resources)], tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"Properties": {"BucketName": "other"}},
            '/s/template/Resources/B/Properties/BucketName: "one" became "other"',
        ),
        ({"Properties": {}}, "/s/template/Resources/B/Properties/BucketName is missing"),
        ({"DeletionPolicy": "Retain"}, "/s/template/Resources/B/DeletionPolicy is too much"),
        ({"DependsOn": ["D", "C"]}, '/s/template/Resources/B/DependsOn/1: "C" became "D"'),
        ({"Properties": {"BucketName": True}}, '/s/template/Resources/B/Properties/BucketName: "one" became true'),
    ],
)
def test_difference_between_assemblies_is_named(change, said):
    body = {**BUCKET, "Properties": {"BucketName": "one"}}
    if "DependsOn" in change:
        body["DependsOn"] = ["C", "C"]
    found = assembly.differences([stack_of(Resources={"B": body})], [stack_of(Resources={"B": {**body, **change}})])
    assert said in found


def test_metadata_and_the_order_of_dependencies_are_no_difference():
    one = stack_of(Resources={"B": {**BUCKET, "DependsOn": ["C", "D"], "Metadata": {"a": 1}}})
    other = stack_of(Resources={"B": {**BUCKET, "DependsOn": ["D", "C"]}})
    assert assembly.differences([one], [other]) == []
