"""Pictures and manifest on their way into the bucket, in good weather."""

import json
from dataclasses import replace

import pytest

from bench.data.bucket import Object
from lambda_src.intake.manifest import read_manifest
from ops.data.push import missing, plan, refuse_another_set
from ops.data.transfer import Pace
from ops.errors import OperatorError, Refused
from tests.ops.pushing import MANIFEST, bucket_in_memory, picture, pushed, way_to, written
from training.data import data_sha256, labels_of, read_split


@pytest.fixture
def bucket():
    with bucket_in_memory() as made:
        yield made


@pytest.fixture
def dataset(tmp_path):
    return written(tmp_path)


def puts(bucket):
    return [key for method, key in bucket.seen if method == "PUT"]


def test_pictures_go_first_and_the_manifest_last(bucket, dataset):
    told = []
    found = pushed(bucket, dataset, tell=lambda files, size: told.append((files, size)))
    assert (found.sent, found.sent_bytes, found.there, found.deleted) == (8, 800, 0, 0)
    assert puts(bucket)[-1] == MANIFEST
    assert sorted(puts(bucket)[:-1]) == sorted(f"dataset/pets/{one.key}" for one in dataset.pictures)
    assert sum(files for files, _ in told) == 8 and sum(size for _, size in told) == 800


def test_intake_reads_the_manifest_that_a_push_writes(bucket, dataset):
    pushed(bucket, dataset)
    found = read_manifest(bucket.objects[MANIFEST].body, MANIFEST)
    assert (found.pictures, found.sha256) == (8, dataset.sha256)
    said = json.loads(bucket.objects[MANIFEST].body)
    assert (said["bytes"], said["classes"], said["splits"]) == (800, 2, {"train": 4, "valid": 2, "test": 2})


def test_the_hash_is_the_one_that_training_puts_into_a_model(dataset, tmp_path):
    splits = {name: read_split(tmp_path / name, labels_of(tmp_path / name)) for name in ("train", "valid", "test")}
    assert dataset.sha256 == data_sha256(splits)


def test_pushed_again_nothing_is_sent_and_no_picture_is_asked_about(bucket, dataset):
    pushed(bucket, dataset)
    bucket.seen.clear()
    found = pushed(bucket, dataset)
    assert (found.sent, found.there, found.manifest_written) == (0, 8, False)
    assert bucket.seen == [("GET", ""), ("GET", MANIFEST)]


def test_what_is_there_is_known_by_its_checksum_without_any_journal(bucket, dataset):
    pushed(bucket, dataset)
    del bucket.objects[MANIFEST]
    bucket.received_bytes = 0
    found = pushed(bucket, dataset)
    assert (found.sent, found.there) == (0, 8)
    assert bucket.received_bytes == len(dataset.manifest)


def test_a_changed_picture_goes_alone_and_the_old_manifest_before_it(bucket, dataset, tmp_path):
    pushed(bucket, dataset)
    changed = dataset.pictures[3].file
    changed.write_bytes(b"x" * 100)
    anew = replace(dataset, pictures=tuple(picture(one.file, one.key) for one in dataset.pictures))
    bucket.seen.clear()
    found = pushed(bucket, anew)
    assert (found.sent, found.there) == (1, 7)
    assert puts(bucket) == [f"dataset/pets/{dataset.pictures[3].key}", MANIFEST]
    methods = [method for method, _ in bucket.seen]
    assert methods.index("POST") < methods.index("PUT")


def test_an_object_that_was_changed_behind_the_manifest_is_put_right(bucket, dataset):
    pushed(bucket, dataset)
    key = f"dataset/pets/{dataset.pictures[0].key}"
    bucket.objects[key] = replace(bucket.objects[key], checksum="other", since=bucket.objects[MANIFEST].since + 5)
    found = pushed(bucket, dataset)
    assert (found.sent, found.there) == (1, 7)


def test_what_another_set_left_goes_and_what_is_of_others_stays(bucket, dataset):
    pushed(bucket, dataset)
    for key in ("dataset/pets/train/cow/1.jpg", "dataset/petshop/train/cow/1.jpg"):
        bucket.objects[key] = bucket.objects[MANIFEST]
    assert pushed(bucket, dataset).deleted == 1
    assert "dataset/pets/train/cow/1.jpg" not in bucket.objects
    assert "dataset/petshop/train/cow/1.jpg" in bucket.objects


def test_another_set_under_the_name_is_refused(bucket, dataset, tmp_path):
    pushed(bucket, dataset)
    other = replace(dataset, pictures=dataset.pictures[:1])
    shelf = way_to(bucket).shelf
    with pytest.raises(Refused, match="s3://bucket/dataset/pets/ holds another set: 7 of its pictures"):
        refuse_another_set(shelf, other, plan(shelf, other))
    more = replace(dataset, pictures=dataset.pictures[:5])
    refuse_another_set(shelf, more, plan(shelf, more))


def test_a_rehearsal_names_what_would_go_and_changes_nothing(bucket, dataset):
    pushed(bucket, dataset)
    bucket.objects.pop(MANIFEST)
    bucket.objects.pop(f"dataset/pets/{dataset.pictures[0].key}")
    bucket.seen.clear()
    way = way_to(bucket)
    assert missing(way, dataset, plan(way.shelf, dataset)) == [dataset.pictures[0]]
    assert {method for method, _ in bucket.seen} == {"GET", "HEAD"}


def test_large_files_go_in_parts_and_are_known_again(bucket, dataset):
    pace = Pace(part_bytes=30)
    assert pushed(bucket, dataset, pace).sent == 8
    assert len([key for key in puts(bucket) if key != MANIFEST]) == 8 * 4
    del bucket.objects[MANIFEST]
    assert pushed(bucket, dataset, pace).there == 8


def test_an_upload_in_parts_that_was_begun_goes_on_and_a_forgotten_one_is_taken_away(bucket, dataset):
    pace = Pace(part_bytes=30)
    pushed(bucket, dataset, pace)
    large = f"dataset/pets/{dataset.pictures[0].key}"
    content = dataset.pictures[0].file.read_bytes()
    client = way_to(bucket).shelf.s3
    client.create_multipart_upload(Bucket="bucket", Key="dataset/pets/forgotten.jpg")
    begun = client.create_multipart_upload(Bucket="bucket", Key=large)
    part = {"Bucket": "bucket", "Key": large, "UploadId": begun["UploadId"], "ChecksumAlgorithm": "SHA256"}
    client.upload_part(**part, PartNumber=2, Body=content[30:60])
    client.upload_part(**part, PartNumber=3, Body=b"what was there once")
    del bucket.objects[MANIFEST], bucket.objects[large]
    bucket.received_bytes = 0
    assert pushed(bucket, dataset, pace).sent_bytes == 70
    assert bucket.received_bytes == 70 + len(dataset.manifest)
    assert bucket.uploads == {}
    assert bucket.objects[large].checksum.endswith("-4")


def test_an_upload_in_parts_that_somebody_ends_is_a_sentence(bucket, dataset):
    def ended(request, _number):
        if request.query.get("partNumber") == "3":
            bucket.uploads.pop(request.query["uploadId"], None)

    bucket.faulty = ended
    with pytest.raises(OperatorError, match=r"The upload of .*\.jpg has been ended by somebody else: run the same"):
        pushed(bucket, dataset, Pace(part_bytes=30))
    assert MANIFEST not in bucket.objects


@pytest.mark.parametrize("name", ["a b.jpg", "Äffchen 猴.jpg", "100%+&?#.jpg", "~tilde'(1).jpg", "e\u0301.jpg"])
def test_names_arrive_as_they_are(bucket, tmp_path, name):
    file = tmp_path / name
    file.write_bytes(b"picture")
    one = replace(written(tmp_path, 1), pictures=(picture(file, f"train/a cat/{name}"),))
    for pace in (Pace(), Pace(part_bytes=3)):
        bucket.objects.clear()
        assert pushed(bucket, one, pace).sent == 1
        assert set(bucket.objects) == {MANIFEST, f"dataset/pets/train/a cat/{name}"}
        assert plan(way_to(bucket).shelf, one).nothing_to_do


@pytest.mark.parametrize("part_bytes", [1000, 30])
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda file: file.write_bytes(b"x" * 100), "has changed since it was checked"),
        (lambda file: file.write_bytes(b"longer" * 100), "has changed since it was checked"),
        (lambda file: file.unlink(), "has gone since it was checked"),
        (lambda file: (file.unlink(), file.mkdir()), r"cannot be read \(Is a directory\)"),
    ],
)
def test_a_file_that_is_no_longer_what_was_looked_at_ends_the_push(bucket, dataset, spoil, said, part_bytes):
    spoil(dataset.pictures[5].file)
    with pytest.raises(OperatorError, match=f"5.jpg {said}"):
        pushed(bucket, dataset, Pace(part_bytes=part_bytes))
    assert MANIFEST not in bucket.objects


def test_two_pushes_at_once_make_no_manifest(bucket, dataset):
    def meanwhile(request, _number):
        if request.method == "PUT":
            bucket.objects["dataset/pets/train/cow/1.jpg"] = next(iter(bucket.objects.values()), None) or stranger

    stranger = Object(1, None, 0.0)
    bucket.faulty = meanwhile
    with pytest.raises(OperatorError, match="Somebody else has changed s3://bucket/dataset/pets/ meanwhile"):
        pushed(bucket, dataset)
    assert MANIFEST not in bucket.objects


def test_a_linked_file_is_sent_as_what_it_leads_to(bucket, tmp_path, dataset):
    link = tmp_path / "link.jpg"
    link.symlink_to(dataset.pictures[0].file)
    linked = replace(dataset, pictures=(picture(link, "train/cat/link.jpg"),))
    assert pushed(bucket, linked).sent_bytes == 100
