"""Pictures and manifest on their way into the bucket."""

import io
import json

import pytest
from botocore.exceptions import ClientError

from ops.dataset import is_pushed, push, read
from ops.errors import OperatorError


class Bucket:
    """Objects in memory, as far as a data set needs S3, in the order in which they came."""

    def __init__(self, **objects):
        self.objects = dict(objects)

    def get_object(self, Bucket, Key):
        if Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": ""}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[Key])}

    def put_object(self, Bucket, Key, Body):
        self.objects.pop(Key, None)
        self.objects[Key] = Body

    def delete_object(self, Bucket, Key):
        del self.objects[Key]

    def get_paginator(self, name):
        return self

    def paginate(self, Bucket, Prefix):
        self.listed = [key for key in self.objects if key.startswith(Prefix)]
        return self

    def search(self, expression):
        return self.listed


@pytest.fixture
def folder(tmp_path):
    for split in ("train", "valid", "test"):
        for label in ("cat", "dog"):
            place = tmp_path / split / label
            place.mkdir(parents=True)
            (place / f"{split}.jpg").write_bytes(f"{split} {label}".encode())
    (tmp_path / "notes.txt").write_text("not a picture")
    return tmp_path


def test_pictures_go_first_and_the_manifest_last(folder):
    bucket, shown = Bucket(), []
    push(bucket, "b", read(folder, "pets"), shown.append)
    keys = list(bucket.objects)
    assert len(keys) == 7 and keys[-1] == "dataset/pets/manifest.json"
    assert bucket.objects["dataset/pets/train/cat/train.jpg"] == b"train cat"
    manifest = json.loads(bucket.objects[keys[-1]])
    assert (manifest["format"], manifest["pictures"], len(manifest["sha256"])) == (1, 6, 64)
    assert shown == [1, 2, 3, 4, 5, 6]


def test_a_set_counts_as_pushed_until_one_of_its_pictures_changes(folder):
    bucket = Bucket()
    assert not is_pushed(bucket, "b", read(folder, "pets"))
    push(bucket, "b", read(folder, "pets"), lambda count: None)
    assert is_pushed(bucket, "b", read(folder, "pets"))
    (folder / "train" / "cat" / "train.jpg").write_bytes(b"another cat")
    assert not is_pushed(bucket, "b", read(folder, "pets"))


def test_what_another_set_left_under_the_name_goes(folder):
    bucket = Bucket(**{"dataset/pets/train/cow/1.jpg": b"", "dataset/petshop/train/cow/1.jpg": b""})
    push(bucket, "b", read(folder, "pets"), lambda count: None)
    assert "dataset/pets/train/cow/1.jpg" not in bucket.objects
    assert "dataset/petshop/train/cow/1.jpg" in bucket.objects


def test_examples_are_pictures_that_training_does_not_see(folder):
    assert {label: path.parts[-3:] for label, path in read(folder, "pets").examples().items()} == {
        "cat": ("test", "cat", "test.jpg"),
        "dog": ("test", "dog", "test.jpg"),
    }


@pytest.mark.parametrize(("name", "sentence"), [("nowhere", "is no folder"), ("test", "holds no images")])
def test_a_folder_without_pictures_is_a_sentence(folder, name, sentence):
    for picture in (folder / "test").rglob("*.jpg"):
        picture.unlink()
    with pytest.raises(OperatorError, match=sentence):
        read(folder / name, "pets")
