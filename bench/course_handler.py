"""The handler of the course project as people deploy it, for `bench.function` to compare with: boto3, two clients.

What the published write-ups have in common, in words of ours: clients of SageMaker's runtime and of S3, the event
passed on as JSON, the endpoint's answer returned as it comes.
"""

import json
import os

import boto3

RUNTIME = boto3.client("sagemaker-runtime")
STORAGE = boto3.client("s3")


def handle(event: object, context: object) -> dict[str, object]:
    response = RUNTIME.invoke_endpoint(
        EndpointName=os.environ["ENDPOINT_NAME"],
        ContentType="application/json",
        Accept="application/json",
        Body=json.dumps(event),
    )
    found = json.loads(response["Body"].read().decode("utf-8"))
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "text/plain", "Access-Control-Allow-Origin": "*"},
        "type-result": str(type(found)),
        "body": json.dumps(found),
    }
