"""Asks the endpoint, or does what the test's body says: look at itself, sleep, try what it may not."""

import base64
import json
import os
import time

import boto3

runtime = boto3.client("sagemaker-runtime")


def handle(event, context):
    body = event.get("body") or ""
    if event.get("isBase64Encoded"):
        body = base64.b64decode(body).decode()
    wanted = json.loads(body) if body else event
    if wanted.get("look") == "environment":
        return {"statusCode": 200, "body": json.dumps(dict(os.environ))}
    if wanted.get("look") == "identity":
        return {"statusCode": 200, "body": json.dumps(boto3.client("sts").get_caller_identity()["Arn"])}
    if "sleep" in wanted:
        time.sleep(wanted["sleep"])
        return {"statusCode": 200, "body": "{}"}
    endpoint = wanted.get("endpoint", os.environ["ENDPOINT"])
    try:
        answer = runtime.invoke_endpoint(
            EndpointName=endpoint, ContentType="application/json", Body=json.dumps(wanted).encode()
        )
    except runtime.exceptions.ClientError as error:
        return {"statusCode": 502, "body": json.dumps({"error": error.response["Error"]})}
    return {"statusCode": 200, "body": answer["Body"].read().decode()}
