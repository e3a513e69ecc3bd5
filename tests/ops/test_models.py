"""The registry's list: a model whose card is damaged, and one that has been taken away."""

import argparse
import io
import json
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from ops.models import listing
from ops.models.live import Live
from ops.models.registry import PENDING, Registry, Version
from ops.stage import Stage

# The first card is good, of the second nothing is there, and the third is no JSON.
DOCUMENTS = {"models/1/model.json": b'{"labels": ["a", "b"], "data": {"sha256": "d"}}', "models/3/model.json": b"{"}


class S3:
    def get_object(self, Bucket, Key):
        if Key not in DOCUMENTS:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"Body": io.BytesIO(DOCUMENTS[Key])}


def version(number):
    return Version(number, "arn", PENDING, f"s3://b/models/{number}/model.tar.gz", "2026-01-01", "", "", "", "", "")


@pytest.fixture
def models(monkeypatch, capsys):
    stage = SimpleNamespace(name="dev", client=lambda _: S3(), output=lambda *_: "b")
    monkeypatch.setattr(Stage, "open", lambda *_: stage)
    monkeypatch.setattr(Registry, "versions", lambda _: [version(3), version(2), version(1)])
    monkeypatch.setattr(listing, "live", lambda _: Live("endpoint", "config", "InService", "", ()))
    monkeypatch.setattr(listing, "places_of", lambda *_: {})
    monkeypatch.setattr(listing, "past", lambda _: [])

    def said(as_json):
        assert listing.run(argparse.Namespace(stage="dev", stages=None, json=as_json)) == 0
        return capsys.readouterr().out

    return said


def test_a_damaged_card_is_told_with_what_is_wrong_and_one_that_is_gone_is_not(models):
    good, gone, damaged = json.loads(models(as_json=True))["versions"][::-1]
    assert (good["fault"], good["data_sha256"]) == (None, "d")
    assert (gone["fault"], gone["data_sha256"]) == (None, None)
    assert "s3://b/models/3/model.json is no JSON document" in damaged["fault"]
    lines = models(as_json=False).splitlines()
    assert any(line.split()[:1] == ["3"] and "damaged" in line for line in lines)
    assert any(line.split()[:1] == ["2"] and "gone" in line for line in lines)
    told = [line for line in lines if " is damaged: " in line]
    assert told == [f"3 is damaged: {damaged['fault']}"]
