"""What CloudFormation must be allowed for this app's templates, instead of the AdministratorAccess that `cdk bootstrap`
grants by default: `make bootstrap-policies PROJECT=whippet` writes docs/bootstrap/*.json.

The actions are those that AWS's own resource schemas name for creating, reading, updating and deleting each type that
some stage's templates hold. Where a generated name starts with the stack's, resources are narrowed to the project's.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests import synth  # noqa: E402 - found through the line above
from tests.stacks import variants  # noqa: E402
from tests.stacks.choices import CHOICES  # noqa: E402

REGION = "us-east-1"
# IAM counts characters without white space; a role takes ten policies of this size.
LARGEST_POLICY = 6144
# Types that predate AWS's resource schemas.
WITHOUT_SCHEMA = {
    "AWS::CodeBuild::Project": [
        *(
            "codebuild:BatchGetProjects",
            "codebuild:CreateProject",
            "codebuild:DeleteProject",
            "codebuild:UpdateProject",
        ),
        "iam:PassRole",
    ],
}
# What the CDK's own version-reporting type needs is nothing, and a custom resource needs its function called.
CUSTOM = ["lambda:InvokeFunction"]
# A schema lists the actions of every property that a type knows. No template of ours sets those that need these.
UNUSED_SERVICES = {
    *("autoscaling", "billing", "elasticfilesystem", "firehose", "organizations", "s3files", "s3tables"),
    *("vpc-lattice", "vpce"),
}
UNUSED = re.compile(
    r"AttachRolePolicy|DetachRolePolicy|CreateUser|s3:REST|s3:DeleteObject|s3:PutObjectAcl|Metadata\w*Table"
)
READS = re.compile(r"(Get|List|Describe|BatchGet|View)")
CRYPTOGRAPHY = {
    *("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:CreateGrant", "kms:RetireGrant"),
    # What whoever launches an instance with an encrypted disk must be allowed, which its schema does not say.
    *("kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo"),
}
# Services whose generated names start with the stack's name, as AWS writes their ARNs.
NARROWED = {
    "iam": ["arn:aws:iam::*:role/{project}-*", "arn:aws:iam::*:instance-profile/{project}-*"],
    "s3": ["arn:aws:s3:::{project}-*"],
    "lambda": ["arn:aws:lambda:*:*:function:{project}-*"],
}
# Actions on what has no name of ours: in IAM, and in Lambda, where a mapping is known by its function.
PROVIDERS, MAPPINGS = re.compile(r"OpenIDConnectProvider"), re.compile(r"(Create|Update|Delete)EventSourceMapping")
ASSETS = "arn:aws:s3:::cdk-*-assets-*"


@cache
def types() -> frozenset[str]:
    """Every resource type of every stage, and of what else a stage file may choose."""
    stages = [template for stage in synth.STAGES for template in synth.templates(stage).values()]
    others = [template for changes in CHOICES.values() for template in variants.rooms(**changes).values()]
    return frozenset(body["Type"] for template in (*stages, *others) for body in template["Resources"].values())


def actions(kinds: Iterable[str]) -> set[str]:
    """What CloudFormation calls for these types, by AWS's schemas."""
    found: set[str] = set()
    for kind in kinds:
        if kind == "AWS::CDK::Metadata":
            continue
        if kind.startswith("Custom::") or kind == "AWS::CloudFormation::CustomResource":
            found |= set(CUSTOM)
        elif kind in WITHOUT_SCHEMA:
            found |= set(WITHOUT_SCHEMA[kind])
        else:
            handlers = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema["handlers"]
            for handler in handlers.values():
                found |= {_spelled(action) for action in handler["permissions"]}
    return {one for one in found if one.split(":")[0] not in UNUSED_SERVICES and not UNUSED.search(one)}


def _spelled(action: str) -> str:
    service, name = action.split(":")
    return f"{service.lower()}:{name[0].upper()}{name[1:]}"


def statements(project: str) -> Iterator[dict[str, Any]]:
    wanted = actions(types())
    passing, assets = {"iam:PassRole"} & wanted, {"s3:GetObject", "s3:GetObjectVersion"} & wanted
    linked = {"iam:CreateServiceLinkedRole"} & wanted
    wanted -= passing | assets | linked | CRYPTOGRAPHY
    by_service: dict[str, set[str]] = {}
    reads = {one for one in wanted if READS.match(one.split(":")[1])}
    mappings = {one for one in wanted - reads if MAPPINGS.search(one)}
    wanted -= mappings
    for action in sorted(wanted - reads):
        by_service.setdefault(action.split(":")[0], set()).add(action)
    for service, changing in by_service.items():
        apart = {one for one in changing if PROVIDERS.search(one)}
        where = [one.format(project=project) for one in NARROWED.get(service, ["*"])]
        yield _allow(f"Change{service.title().replace('-', '')}", changing - apart, where)
        if apart:
            provider = "arn:aws:iam::*:oidc-provider/token.actions.githubusercontent.com"
            yield _allow("ChangeGitHubProvider", apart, [provider])
    own = {"ArnLike": {"lambda:FunctionArn": NARROWED["lambda"][0].format(project=project)}}
    yield _allow("ChangeOwnEventSources", mappings, ["*"], own)
    yield _allow("Read", reads, ["*"])
    yield _allow("ReadAssets", assets, [f"{ASSETS}/*"])
    version = ["arn:aws:ssm:*:*:parameter/cdk-bootstrap/*"]
    yield _allow("ReadBootstrapVersion", {"ssm:GetParameter", "ssm:GetParameters"}, version)
    principals = {"StringLike": {"iam:PassedToService": "*.amazonaws.com"}}
    yield _allow("PassOwnRoles", passing, [f"arn:aws:iam::*:role/{project}-*"], principals)
    scaling = {"StringLike": {"iam:AWSServiceName": "*.application-autoscaling.amazonaws.com"}}
    yield _allow("ScaleByServiceLinkedRole", linked, ["arn:aws:iam::*:role/aws-service-role/*"], scaling)
    yield _allow("UseKeysThroughServices", CRYPTOGRAPHY, ["*"], {"StringLike": {"kms:ViaService": "*.amazonaws.com"}})


def _allow(sid: str, wanted: set[str], where: list[str], when: dict[str, Any] | None = None) -> dict[str, Any]:
    statement = {"Sid": sid, "Effect": "Allow", "Action": sorted(wanted), "Resource": where}
    return statement | ({"Condition": when} if when else {})


def policies(project: str) -> list[dict[str, Any]]:
    """As few documents as the size limit allows, every statement whole or, where it alone is too long, in parts."""
    documents: list[list[dict[str, Any]]] = [[]]
    for statement in (part for whole in statements(project) if whole["Action"] for part in _parts(whole)):
        if _size([*documents[-1], statement]) > LARGEST_POLICY:
            documents.append([])
        documents[-1].append(statement)
    return [{"Version": "2012-10-17", "Statement": one} for one in documents]


def _parts(statement: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if _size([statement]) <= LARGEST_POLICY:
        yield statement
        return
    half = len(statement["Action"]) // 2
    for number, part in enumerate((statement["Action"][:half], statement["Action"][half:])):
        yield from _parts({**statement, "Sid": f"{statement['Sid']}{'AB'[number]}", "Action": part})


def _size(statements_: list[dict[str, Any]]) -> int:
    return len(json.dumps({"Version": "2012-10-17", "Statement": statements_}, separators=(",", ":")))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--project", default="whippet", help="stage.project of the stage file: names start with it")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "bootstrap")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    for old in options.output.glob("policy-*.json"):
        old.unlink()
    for number, document in enumerate(policies(options.project), start=1):
        path = options.output / f"policy-{number}.json"
        path.write_text(json.dumps(document, indent=1) + "\n")
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
