"""Serverless variants: no process until a request needs one, one request at a time in each, and an end after a lull."""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from local import process_group
from local.clock import Clock
from local.json_service import AwsError
from local.records import Document
from local.sagemaker.fleet import DRAIN_SECONDS, VariantFleet, retire
from local.sagemaker.instance import Instance, LaunchFailed
from local.sagemaker.metrics import Invocation
from local.sagemaker.names import validation

# By the clock of the embedded AWS; AWS does not say how long an environment waits for its next request.
LULL_SECONDS = 600.0
# AWS gives up on a model that is not ready by then.
COLD_START_SECONDS = 180.0
MEMORY_STEP_MB = 1024
CONFIG_EXCLUDES = ("AsyncInferenceConfig", "ShadowProductionVariants")
VARIANT_EXCLUDES = ("InstanceType", "InitialInstanceCount")
MODEL_EXCLUDES = ("VpcConfig", "EnableNetworkIsolation")

logger = logging.getLogger("embedded-aws.sagemaker")


class Throttled(AwsError):
    """As many requests are under way as the variant may have."""

    def __init__(self, variant: str, limit: int) -> None:
        message = f"Variant {variant} already works on {limit} request(s), its MaxConcurrency; try again."
        super().__init__("ThrottlingException", message, 429)


@dataclass(kw_only=True)
class Environments(VariantFleet):
    """One serverless variant; `wanted` is its provisioned concurrency, the environments that no lull ends."""

    body_limit_bytes: ClassVar[int] = 4 * 1024 * 1024
    config: Document
    clock: Clock
    _working: int = 0
    _leased: set[str] = field(default_factory=set)
    _used: dict[str, float] = field(default_factory=dict)
    _closed: bool = False
    _handed_over: bool = False

    def __post_init__(self) -> None:
        self._released = threading.Condition(self.lock)

    def stand_up(self, count: int) -> None:
        """A model that cannot be stood up fails its endpoint, also where nothing is to stay warm."""
        if count == 0:
            retire([self.launch()], drain_seconds=0)
        self.resize(count)

    def resize(self, count: int) -> None:
        """At least so many from now on; what is there beyond them ends by its lull."""
        with self.lock:
            before, self.wanted = self.wanted, count
            missing = count - len(self.instances)
        if missing > 0:
            try:
                self._add(missing)
            except LaunchFailed:
                self.wanted = before
                raise

    def memory_percents(self) -> list[float]:
        """Of the memory that each environment is given, what its processes have."""
        with self.lock:
            living, given_kib = [one.pid for one in self.instances if one.alive()], self.config["MemorySizeInMB"] * 1024
        return [100 * process_group.tree_memory_kib(pid) / given_kib for pid in living]

    def reconfigure(self, config: Document) -> None:
        self.resize(provisioned(config))
        with self.lock:
            self.config = config

    @contextlib.contextmanager
    def lease(self, tried: set[str], seen: Invocation) -> Iterator[Instance | None]:
        """An environment that nobody else has meanwhile, launched if none is free."""
        if not self._admit(seen):
            yield None
            return
        instance = None
        try:
            instance = self._free(tried) or self._cold_start(seen)
            yield instance
        finally:
            with self._released:
                self._working -= 1
                if instance is not None:
                    self._leased.discard(instance.name)
                    self._used[instance.name] = self.clock.now()
                self._released.notify_all()

    def _admit(self, seen: Invocation) -> bool:
        with self.lock:
            if self._closed:
                return False
            limit = self.config["MaxConcurrency"]
            if self._working >= limit:
                raise Throttled(self.name, limit)
            self._working += 1
            seen.share_of_concurrency = self._working / limit
            seen.at_once, seen.provisioned = self._working, self.wanted
            return True

    def _free(self, tried: set[str]) -> Instance | None:
        with self.lock:
            able = [one for one in self._idle() if one.name not in tried and one.alive()]
            # The one used last, so that the lull of the others goes on.
            chosen = able[-1] if able else None
            if chosen is not None:
                self._leased.add(chosen.name)
            return chosen

    def _idle(self) -> list[Instance]:
        """Those that were not used for longest come first."""
        free = [one for one in self.instances if one.name not in self._leased]
        return sorted(free, key=lambda one: self._used.get(one.name, 0.0))

    def _cold_start(self, seen: Invocation) -> Instance:
        began = time.monotonic()
        try:
            instance = self.launch()
        except LaunchFailed as error:
            logger.warning("Variant %s could not start for a request: %s", self.name, error)
            raise AwsError("ServiceUnavailable", str(error), 503) from error
        seen.setup_seconds = time.monotonic() - began
        with self.lock:
            late = self._handed_over
            if not late:
                self._leased.add(instance.name)
                self.instances.append(instance)
        if late:
            # Nobody else knows of it any more.
            retire([instance], drain_seconds=0)
            raise AwsError("ServiceUnavailable", f"Variant {self.name} ended during the start.", 503)
        return instance

    def tend(self) -> None:
        super().tend()
        with self.lock:
            surplus = max(0, len(self.instances) - self.wanted)
            before = self.clock.now() - LULL_SECONDS
            ending = [one for one in self._idle()[:surplus] if self._used.get(one.name, 0.0) <= before]
            self.instances = [one for one in self.instances if one not in ending]
            self._used = {one.name: self._used[one.name] for one in self.instances if one.name in self._used}
        retire(ending)

    def close(self, drain_seconds: float = DRAIN_SECONDS) -> list[Instance]:
        """What waits for a cold start is still served."""
        with self._released:
            self._closed = True
            self._released.wait_for(lambda: self._working == 0, drain_seconds)
            self._handed_over = True
            return super().close(drain_seconds)


def provisioned(config: Document) -> int:
    return int(config.get("ProvisionedConcurrency") or 0)


def is_serverless(deployment: Document) -> bool:
    return any(variant.get("ServerlessConfig") for variant in deployment["Variants"])


def refuse_concurrency(variant: str, config: Document) -> None:
    if provisioned(config) > config["MaxConcurrency"]:
        raise validation(
            f"ProvisionedConcurrency of variant {variant} is {provisioned(config)}, above its MaxConcurrency "
            f"{config['MaxConcurrency']}."
        )


def refuse_config(params: Document, variant: Document, model: Document) -> None:
    """What AWS does not do for a serverless endpoint."""
    name, config = variant["VariantName"], variant["ServerlessConfig"]
    if config["MemorySizeInMB"] % MEMORY_STEP_MB:
        raise validation(
            f"MemorySizeInMB of variant {name} is {config['MemorySizeInMB']}; it goes from 1024 to 6144 in steps of "
            f"{MEMORY_STEP_MB}."
        )
    refuse_concurrency(name, config)
    container = model.get("PrimaryContainer") or {}
    excluded = [
        *(member for member in CONFIG_EXCLUDES if params.get(member)),
        *(["DataCaptureConfig"] if (params.get("DataCaptureConfig") or {}).get("EnableCapture") else []),
        *(["several production variants"] if len(params["ProductionVariants"]) > 1 else []),
        *(member for member in VARIANT_EXCLUDES if variant.get(member)),
        *(f"{member} of its model" for member in MODEL_EXCLUDES if model.get(member)),
        *(["ModelDataSource of its model"] if container.get("ModelDataSource") else []),
    ]
    if excluded:
        raise validation(f"Variant {name} has a ServerlessConfig, which does not go with {', '.join(excluded)}.")
