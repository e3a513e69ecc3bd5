"""A push in bad weather: slowed down, cut off, killed, interrupted. Nothing is lost, and next to nothing sent twice."""

import os
import random
import signal
import threading

import pytest
from botocore.exceptions import ClientError

from bench.data.bucket import DROP, EXPIRED, LOSE, SLOW_DOWN
from ops.data import wire
from ops.data.transfer import Pace
from ops.errors import NotReached
from ops.weather import sentence_of
from tests.ops.pushing import MANIFEST, bucket_in_memory, pushed, pushing, wait_for, written


@pytest.fixture
def bucket():
    with bucket_in_memory() as made:
        yield made


@pytest.fixture(autouse=True)
def _hurried(monkeypatch):
    monkeypatch.setattr(wire, "FIRST_WAIT_SECONDS", 0.01)


def is_whole(bucket, dataset):
    return bucket.objects.keys() == {MANIFEST, *(f"dataset/pets/{one.key}" for one in dataset.pictures)}


def is_of_a_picture(request):
    """What else is sent, boto3 itself tries again; not in these tests."""
    return request.method == "PUT" and request.key.endswith(".jpg")


@pytest.mark.parametrize("fault", [SLOW_DOWN, DROP, LOSE])
@pytest.mark.parametrize("part_bytes", [1000, 30])
def test_a_third_of_all_requests_fails_and_the_set_is_whole(bucket, tmp_path, fault, part_bytes):
    dataset = written(tmp_path, 20)
    bucket.faulty = lambda request, number: fault if is_of_a_picture(request) and number % 3 == 0 else None
    assert pushed(bucket, dataset, Pace(part_bytes=part_bytes)).sent == 20
    assert is_whole(bucket, dataset)
    assert bucket.uploads == {}


@pytest.mark.parametrize(
    ("fault", "said"), [(SLOW_DOWN, r"AWS slows us down \(SlowDown at PutObject\)"), (DROP, "AWS does not answer")]
)
def test_what_never_gets_through_is_a_sentence_and_no_manifest(bucket, tmp_path, monkeypatch, fault, said):
    monkeypatch.setattr(wire, "TRIES", 3)
    bucket.faulty = lambda request, _number: fault if request.method == "PUT" else None
    with pytest.raises(Exception) as raised:
        pushed(bucket, written(tmp_path))
    with pytest.raises(Exception, match=said):
        raise sentence_of(raised.value)
    assert MANIFEST not in bucket.objects


def test_a_token_that_expires_between_heads_is_named(bucket, tmp_path):
    """S3's answer to HEAD has no words."""
    dataset = written(tmp_path)
    pushed(bucket, dataset)
    del bucket.objects[MANIFEST]
    bucket.faulty = lambda request, _number: EXPIRED if request.key.endswith(".jpg") else None
    with pytest.raises(ClientError) as raised:
        pushed(bucket, dataset)
    with pytest.raises(NotReached, match="These AWS credentials have expired"):
        raise sentence_of(raised.value)


def killed_and_pushed_again(bucket, dataset, points, pace=None):
    """Bytes that were sent more often than once, a share of the set's, where all that was under way is lost."""
    bucket.latency_seconds, bucket.forgetful = 0.01, True
    for point in points:
        process = pushing(bucket, dataset, pace)
        wait_for(lambda point=point: bucket.received_bytes >= point * dataset.size)
        assert process.is_alive(), "it was done before it could be killed"
        process.kill()
        process.join()
        assert MANIFEST not in bucket.objects
    pushed(bucket, dataset, pace)
    assert is_whole(bucket, dataset)
    return (bucket.received_bytes - len(dataset.manifest) - dataset.size) / dataset.size


def test_killed_at_three_points_it_loses_nothing_and_repeats_less_than_a_hundredth_each_time(bucket, tmp_path):
    dataset = written(tmp_path, 500, 2000)
    assert killed_and_pushed_again(bucket, dataset, [0.1, 0.5, 0.9]) < 0.03


@pytest.mark.slow
def test_killed_amid_files_in_parts_it_repeats_no_more(bucket, tmp_path):
    dataset = written(tmp_path, 4, 30_000)
    assert killed_and_pushed_again(bucket, dataset, [0.2, 0.7], Pace(part_bytes=500)) < 0.02
    assert bucket.uploads == {}


@pytest.mark.slow
@pytest.mark.parametrize("part_bytes", [8_000_000, 5000])
def test_killed_at_many_points_it_repeats_less_than_a_hundredth_each_time(bucket, tmp_path, part_bytes):
    dataset = written(tmp_path, 5000, 10_000) if part_bytes > 10_000 else written(tmp_path, 20, 500_000)
    draws = random.Random(1)
    points = sorted(draws.uniform(0.0, 0.95) for _ in range(12))
    repeated = killed_and_pushed_again(bucket, dataset, points, Pace(part_bytes=part_bytes))
    print(f"{repeated:.4%} of the bytes again after {len(points)} kills")
    assert repeated < 0.01 * len(points)


def test_ctrl_c_lets_what_is_under_way_arrive_and_repeats_nothing(bucket, tmp_path):
    dataset = written(tmp_path, 300, 1000)
    bucket.latency_seconds = 0.002

    def press():
        wait_for(lambda: bucket.received_bytes > dataset.size / 3)
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=press)
    presser.start()
    with pytest.raises(KeyboardInterrupt):
        pushed(bucket, dataset)
    presser.join()
    there = len(bucket.objects)
    assert 90 < there < 300 and MANIFEST not in bucket.objects
    assert pushed(bucket, dataset).there == there
    assert bucket.received_bytes == dataset.size + len(dataset.manifest)
