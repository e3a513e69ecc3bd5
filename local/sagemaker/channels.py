"""A training job's channels: objects of S3 as files below input/data, and what the request may not ask for."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from local.records import Document
from local.sagemaker.host import Host
from local.sagemaker.jobs import JobFailed
from local.sagemaker.names import not_available, validation
from local.sagemaker.store import Store, TransferFailed

UNAVAILABLE_SOURCE = ("FileSystemDataSource", "DatasetSource")
UNAVAILABLE_S3 = ("AttributeNames", "InstanceGroupNames", "ModelAccessConfig", "HubAccessConfig")


def refuse(channels: list[Document], input_mode: str) -> None:
    names = [channel["ChannelName"] for channel in channels]
    if len(set(names)) != len(names):
        raise validation(f"Channel names must be unique within one job, not {names}.")
    for fault in [fault for channel in channels for fault in _faults(channel, input_mode)]:
        raise not_available(f"A channel with {fault}")


def _faults(channel: Document, input_mode: str) -> Iterator[str]:
    source = channel["DataSource"]
    yield from [name for name in UNAVAILABLE_SOURCE if source.get(name)]
    s3 = source.get("S3DataSource", {})
    if s3.get("S3DataType", "S3Prefix") != "S3Prefix":
        yield f"S3DataType {s3['S3DataType']}"
    yield from [name for name in UNAVAILABLE_S3 if s3.get(name)]
    if (channel.get("InputMode") or input_mode) == "Pipe":
        yield "InputMode Pipe"
    if channel.get("CompressionType", "None") != "None":
        yield f"CompressionType {channel['CompressionType']}"
    if channel.get("RecordWrapperType", "None") != "None":
        yield f"RecordWrapperType {channel['RecordWrapperType']}"
    if channel.get("ShuffleConfig"):
        yield "ShuffleConfig"


def bring(channels: list[Document], hosts: list[Host], store: Store) -> None:
    for channel in channels:
        source = channel["DataSource"]["S3DataSource"]
        folders = [host.base / "input" / "data" / channel["ChannelName"] for host in hosts]
        distribute(source["S3Uri"], folders, store, sharded=source.get("S3DataDistributionType") == "ShardedByS3Key")


def distribute(uri: str, folders: Sequence[Path], store: Store, *, sharded: bool) -> None:
    """To each instance's folder everything, or its share of the objects."""
    try:
        keys = store.keys(uri)
        if not keys:
            raise TransferFailed(f"No S3 objects found under S3 URL {uri}")
        for number, folder in enumerate(folders):
            store.fetch(uri, folder, keys[number :: len(folders)] if sharded else keys)
    except TransferFailed as error:
        raise JobFailed(f"ClientError: Data download failed: {error}.") from error


def as_file(channels: list[Document], input_mode: str) -> str:
    """inputdataconfig.json"""
    return json.dumps(
        {
            channel["ChannelName"]: {
                "TrainingInputMode": channel.get("InputMode") or input_mode,
                "S3DistributionType": channel["DataSource"]["S3DataSource"].get(
                    "S3DataDistributionType", "FullyReplicated"
                ),
                "RecordWrapperType": "None",
                **({"ContentType": channel["ContentType"]} if channel.get("ContentType") else {}),
            }
            for channel in channels
        }
    )
