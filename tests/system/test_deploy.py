"""The deployed system as its users meet it: predictions, the page, captures, changes, a change that fails."""

import base64
import hashlib
import http.client
import json
import ssl
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import urllib3

from local.isolation import why_not
from ops import cdk
from tests.system.deployed import API, SERVING, Deployed

pytestmark = pytest.mark.xdist_group("deployed")
LATEST_SECONDS = 15


def predict(deployed: Deployed):
    return deployed.call("POST", "/predict", deployed.sample.read_bytes())


def test_api_names_what_the_picture_shows(deployed):
    answer = predict(deployed)
    assert answer.status == 200
    assert answer.json()["predictions"][0]["label"] == deployed.sample.stem
    assert answer.json()["variant"] == "primary"


@pytest.mark.skipif(why_not() is not None, reason=f"this machine makes no network for a container: {why_not()}")
def test_endpoints_container_has_no_network_but_its_own_loopback_and_nobodys_keys(deployed):
    folder = deployed.running.home.instances / deployed.endpoint
    pids = [json.loads(path.read_text())["pid"] for path in folder.glob("*/instance.json")]
    assert pids
    for pid in pids:
        interfaces = [line.split(":")[0].strip() for line in Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]]
        assert interfaces == ["lo"]
        assert b"AWS_SECRET_ACCESS_KEY" not in Path(f"/proc/{pid}/environ").read_bytes()


def readings(deployed, metric, **dimensions):
    found = deployed.root.client("cloudwatch").get_metric_statistics(
        Namespace="Whippet/Predictions",
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
        StartTime=time.time() - 3600,
        EndTime=time.time() + 60,
        Period=3600,
        Statistics=["SampleCount"],
    )["Datapoints"]
    return sum(point["SampleCount"] for point in found)


def test_a_predictions_log_line_is_metrics_of_its_endpoint(deployed):
    outcome = {"endpoint": deployed.endpoint, "outcome": "ok"}
    before = readings(deployed, "requests", **outcome)
    predict(deployed)
    deadline = time.monotonic() + LATEST_SECONDS
    while readings(deployed, "requests", **outcome) == before:
        assert time.monotonic() < deadline, "no metric came of the line"
        time.sleep(0.1)
    for measured in ("total_ms", "invoke_ms", "image_bytes"):
        assert readings(deployed, measured, endpoint=deployed.endpoint) >= 1


def test_page_and_health_answer_without_a_signature(deployed):
    page, health = deployed.call("GET", "/"), deployed.call("GET", "/healthz")
    assert (page.status, health.status) == (200, 200)
    assert page.headers["content-type"].startswith("text/html")
    assert "content-security-policy" in page.headers


def test_api_describes_itself_as_it_was_deployed(deployed):
    answer = deployed.call("GET", "/openapi.json")
    assert answer.status == 200
    said = answer.json()
    assert said["paths"].keys() == {"/predict", "/uploads", "/", "/healthz", "/openapi.json"}
    assert said["paths"]["/predict"]["post"]["security"] == []


def test_without_cors_other_sites_are_told_nothing(deployed):
    answer = deployed.call("OPTIONS", "/predict")
    assert "access-control-allow-origin" not in {name.lower() for name in answer.headers}


def test_what_is_no_image_is_refused_in_a_sentence(deployed):
    answer = deployed.call("POST", "/predict", b"hello")
    assert answer.status == 415
    assert answer.json()["error"]["message"].endswith(".")


def test_a_link_to_the_machine_itself_is_refused(deployed):
    body = json.dumps({"url": "https://169.254.169.254/latest/meta-data/"}).encode()
    assert deployed.call("POST", "/predict", body, "application/json").status == 400


def test_function_answers_the_course_projects_direct_event(deployed):
    event = {"image": base64.b64encode(deployed.sample.read_bytes()).decode()}
    answer = deployed.root.client("lambda").invoke(
        FunctionName=deployed.function, Qualifier="live", Payload=json.dumps(event)
    )
    said = json.loads(answer["Payload"].read())
    assert said["statusCode"] == 200
    assert json.loads(said["body"])["predictions"][0]["label"] == deployed.sample.stem


def test_several_images_in_a_form_are_named_in_their_order(deployed):
    samples = sorted((cdk.ROOT / "training" / "starter" / "samples").glob("*.jpg"))[:2]
    form, kind = urllib3.encode_multipart_formdata([("image", (s.name, s.read_bytes(), "image/jpeg")) for s in samples])
    results = deployed.call("POST", "/predict", form, kind).json()["results"]
    assert [one["predictions"][0]["label"] for one in results] == [sample.stem for sample in samples]


def test_the_whole_vector_is_the_networks_own(deployed):
    answer = deployed.call("POST", "/predict?raw=true", deployed.sample.read_bytes())
    (row,) = answer.json()
    assert len(row) == len(
        deployed.call("POST", "/predict?top_k=1000", deployed.sample.read_bytes()).json()["predictions"]
    )


def put(deployed, offered, content):
    url = urlsplit(offered["url"])
    trusted = ssl.create_default_context(cafile=deployed.environment["AWS_CA_BUNDLE"])
    connection = http.client.HTTPSConnection(url.hostname, url.port, context=trusted, timeout=30)
    headers = {**offered["headers"], "content-length": str(len(content))}
    connection.request("PUT", f"{url.path}?{url.query}", content, headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def test_an_image_is_uploaded_by_a_signed_url_of_its_size_and_predicted_by_its_key(deployed):
    image = deployed.sample.read_bytes()
    wanted = json.dumps({"content_type": "image/jpeg", "bytes": len(image)}).encode()
    offered = deployed.call("POST", "/uploads", wanted, "application/json")
    assert offered.status == 201, offered.body
    assert put(deployed, offered.json(), image + b"more") == 403
    assert put(deployed, offered.json(), image) == 200
    body = json.dumps({"s3": {"key": offered.json()["key"]}}).encode()
    answer = deployed.call("POST", "/predict", body, "application/json")
    assert answer.json()["predictions"][0]["label"] == deployed.sample.stem
    kept = deployed.root.client("s3").head_object(Bucket=deployed.bucket, Key=offered.json()["key"])
    assert kept["SSEKMSKeyId"] == deployed.key


def test_predictions_are_captured_under_the_key(deployed):
    predict(deployed)
    s3, prefix = deployed.root.client("s3"), f"capture/{deployed.endpoint}/primary/"
    deadline = time.monotonic() + LATEST_SECONDS
    while not (found := s3.list_objects_v2(Bucket=deployed.bucket, Prefix=prefix).get("Contents")):
        assert time.monotonic() < deadline, "nothing was captured"
        time.sleep(0.1)
    captured = s3.get_object(Bucket=deployed.bucket, Key=found[0]["Key"])
    line = json.loads(captured["Body"].read().splitlines()[0])
    assert captured["SSEKMSKeyId"] == deployed.key
    assert base64.b64decode(line["captureData"]["endpointInput"]["data"])


def test_a_second_deploy_changes_nothing(deployed):
    assert deployed.deploy().count("no changes") == len(deployed.stacks())


def test_diff_after_a_deploy_shows_nothing(deployed):
    assert "Number of stacks with differences: 0" in deployed.run_cdk("diff")


def test_a_changed_setting_reaches_the_running_function(deployed):
    assert len(predict(deployed).json()["predictions"]) == 5
    project = deployed.changed_project(top_k="2")
    assert "TOP_K" in deployed.run_cdk("diff", API, "--exclusively", project=project)
    deployed.deploy(deployed.output_of(project), stack=API)
    assert len(predict(deployed).json()["predictions"]) == 2
    deployed.deploy(stack=API)
    assert len(predict(deployed).json()["predictions"]) == 5


def test_a_deploy_that_fails_is_rolled_back_and_the_old_model_goes_on(deployed):
    nowhere = "000000000000.dkr.ecr.us-east-1.amazonaws.com/nowhere:1"
    with pytest.raises(cdk.CdkError, match="nowhere"):
        deployed.deploy(deployed.changed(image__uri=nowhere), stack=SERVING)
    assert deployed.stack_status(SERVING) == "UPDATE_ROLLBACK_COMPLETE"
    assert predict(deployed).status == 200
    deployed.deploy(stack=SERVING)
    assert deployed.stack_status(SERVING).endswith("_COMPLETE")


def test_a_model_of_ones_own_is_served_from_the_bucket(deployed):
    starter = cdk.ROOT / "training" / "starter" / "model.tar.gz"
    key = f"models/{hashlib.sha256(starter.read_bytes()).hexdigest()}/model.tar.gz"
    deployed.root.client("s3").upload_file(str(starter), deployed.bucket, key)
    own = deployed.changed(model__artifact=key, model__version="own")
    assert "ModelDataUrl" in deployed.run_cdk("diff", SERVING, "--exclusively", assembly=own)
    deployed.deploy(own, stack=SERVING)
    assert deployed.outputs(SERVING)["ModelVersion"] == "own"
    assert predict(deployed).status == 200
    deployed.deploy(stack=SERVING)


def test_stage_local_can_be_deployed_to_no_other_account(deployed):
    manifest = json.loads((deployed.output_of(cdk.ROOT) / "manifest.json").read_text())
    stacks = [a for a in manifest["artifacts"].values() if a["type"] == "aws:cloudformation:stack"]
    assert {stack["environment"] for stack in stacks} == {"aws://000000000000/us-east-1"}
