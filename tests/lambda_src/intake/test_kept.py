"""What failed comes back from its queue: what succeeds leaves it, what fails again stays."""

import json

from tests.lambda_src.events import sample
from tests.lambda_src.intake.account import Harness, arrival


def kept(*events):
    (record,) = sample("sqs_kept_event")["Records"]
    return {
        "Records": [
            {**record, "messageId": f"m{number}", "body": event if isinstance(event, str) else json.dumps(event)}
            for number, event in enumerate(events)
        ]
    }


def test_what_was_kept_is_taken_in_again_and_what_fails_again_stays():
    harness = Harness()
    good = arrival(**{"version-id": "v1"})
    answer = harness.take(
        kept(good, {"format": 9}, "no json", {"requestPayload": good, "condition": "RetriesExhausted"})
    )
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m1"}, {"itemIdentifier": "m2"}]}
    assert len(harness.runs.runs) == 1
    assert [record["outcome"] for record in harness.log] == ["started", "kept", "kept", "started"]


def test_an_error_of_aws_keeps_the_message_too():
    harness = Harness()
    harness.runs.fails = lambda: True
    assert harness.take(kept(arrival(**{"version-id": "v1"})))["batchItemFailures"] == [{"itemIdentifier": "m0"}]
