"""Versions in a deployment's registry without a training: the starter model under other numbers."""

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

from ops import cdk
from tests.system.deployed import DATA, TRAINING, Deployed

STARTER = cdk.ROOT / "training" / "starter" / "model.tar.gz"
RUN = "runs/seeded"


def artefact(**changes: Any) -> bytes:
    """The starter model whose model.json says something else: artefact(labels=[...], test={"accuracy": 0.5})."""
    test = changes.pop("test", {})
    out = io.BytesIO()
    with tarfile.open(STARTER) as packed, tarfile.open(fileobj=out, mode="w:gz") as made:
        for member in packed.getmembers():
            opened = packed.extractfile(member)
            assert opened is not None
            content = opened.read()
            if member.name.endswith("model.json"):
                document = json.loads(content) | changes
                document["metrics"]["test"] |= test
                content = json.dumps(document).encode()
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    return out.getvalue()


def register(deployed: Deployed, *, run: str = RUN, evaluation: dict[str, Any] | None = None, **changes: Any) -> int:
    """A version of the stage's group, with its artefact where its content says; the evaluation as the run left it."""
    s3, bucket = deployed.root.client("s3"), deployed.outputs(DATA)["BucketName"]
    content = artefact(**changes)
    key = f"models/{hashlib.sha256(content).hexdigest()}/model.tar.gz"
    s3.put_object(Bucket=bucket, Key=key, Body=content)
    if evaluation is not None:
        s3.put_object(Bucket=bucket, Key=f"{run}/evaluation/evaluation.json", Body=json.dumps(evaluation).encode())
    statistics = {"ContentType": "application/json", "S3Uri": f"s3://{bucket}/{run}/evaluation/evaluation.json"}
    made = deployed.root.client("sagemaker").create_model_package(
        ModelPackageGroupName=deployed.outputs(TRAINING)["ModelGroupName"],
        ModelApprovalStatus="PendingManualApproval",
        ModelMetrics={"ModelQuality": {"Statistics": statistics}},
        InferenceSpecification={
            "Containers": [{"Image": deployed.image, "ModelDataUrl": f"s3://{bucket}/{key}"}],
            "SupportedContentTypes": ["image/jpeg"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )
    return int(made["ModelPackageArn"].rsplit("/", 1)[-1])


def folder_of_stage(deployed: Deployed, place: Path, **lines: str) -> Path:
    """A folder with a stage file of its own, which a command may write."""
    place.mkdir(exist_ok=True)
    text = (cdk.ROOT / "config" / "local.toml").read_text()
    for old, new in lines.items():
        assert old in text
        text = text.replace(old, new, 1)
    (place / "local.toml").write_text(text)
    return place
