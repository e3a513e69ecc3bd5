"""The gate before a promotion: who passes it, who does not, and in which words."""

import io
import json
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from config.load import parse_stage
from ops.account import Account
from ops.errors import OperatorError
from ops.models import gate
from ops.models.card import Card, read_card
from ops.models.gate import judge
from ops.models.registry import Version
from ops.stage import Stage
from tests.config.stage_file import changed

VERSION = Version(
    7,
    "arn",
    "PendingManualApproval",
    "s3://b/models/new/model.tar.gz",
    "",
    "",
    "",
    "",
    "s3://b/runs/r/evaluation/e.json",
    "",
)
LIVE = "models/old/model.tar.gz"


def card(accuracy=0.9, macro_f1=0.9, labels=("a", "b"), data="one", int8=None, **more):
    test = {"samples": 100, "accuracy": accuracy, "macro_f1": macro_f1}
    return Card(
        {
            "labels": list(labels),
            "data": {"sha256": data},
            "metrics": {"test": test},
            "int8": int8 or {"kept": True},
            **more,
        },
        None,
    )


@pytest.fixture
def judged(monkeypatch, tmp_path):
    """What the gate says of a card against the live one's, and what was scored anew."""

    def run(new, live, live_artifact=LIVE, **settings):
        cards = {VERSION.url: new, f"s3://bucket/{live_artifact}": live}
        config = parse_stage(changed(**settings), "config/dev.toml")[0]
        stage = Stage("dev", config, Account("us-east-1", {}, "111122223333"), tmp_path)
        monkeypatch.setattr(Stage, "output", lambda *_: "bucket")
        monkeypatch.setattr(Stage, "client", lambda *_: None)
        monkeypatch.setattr(gate, "read_card", lambda _s3, url, _evaluation="": cards[url])
        return judge(stage, VERSION, live_artifact, steps=None)

    return run


@pytest.mark.parametrize(
    ("accuracy", "macro_f1", "passes"), [(0.9, 0.9, True), (0.95, 0.91, True), (0.89, 0.95, False), (0.95, 0.89, False)]
)
def test_neither_score_may_be_lower_on_the_same_pictures(judged, accuracy, macro_f1, passes):
    said = judged(card(accuracy, macro_f1), card())
    assert said.passes is passes
    assert f"on the same 100 test pictures: accuracy {accuracy:.4f} against 0.9000" in said.sentence


def test_other_classes_do_not_compare(judged):
    said = judged(card(labels=("a", "c")), card())
    assert not said.passes
    assert "names other classes than the live model (without b, with c)" in said.sentence
    assert "(in another order)" in judged(card(labels=("b", "a")), card()).sentence


def test_the_starter_holds_nobody_up(judged):
    said = judged(card(0.1), card(), live_artifact="starter")
    assert said.passes
    assert "there is nothing to compare" in said.sentence


def test_the_live_model_itself_passes(judged):
    assert judged(card(), card(), live_artifact=VERSION.artifact).sentence == "It is the model that is live."


def test_a_model_without_8_bits_does_not_come_where_8_bits_are_served(judged):
    bare = card(int8={"kept": False, "reason": "it lost 2 points"})
    said = judged(bare, card(), serving__precision="int8")
    assert not said.passes
    assert "no network in 8 bits (it lost 2 points)" in said.sentence
    assert judged(bare, card()).passes


@pytest.mark.parametrize(("live_accuracy", "passes"), [(0.85, True), (0.92, False)])
def test_of_other_pictures_the_live_model_is_scored_on_the_new_ones(judged, monkeypatch, live_accuracy, passes):
    found = {"samples": 40, "accuracy": live_accuracy, "macro_f1": 0.8}
    monkeypatch.setattr(gate, "_scored", lambda *_: found)
    said = judged(card(data="two"), card(accuracy=0.99))
    assert said.passes is passes
    assert f"same 40 test pictures: accuracy 0.9000 against {live_accuracy:.4f}" in said.sentence


def test_pictures_that_are_gone_hold_the_gate(judged, monkeypatch):
    monkeypatch.setattr(gate.LiveScore, "pictures_are_there", lambda _: False)
    said = judged(card(data="two"), card())
    assert not said.passes
    assert "any more (data.run_days = 30): train again" in said.sentence


def test_scores_that_nobody_knows_hold_the_gate(judged):
    unknown = replace(card(), metadata={**card().metadata, "metrics": {}})
    said = judged(unknown, card())
    assert not said.passes
    assert "no accuracy and no macro_f1 of both models" in said.sentence


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({}, "has no `labels`"),
        ({"labels": "ab"}, "has no `labels`"),
        ({"labels": ["a", 1]}, "has no `labels`"),
        ({"labels": ["a", "b"], "metrics": [1]}, "`metrics` is no object"),
        ({"labels": ["a", "b"], "metrics": {"test": 0.9}}, "`metrics.test` is no object"),
        ({"labels": ["a", "b"], "data": "s3://x"}, "`data` is no object"),
    ],
)
def test_a_model_json_of_somebody_elses_is_a_sentence(metadata, said):
    class S3:
        def get_object(self, Bucket, Key):
            if Key.endswith("evaluation.json"):
                raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
            return {"Body": io.BytesIO(json.dumps(metadata).encode())}

    with pytest.raises(OperatorError, match=f"model.json of s3://b/models/x/model.tar.gz.* {said}.*docs/artefact.md"):
        read_card(S3(), "s3://b/models/x/model.tar.gz")
