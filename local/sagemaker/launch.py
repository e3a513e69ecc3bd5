"""From an endpoint config's variant to running instances: role, image pull, model data, process, ping."""

import shutil
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.authority import CannotAssume, Credentials, assume_role
from local.clock import Clock
from local.images import Image, ImageRegistry
from local.network.interfaces import CannotPlug, Placement, plug
from local.records import Document, Scope
from local.sagemaker.artefact import fetch, s3_client, unpack
from local.sagemaker.container_log import ContainerLog
from local.sagemaker.fleet import Fleet, VariantFleet
from local.sagemaker.instance import Instance, LaunchFailed
from local.sagemaker.keys import require_usable
from local.sagemaker.launches import Launches
from local.sagemaker.names import SERVICE_PRINCIPAL, arn, log_group
from local.sagemaker.pull import pull
from local.sagemaker.role_client import role_client
from local.sagemaker.serverless import COLD_START_SECONDS, Environments, provisioned


@dataclass(frozen=True)
class Launcher:
    """What every launch needs: the image registry, a folder, the gateway's address for processes, the ping's limit."""

    images: ImageRegistry
    folder: Path
    gateway: Mapping[str, str]
    launch_seconds: float
    clock: Clock
    launches: Launches = field(default_factory=Launches)

    def fleet(self, scope: Scope, endpoint: str, deployment: Document) -> Fleet:
        """Every variant with its instances in service, or LaunchFailed and nothing left running."""
        fleet = Fleet({})
        try:
            for variant in deployment["Variants"]:
                prepared = self._variant(scope, endpoint, variant, deployment.get("KmsKeyId"))
                fleet.variants[prepared.name] = prepared
                prepared.stand_up(capacity(variant))
        except BaseException:
            fleet.stop(drain_seconds=0)
            raise
        fleet.watch()
        return fleet

    def _variant(self, scope: Scope, endpoint: str, variant: Document, key: str | None) -> VariantFleet:
        model, name = variant["Model"], variant["VariantName"]
        role, container = model["ExecutionRoleArn"], model["PrimaryContainer"]
        isolated = model.get("EnableNetworkIsolation", False)

        def launch() -> Instance:
            require_usable(scope, key)
            credentials = self._credentials(scope, endpoint, role)
            image = self._pull(scope, container["Image"], credentials)
            folder = self.folder / endpoint / f"{name}-{uuid.uuid4().hex[:12]}"
            (folder / "ml" / "model").mkdir(parents=True)
            environment = container.get("Environment", {})
            instance = Instance(
                f"i-{folder.name[-12:]}", name, image, folder, environment, sys.executable, isolated=isolated
            )
            instance.delivery = ContainerLog(
                instance.log,
                log_group(endpoint),
                f"{name}/{instance.name}",
                lambda: role_client("logs", credentials, self.gateway, read_seconds=5),
            )
            try:
                inside = self._plug_in(scope, endpoint, role, credentials, model, instance)
                if not isolated:
                    # An isolated container reaches nothing, so that it gets nobody's credentials either.
                    instance.environment = {**environment, **self.gateway, **inside.environment()}
                self._model_data(container, role, inside, folder)
                self.launches.start(instance)
                instance.wait_healthy(self._limit(variant))
            except BaseException as error:
                log = instance.log.read_bytes() if instance.log.exists() else b""
                instance.stop(grace_seconds=1)
                self._keep_log(endpoint, name, log)
                if instance.plugged is not None and (stopped := instance.plugged.why_stopped()):
                    raise LaunchFailed(f"{error} [network: {stopped}]") from error
                raise
            return instance

        routing = variant.get("RoutingConfig", {}).get("RoutingStrategy")
        weight = float(variant.get("InitialVariantWeight", 1.0))
        serverless = variant.get("ServerlessConfig")
        if serverless:
            return Environments(name, launch, weight, config=serverless, clock=self.clock)
        return VariantFleet(name, launch, weight, least_outstanding=routing == "LEAST_OUTSTANDING_REQUESTS")

    def _limit(self, variant: Document) -> float:
        asked = variant.get("ContainerStartupHealthCheckTimeoutInSeconds")
        longest = min(self.launch_seconds, COLD_START_SECONDS) if "ServerlessConfig" in variant else self.launch_seconds
        return min(longest, float(asked)) if asked else longest

    def _credentials(self, scope: Scope, endpoint: str, role: str) -> Credentials:
        try:
            return assume_role(scope, role, SERVICE_PRINCIPAL, "SageMaker", arn(scope, "Endpoint", endpoint))
        except CannotAssume as error:
            raise LaunchFailed(f"Unable to assume the model's execution role: {error}.") from error

    def _plug_in(  # noqa: PLR0917 - who, and where
        self,
        scope: Scope,
        endpoint: str,
        role: str,
        outside: Credentials,
        model: Document,
        instance: Instance,
    ) -> Credentials:
        """For the container and its model, which are in the model's VPC, if it names one; logs and images are not."""
        placement = Placement.of(model.get("VpcConfig"))
        if placement is None:
            return outside
        credentials = self._credentials(scope, endpoint, role)
        try:
            instance.plugged = plug(scope, placement, credentials, arn(scope, "Endpoint", endpoint))
        except CannotPlug as error:
            raise LaunchFailed(f"The model has no network interface in its VPC: {error}.") from error
        return credentials

    def _pull(self, scope: Scope, uri: str, credentials: Credentials) -> Image:
        image = pull(self.images, uri, credentials, own_account=scope.account)
        if not image.command:
            raise LaunchFailed(
                f"The image '{uri}' serves nothing: its entry in the image registry file has no command."
            )
        return image

    def _model_data(self, container: Document, role: str, credentials: Credentials, folder: Path) -> None:
        source = container.get("ModelDataSource", {}).get("S3DataSource", {}).get("S3Uri")
        url = container.get("ModelDataUrl") or source
        if not url:
            return
        archive = folder / "model.tar.gz"
        fetch(url, role, s3_client(credentials, self.gateway), archive)
        unpack(archive, folder / "ml" / "model")
        archive.unlink()

    def _keep_log(self, endpoint: str, variant: str, log: bytes) -> None:
        """What a failed launch said outlives it: the FailureReason names this file."""
        if log:
            target = self.folder / endpoint / f"{variant}-failed.log"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(log)

    def forget(self, endpoint: str) -> None:
        shutil.rmtree(self.folder / endpoint, ignore_errors=True)


def capacity(variant: Document) -> int:
    """The processes that it begins with."""
    serverless = variant.get("ServerlessConfig")
    return provisioned(serverless) if serverless else int(variant["InitialInstanceCount"])
