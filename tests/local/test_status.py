"""What `status` finds where there are many pages, and where what it asks about goes meanwhile."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from botocore.stub import Stubber

from local import cli, status
from local.home import LocalError

pytestmark = pytest.mark.xdist_group(__name__)


def test_server_that_goes_while_it_is_asked_is_a_sentence(embedded):
    # Nothing listens at this port.
    gone = replace(embedded.running, facts=replace(embedded.running.facts, url="https://127.0.0.1:1"))
    with pytest.raises(LocalError, match=r"The embedded AWS at https://127\.0\.0\.1:1 did not say what is in it"):
        status.status(gone)


def test_endpoint_that_goes_while_endpoints_are_listed_is_passed_over(embedded):
    client = embedded.client("sagemaker")
    listed = SimpleNamespace(paginate=lambda: [{"Endpoints": [{"EndpointName": "gone"}]}])
    hosting = SimpleNamespace(get_paginator=lambda operation: listed, describe_endpoint=client.describe_endpoint)
    assert status._endpoints(hosting) == []


def test_jobs_that_run_are_found_on_every_page(embedded, tmp_path):
    client = embedded._client("sagemaker", embedded.acting())
    dates = {"CreationTime": 0, "LastModifiedTime": 0}

    def job(kind, name, **more):
        named = {f"{kind}JobName": name, f"{kind}JobArn": f"arn:aws:sagemaker:us-east-1:000000000000:job/{name}"}
        return {**named, f"{kind}JobStatus": "InProgress", **dates, **more}

    with Stubber(client) as stubbed:
        for kind, verb in (
            ("Training", "training"),
            ("Processing", "processing"),
            ("Transform", "transform"),
            ("HyperParameterTuning", "hyper_parameter_tuning"),
        ):
            for wanted in ("InProgress", "Stopping"):
                pages = [{f"{kind}JobSummaries": []}]
                if (kind, wanted) == ("Training", "InProgress"):
                    first, second = [job(kind, "first")], [job(kind, "second")]
                    pages = [{"TrainingJobSummaries": first, "NextToken": "1"}, {"TrainingJobSummaries": second}]
                for number, page in enumerate(pages):
                    asked = {"StatusEquals": wanted} | ({"NextToken": str(number)} if number else {})
                    stubbed.add_response(f"list_{verb}_jobs", page, asked)
        found = status._jobs(client, tmp_path)
        stubbed.assert_no_pending_responses()
    assert [(one["name"], one["status"]) for one in found] == [("first", "InProgress"), ("second", "InProgress")]


def test_json_is_refused_where_lines_of_others_are_told(capsys):
    with pytest.raises(SystemExit):
        cli.main(["logs", "--json"])
    assert "unrecognized arguments: --json" in capsys.readouterr().err
