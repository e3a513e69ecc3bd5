"""`aws` on an instance: any operation of any API, and `aws s3` cp, sync, ls and rm. What it does not know it refuses.

AWS's own command line pins other versions of what this package needs, so that the two cannot be installed together.
"""

import argparse
import base64
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import botocore.session
import jmespath  # type: ignore[import-untyped]
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError
from botocore.utils import IMDSRegionProvider

FAILED, USAGE = 254, 252
GLOBAL = ("region", "output", "query", "endpoint-url", "cli-read-timeout", "cli-connect-timeout")
SWITCHES = ("no-cli-pager", "no-paginate", "no-verify-ssl", "debug")


class UsageError(Exception):
    """A sentence about what was typed."""


@dataclass(frozen=True)
class Options:
    region: str | None
    output: str
    query: str | None


def main(words: Sequence[str]) -> int:
    try:
        options, rest = _options(list(words))
        if len(rest) < 2:  # noqa: PLR2004 - a service and what it is to do
            raise UsageError("usage: aws [options] SERVICE OPERATION [parameters]")
        run = _s3 if rest[0] == "s3" else _operation
        run(options, rest)
    except UsageError as error:
        return _say(str(error), USAGE)
    except (BotoCoreError, ClientError, OSError) as error:
        return _say(str(error), FAILED)
    return 0


def _say(sentence: str, status: int) -> int:
    sys.stderr.write(f"\n{sentence}\n")
    return status


def _options(words: list[str]) -> tuple[Options, list[str]]:
    """They may stand anywhere on the line."""
    found, rest = {"output": os.environ.get("AWS_DEFAULT_OUTPUT", "json")}, []
    while words:
        word = words.pop(0)
        name, equals, value = word.removeprefix("--").partition("=")
        if word.startswith("--") and name in SWITCHES:
            continue
        if word.startswith("--") and name in GLOBAL:
            if not equals and not words:
                raise UsageError(f"aws: {word} needs a value.")
            found[name] = value if equals else words.pop(0)
        else:
            rest.append(word)
    if found["output"] not in ("json", "text"):
        raise UsageError(f"aws: the output {found['output']} is not available in the embedded AWS; json and text are.")
    return Options(found.get("region"), found["output"], found.get("query")), rest


def _client(service: str, options: Options) -> Any:  # noqa: ANN401 - botocore makes clients at run time
    session = boto3.Session()
    region = options.region or session.region_name or IMDSRegionProvider(botocore.session.Session()).provide()
    return session.client(service, region_name=region)


# --- operations of an API --------------------------------------------------------------------------------------------


def _operation(options: Options, words: list[str]) -> None:
    service, verb, *given = words
    if service not in botocore.session.Session().get_available_services():
        raise UsageError(f"aws: there is no service {service}.")
    client = _client(service, options)
    name = next((one for one in client.meta.service_model.operation_names if xform_name(one, "-") == verb), None)
    if name is None:
        raise UsageError(f"aws: {service} has no operation {verb}.")
    method = xform_name(name)
    params = _params(client.meta.service_model.operation_model(name).input_shape, given)
    if client.can_paginate(method):
        answer = client.get_paginator(method).paginate(**params).build_full_result()
    else:
        answer = getattr(client, method)(**params)
    answer.pop("ResponseMetadata", None)
    _print(jmespath.search(options.query, answer) if options.query else answer, options)


def _params(shape: Any, words: list[str]) -> dict[str, Any]:  # noqa: ANN401 - botocore is untyped
    members = {xform_name(name, "-"): (name, member) for name, member in (shape.members if shape else {}).items()}
    params: dict[str, Any] = {}
    while words:
        flag = words.pop(0)
        option, negated = flag.removeprefix("--"), False
        if option.startswith("no-") and option not in members:
            option, negated = option.removeprefix("no-"), True
        if not flag.startswith("--") or option not in members:
            raise UsageError(f"aws: unknown option: {flag}")
        values = []
        while words and not words[0].startswith("--"):
            values.append(words.pop(0))
        name, member = members[option]
        params[name] = (not negated) if member.type_name == "boolean" else _value(member, values, flag)
    return params


def _value(shape: Any, values: list[str], flag: str) -> Any:  # noqa: ANN401, PLR0911 - one return a kind of value
    if not values:
        raise UsageError(f"aws: {flag} needs a value.")
    text = values[0]
    try:
        if text.startswith("fileb://") and shape.type_name == "blob":
            # As it is, where every other blob comes in base64.
            return Path(text.removeprefix("fileb://")).read_bytes()
        if text.startswith(("file://", "fileb://")):
            text = Path(text.partition("://")[2]).read_text()
        match shape.type_name:
            case "integer" | "long":
                return int(text)
            case "float" | "double":
                return float(text)
            case "blob":
                return base64.b64decode(text)
            case "list" if not text.lstrip().startswith("["):
                return [_value(shape.member, [one], flag) for one in values]
            case "structure" | "map" if not text.lstrip().startswith("{"):
                return _shorthand(shape, text, flag)
            case "list" | "structure" | "map":
                return json.loads(text)
    except ValueError as error:
        raise UsageError(f"aws: {flag} {text}: {error}") from error
    return text


def _shorthand(shape: Any, text: str, flag: str) -> dict[str, Any]:  # noqa: ANN401 - botocore is untyped
    """Name=value,Other=a,b"""
    found: dict[str, list[str]] = {}
    name = ""
    for part in text.split(","):
        key, equals, value = part.partition("=")
        name = key if equals else name
        if not name:
            raise UsageError(f"aws: {flag} {text}: Name=value,... or JSON is expected.")
        found.setdefault(name, []).append(value if equals else part)
    return {
        name: values if _member(shape, name).type_name == "list" else _value(_member(shape, name), values, flag)
        for name, values in found.items()
    }


def _member(shape: Any, name: str) -> Any:  # noqa: ANN401 - botocore is untyped
    if shape.type_name == "map":
        return shape.value
    if name not in shape.members:
        raise UsageError(f"aws: {shape.name} has no member {name}.")
    return shape.members[name]


def _print(answer: Any, options: Options) -> None:  # noqa: ANN401 - JSON
    if options.output == "json":
        sys.stdout.write(f"{json.dumps(answer, indent=4, default=str)}\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in _text(answer))


def _text(answer: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    """Tab-separated, without names."""
    if isinstance(answer, dict):
        yield "\t".join(str(value) for value in answer.values() if not isinstance(value, dict | list))
        for value in answer.values():
            if isinstance(value, dict | list):
                yield from _text(value)
    elif isinstance(answer, list):
        if all(not isinstance(one, dict | list) for one in answer):
            yield "\t".join(str(one) for one in answer)
        else:
            for one in answer:
                yield from _text(one)
    else:
        yield str(answer)


# --- files and S3 ----------------------------------------------------------------------------------------------------


def _s3(options: Options, words: list[str]) -> None:
    verb, rest = words[1], words[2:]
    if verb not in ("cp", "sync", "ls", "rm"):
        raise UsageError(f"aws: s3 {verb} is not available in the embedded AWS; cp, sync, ls and rm are.")
    parser = argparse.ArgumentParser(prog=f"aws s3 {verb}", exit_on_error=False, add_help=False)
    for flag in ("quiet", "only-show-errors", "no-progress"):
        parser.add_argument(f"--{flag}", action="store_true")
    parser.add_argument("--delete" if verb == "sync" else "--recursive", action="store_true")
    parser.add_argument("places", nargs="*")
    given, unknown = parser.parse_known_args(rest)
    if unknown:
        raise UsageError(f"aws: unknown option of s3 {verb}: {' '.join(unknown)}")
    wanted = {"cp": 2, "sync": 2, "ls": 1, "rm": 1}[verb]
    if len(given.places) != wanted:
        raise UsageError(f"aws: s3 {verb} takes {wanted} places.")
    transfer = _Transfer(_client("s3", options), quiet=given.quiet or given.only_show_errors)
    if verb == "ls":
        transfer.show(given.places[0])
    elif verb == "rm":
        transfer.remove(given.places[0], recursive=given.recursive)
    elif verb == "sync" or given.recursive:
        transfer.folder(*given.places, newer_only=verb == "sync", delete=verb == "sync" and given.delete)
    else:
        transfer.file(*given.places)


class _Transfer:
    def __init__(self, client: Any, *, quiet: bool) -> None:  # noqa: ANN401 - botocore makes clients at run time
        self._client, self._quiet = client, quiet

    def file(self, source: str, target: str) -> None:
        match source.startswith("s3://"), target.startswith("s3://"):
            case True, False:
                bucket, key = _address(source)
                name = key.rsplit("/", 1)[-1]
                place = Path(target)
                self._download(bucket, key, place / name if place.is_dir() or target.endswith("/") else place)
            case False, True:
                bucket, key = _address(target)
                key = key + Path(source).name if not key or key.endswith("/") else key
                self._upload(Path(source), bucket, key)
            case True, True:
                (bucket, key), (into, name) = _address(source), _address(target)
                self._client.copy({"Bucket": bucket, "Key": key}, into, name or key.rsplit("/", 1)[-1])
                self._tell("copy", source, target)
            case _:
                raise UsageError("aws: one of the two places must be in S3.")

    def folder(self, source: str, target: str, *, newer_only: bool, delete: bool) -> None:
        if source.startswith("s3://") == target.startswith("s3://"):
            raise UsageError("aws: of folders, one must be in S3 and the other one here, in the embedded AWS.")
        down = source.startswith("s3://")
        bucket, prefix = _address(source if down else target)
        prefix = f"{prefix.rstrip('/')}/" if prefix else ""
        here = Path(target if down else source)
        kept = {one["Key"].removeprefix(prefix): one for one in self._listed(bucket, prefix)}
        kept = {name: one for name, one in kept.items() if name and not name.endswith("/")}
        files = {path.relative_to(here).as_posix(): path for path in sorted(here.rglob("*")) if path.is_file()}
        for name in kept if down else files:
            path = here / name
            if newer_only and name in kept and name in files and not _changed(kept[name], path, down=down):
                continue
            if down:
                self._download(bucket, prefix + name, path, kept[name]["LastModified"].timestamp())
            else:
                self._upload(path, bucket, prefix + name)
        if delete and down:
            for name in files.keys() - kept.keys():
                files[name].unlink()
        elif delete:
            for name in kept.keys() - files.keys():
                self._client.delete_object(Bucket=bucket, Key=prefix + name)

    def show(self, place: str) -> None:
        bucket, prefix = _address(place)
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
        for page in pages:
            for one in page.get("CommonPrefixes", []):
                sys.stdout.write(f"{'PRE':>30} {one['Prefix'].removeprefix(prefix)}\n")
            for one in page.get("Contents", []):
                name = one["Key"].rsplit("/", 1)[-1]
                sys.stdout.write(f"{one['LastModified']:%Y-%m-%d %H:%M:%S} {one['Size']:>10} {name}\n")

    def remove(self, place: str, *, recursive: bool) -> None:
        bucket, key = _address(place)
        keys = [one["Key"] for one in self._listed(bucket, key)] if recursive else [key]
        for name in keys:
            self._client.delete_object(Bucket=bucket, Key=name)
            self._tell("delete", f"s3://{bucket}/{name}")

    def _listed(self, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            yield from page.get("Contents", [])

    def _download(self, bucket: str, key: str, path: Path, modified: float | None = None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._client.download_file(bucket, key, str(path))
        if modified is not None:
            os.utime(path, (modified, modified))
        self._tell("download", f"s3://{bucket}/{key}", str(path))

    def _upload(self, path: Path, bucket: str, key: str) -> None:
        self._client.upload_file(str(path), bucket, key)
        self._tell("upload", str(path), f"s3://{bucket}/{key}")

    def _tell(self, what: str, *places: str) -> None:
        if not self._quiet:
            sys.stdout.write(f"{what}: {' to '.join(places)}\n")


def _address(place: str) -> tuple[str, str]:
    if not place.startswith("s3://"):
        raise UsageError(f"aws: {place} is no s3:// address.")
    found = urlsplit(place)
    return found.netloc, place.removeprefix(f"s3://{found.netloc}").lstrip("/")


def _changed(kept: dict[str, Any], path: Path, *, down: bool) -> bool:
    """Another size, or newer where it comes from; as `aws s3 sync` compares."""
    stat, modified = path.stat(), kept["LastModified"].timestamp()
    newer = int(modified) > int(stat.st_mtime) if down else int(stat.st_mtime) > int(modified)
    return bool(kept["Size"] != stat.st_size or newer)
