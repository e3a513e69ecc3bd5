"""S3 and SageMaker as the intake function sees them: each call held against botocore's model, versions and tokens kept."""

import io
import json
from functools import cache

import botocore.session
from botocore.exceptions import ClientError
from botocore.validate import validate_parameters

from lambda_src.intake.access import Datasets, Pipeline
from lambda_src.intake.service import Intake
from tests.lambda_src.events import sample

BUCKET, PIPELINE = "whippet-dev-data-bucket", "whippet-dev-training"
RUN = "arn:aws:sagemaker:us-east-1:111122223333:pipeline/whippet-dev-training/execution/"
MANIFEST = {"format": 1, "pictures": 2, "sha256": "ab" * 32}
JPEG, PNG = b"\xff\xd8\xff\xe0" + bytes(12), b"\x89PNG\r\n\x1a\n" + bytes(8)
KEY = "dataset/dogs/manifest.json"


def arrival(key=KEY, bucket=BUCKET, **thing):
    event = sample("eventbridge_object_created")
    event["detail"]["bucket"]["name"] = bucket
    event["detail"]["object"] |= {"key": key} | thing
    return event


@cache
def shape_of(service, operation):
    return botocore.session.get_session().get_service_model(service).operation_model(operation).input_shape


def valid(service, operation, arguments):
    shape = shape_of(service, operation)
    validate_parameters(arguments, shape)
    assert set(arguments) <= set(shape.members)


class Objects:
    """S3: for each key and version its bytes; an object without a version is whatever it is by now."""

    def __init__(self, **kept):
        self.kept = {("dataset/dogs/train/a/1.jpg", None): JPEG, ("dataset/dogs/train/a/2.jpg", None): JPEG, **kept}
        self.error, self.tags, self.asked = None, {}, []

    def put(self, content, key=KEY, version=None):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.kept[key, version] = self.kept[key, None] = body
        return self

    def get_object(self, **arguments):
        valid("s3", "GetObject", arguments)
        self.asked.append(arguments)
        if self.error:
            raise ClientError({"Error": {"Code": self.error, "Message": "no"}}, "GetObject")
        content = self.kept.get((arguments["Key"], arguments.get("VersionId")))
        if content is None:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "no"}}, "GetObject")
        if arguments.get("Range") and not content:
            raise ClientError({"Error": {"Code": "InvalidRange", "Message": "no"}}, "GetObject")
        return {"Body": io.BytesIO(content[:16] if arguments.get("Range") else content)}

    def put_object_tagging(self, **arguments):
        valid("s3", "PutObjectTagging", arguments)
        ((tag),) = arguments["Tagging"]["TagSet"]
        self.tags[arguments["Key"]] = (tag["Key"], tag["Value"], arguments.get("VersionId"))

    def list_objects_v2(self, **arguments):
        """By pages of one."""
        valid("s3", "ListObjectsV2", arguments)
        keys = sorted({key for key, _ in self.kept if key.startswith(arguments["Prefix"])})
        place = int(arguments.get("ContinuationToken", 0))
        more = place + 1 < len(keys)
        return {"KeyCount": len(keys[place : place + 1]), "IsTruncated": more, "NextContinuationToken": str(place + 1)}


class Runs:
    """SageMaker, whose answers to one token are one run."""

    def __init__(self):
        self.calls, self.runs, self.fails = [], {}, lambda: False

    def start_pipeline_execution(self, **arguments):
        valid("sagemaker", "StartPipelineExecution", arguments)
        self.calls.append(arguments)
        if self.fails():
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "no"}}, "StartPipelineExecution")
        arn = self.runs.setdefault(arguments["ClientRequestToken"], f"{RUN}{len(self.runs)}")
        return {"PipelineExecutionArn": arn}


class Harness:
    def __init__(self, objects=None):
        self.objects, self.runs, self.log = objects or Objects().put(MANIFEST, version="v1"), Runs(), []
        self.intake = Intake(
            bucket=BUCKET,
            datasets=Datasets(self.objects, BUCKET),
            pipeline=Pipeline(self.runs, PIPELINE),
            write_log=self.log.append,
        )

    def take(self, event):
        return self.intake.take(event)
