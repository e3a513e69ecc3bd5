"""The embedded AWS put together: MiniStack, what is added to it, and what is closed in it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from local import (
    alarm_formulas,
    billing,
    hardening,
    http_api_rules,
    identity_provider,
    interrupted,
    invoked_aliases,
    joints,
    joints_cloudformation,
    joints_cloudwatch,
    lifecycle,
    pass_role,
    rule_targets,
    session_limits,
    stack_permissions,
    template_properties,
    topics,
    web_identity,
)
from local.alarms import Alarms
from local.api_log import ApiLogs, watch_integrations
from local.api_metrics import ApiMetrics
from local.authority import KeyAuthority
from local.autoscaling import Autoscaling, is_scaled
from local.clock import Clock
from local.cloudformation import authority, autoscaling_types, sagemaker_types
from local.cloudtrail import trail_type
from local.cloudtrail.digest import Digests
from local.cloudtrail.recorder import Recorder
from local.codedeploy import types as codedeploy_types
from local.codedeploy.control_plane import codedeploy_service
from local.codedeploy.deployments import Deployments
from local.disk import Disk
from local.ec2 import images as ec2_images
from local.ec2 import networks
from local.ec2 import requests as ec2_requests
from local.ec2 import types as ec2_types
from local.ec2.instance_calls import InstanceCalls
from local.ec2.machines import Machines
from local.ec2.metrics import MachineMetrics
from local.ec2.spot import Interruptions
from local.embedded_metrics import EmbeddedMetrics
from local.images import ImageRegistry
from local.json_service import AwsError, HttpAnswer, JsonService, error_answer
from local.lambda_metrics import LambdaMetrics
from local.mail import Mail
from local.network import authorization, interfaces
from local.network.door import Door
from local.network.flow_records import FlowRecords
from local.object_check import ObjectCheck
from local.provisioned import ProvisionedConcurrency
from local.readings import Readings
from local.records import Scope
from local.registry_images import RegistryImages
from local.resource_tags import ResourceTags
from local.s3_access_log import AccessLog as S3AccessLog
from local.sagemaker.asynchronous import Queues, queue_of
from local.sagemaker.capacity import JOB_BYTES, Capacity, machine_bytes
from local.sagemaker.control_plane import hosting_service
from local.sagemaker.endpoints import Endpoints
from local.sagemaker.jobs import Jobs
from local.sagemaker.launch import Launcher
from local.sagemaker.metrics import InvocationMetrics
from local.sagemaker.model_packages import add_model_packages
from local.sagemaker.names import arn, not_available
from local.sagemaker.notebook_life import NotebookLife
from local.sagemaker.notebook_lifecycles import LifecycleConfigs
from local.sagemaker.notebook_machine import Ground
from local.sagemaker.notebook_types import notebook_types
from local.sagemaker.notebooks import Notebooks
from local.sagemaker.pipeline_type import pipeline_type
from local.sagemaker.pipelines import Pipelines
from local.sagemaker.processing import ProcessingJobs
from local.sagemaker.runtime import endpoint_of, invoke
from local.sagemaker.training import TrainingJobs
from local.sagemaker.transform import TransformJobs
from local.sagemaker.tuning import TuningJobs
from local.sandbox.guest.place import STATE
from local.scalable import AliasConcurrency, VariantConcurrency, VariantInstances
from local.scaler import Scalable, Scaler
from local.service_quotas import ServiceQuotas
from local.ssm.run_command import RunCommand
from local.stack_roles import StackRoles
from local.tls import Certificates

if TYPE_CHECKING:
    from local.server import Settings

INVOCATIONS_AT_ONCE = 256
AGE_EVERY_SECONDS = 3600
# As often as the quickest alarms are judged, by the clock of the embedded AWS.
SCALING_EVERY_SECONDS = 10
PROVISION_EVERY_SECONDS = 2
LOOK_EVERY_SECONDS = 1
DELIVER_LOGS_EVERY_SECONDS = 5
logger = logging.getLogger("embedded-aws")


class Assembly:
    """Made after the environment is set and before the gateway serves."""

    def __init__(self, settings: "Settings", url: str) -> None:
        certificates = Certificates(settings.home.tls)
        process_environment = {
            "AWS_ENDPOINT_URL": url,
            "AWS_REGION": settings.region,
            "AWS_DEFAULT_REGION": settings.region,
            "AWS_CA_BUNDLE": str(certificates.authority),
        }
        self.hosting = hosting_service()
        self.clock = Clock(settings.clock)
        # Whose processes theirs are is found by it, whatever session they lead.
        of_machines = {**process_environment, STATE: str(settings.home.folder)}
        self.notebooks = NotebookLife(
            self.hosting,
            settings.home,
            Ground(of_machines, settings.clock, certificates, settings.notebooks),
        )
        Notebooks(self.hosting, self.notebooks)
        LifecycleConfigs(self.hosting)
        images = ImageRegistry(settings.images)
        self.capacity = Capacity(machine_bytes())
        self.jobs = Jobs(self.hosting, images, settings.home.jobs, process_environment, self.clock, self.capacity)
        training = TrainingJobs(self.jobs)
        tuning = TuningJobs(self.jobs, training)
        for kind in (training, ProcessingJobs(self.jobs), tuning, TransformJobs(self.jobs, settings.launch_seconds)):
            self.jobs.add(kind)
        tuning.add_listing()
        add_model_packages(self.hosting)
        self.pipelines = Pipelines(self.hosting, self.jobs)
        self.scalable: dict[str, Scalable] = {
            "sagemaker:variant:DesiredInstanceCount": VariantInstances(self.hosting),
            "sagemaker:variant:DesiredProvisionedConcurrency": VariantConcurrency(self.hosting),
            "lambda:function:ProvisionedConcurrency": AliasConcurrency(),
        }
        self.autoscaling = Autoscaling(
            lambda scope, dimension, resource_id: self.scalable[dimension].exists(scope, resource_id), self.clock
        )
        self.alarms = Alarms(self.clock)
        self.scaler = Scaler(self.autoscaling.service.records, self.scalable, self.alarms, self.clock)
        self.autoscaling.registered = self.scaler.registered
        self.alarms.on_action = self.scaler.fired
        self.provisioned = ProvisionedConcurrency(self.clock)
        launcher = Launcher(images, settings.home.instances, process_environment, settings.launch_seconds, self.clock)
        self.endpoints = Endpoints(
            self.hosting,
            launcher,
            lambda scope, endpoint, variant: is_scaled(self.autoscaling.service, scope, endpoint, variant),
            InvocationMetrics(self.clock),
            self.clock,
            self.capacity,
        )
        self.queues = Queues(self.endpoints, self.clock)
        self.machines = Machines(settings.home.machines, of_machines, self.clock)
        self.interruptions = Interruptions(self.machines, self.clock)
        self.machine_metrics = MachineMetrics(self.machines, self.clock)
        self.run_command = RunCommand(self.machines, process_environment)
        self._invocations = ThreadPoolExecutor(INVOCATIONS_AT_ONCE, thread_name_prefix="invoke-endpoint")
        self._types_added = False
        self.roles = StackRoles(self._add_types)
        self.objects = ObjectCheck(settings.home)
        self.mail = Mail(settings.home.mail, url)
        self.readings = Readings(self.clock)
        self.api_logs = ApiLogs(ApiMetrics(self.readings))
        self.digests = Digests(self.clock)
        self.recorder = Recorder(self.digests)
        self.deployments = Deployments(codedeploy_service(), self.clock)
        self._install(settings, certificates, images)
        self.s3_access_log = S3AccessLog(joints.asgi())
        self.flow_records = FlowRecords()
        self.application = Door(self.s3_access_log, self.flow_records.saw)
        self._upkeep: list[asyncio.Task[None]] = []

    def _install(self, settings: "Settings", certificates: Certificates, images: ImageRegistry) -> None:
        """In MiniStack's places."""
        watch_integrations()
        hardening.install(certificates)
        authorization.install()
        networks.install()
        http_api_rules.install()
        self.api_logs.install()
        pass_role.install()
        topics.install()
        self.mail.install()
        rule_targets.install()
        self.alarms.install()
        EmbeddedMetrics(self.clock).install()
        self.provisioned.install()
        invoked_aliases.install()
        LambdaMetrics(self.readings).install()
        ec2_requests.install()
        ec2_images.publish()
        InstanceCalls(self.machines).install()
        ResourceTags(self.hosting).install()
        web_identity.install(settings.home.identity_keys)
        session_limits.install()
        joints.add_state("clock", self.clock)
        RegistryImages(images).install()
        quotas = ServiceQuotas(self.capacity.limit(JOB_BYTES))
        for service in (self.hosting, self.autoscaling.service, self.deployments.service, quotas.service):
            joints.add_service(service.name, service.target_prefix, self._handler(service), service.records)
        commands = self.run_command
        handler = self._handler(commands.service)
        joints.add_operations("run-command", commands.targets(), handler, commands.service.records)
        joints.add_state("stack_roles", self.roles.records)
        joints.wrap_handler("cloudformation", self.roles.handle)
        trail_type.install(self.digests)
        self.recorder.install()
        joints.add_state("cloudtrail_digests", self.digests.records)
        Disk(settings.home.objects).install()
        self.objects.install()

    def _add_types(self) -> None:
        """At the first use of CloudFormation: it imports forty services, which a start need not wait for."""
        if not self._types_added:
            self._types_added = True
            hardening.complete_cloudformation()
            stack_permissions.install(authority)
            template_properties.install()
            self.provisioned.complete_cloudformation()
            joints_cloudformation.know_update_policies()
            codedeploy_types.move_aliases_by_deployments(self.deployments)
            joints_cloudformation.add_resource_types(codedeploy_types.resource_types(self.deployments))
            joints_cloudformation.add_resource_types(sagemaker_types(self.hosting, self.endpoints))
            joints_cloudformation.add_resource_types({"AWS::SageMaker::Pipeline": pipeline_type(self.hosting)})
            joints_cloudformation.add_resource_types(autoscaling_types(self.autoscaling.service))
            joints_cloudformation.add_resource_types({"AWS::Budgets::Budget": billing.resource_type()})
            joints_cloudformation.add_resource_types({"AWS::IAM::OIDCProvider": identity_provider.resource_type()})
            joints_cloudformation.add_resource_types({"AWS::CloudTrail::Trail": trail_type.resource_type()})
            alarm_formulas.complete_cloudformation()
            joints_cloudformation.add_resource_types(ec2_types.resource_types())
            joints_cloudformation.add_resource_types(notebook_types(self.hosting))

    def _handler(self, service: JsonService) -> joints.Handler:
        async def handle(
            method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
        ) -> HttpAnswer:
            region = joints.region(headers, query)
            scope = Scope(joints.account(), region)
            authority = KeyAuthority(joints.access_key(headers, query), region)
            endpoint, waiting = (endpoint_of(path), queue_of(path)) if service is self.hosting else (None, None)
            if waiting is not None:
                return await asyncio.to_thread(self._leave, authority, scope, waiting, headers, body)
            if endpoint is None:
                target = headers.get("x-amz-target", "")
                return await asyncio.to_thread(service.answer, target, body, scope, authority)
            try:
                authority.require("sagemaker:InvokeEndpoint", arn(scope, "Endpoint", endpoint))
            except AwsError as error:
                return error_answer(error)
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._invocations, invoke, self.endpoints, scope, endpoint, headers, body)

        return handle

    def _leave(
        self, authority: KeyAuthority, scope: Scope, endpoint: str, headers: dict[str, str], body: bytes
    ) -> HttpAnswer:
        try:
            authority.require("sagemaker:InvokeEndpointAsync", arn(scope, "Endpoint", endpoint))
            if body:
                raise not_available("InvokeEndpointAsync with a body instead of an InputLocation")
        except AwsError as error:
            return error_answer(error)
        return self.queues.accept(scope, endpoint, headers)

    async def _scale(self) -> None:
        self.endpoints.publish_metrics()
        self.queues.publish()
        self.readings.publish()
        self.alarms.judge()
        self.scaler.tick()
        self.machine_metrics.publish()

    async def _age(self) -> None:
        now = datetime.now(UTC)
        joints_cloudwatch.expire_log_events(now.timestamp())
        await lifecycle.apply(now)

    async def _look(self) -> None:
        self.interruptions.look()
        self.mail.look()

    async def _provision(self) -> None:
        self.provisioned.fill()

    def resume(self) -> None:
        """On the loop, once state is read back."""
        self.objects.begin()
        interrupted.end(joints_cloudformation.restored_stacks())
        interfaces.forget()
        self._upkeep = [
            asyncio.create_task(_every(AGE_EVERY_SECONDS, self._age)),
            asyncio.create_task(_every(self.clock.pause(SCALING_EVERY_SECONDS), self._scale)),
            asyncio.create_task(_every(LOOK_EVERY_SECONDS, self._look)),
            asyncio.create_task(_every(PROVISION_EVERY_SECONDS, self._provision)),
            asyncio.create_task(_every(DELIVER_LOGS_EVERY_SECONDS, self.s3_access_log.deliver)),
            asyncio.create_task(_every(DELIVER_LOGS_EVERY_SECONDS, self.flow_records.deliver)),
            asyncio.create_task(_every(DELIVER_LOGS_EVERY_SECONDS, self.recorder.deliver)),
        ]
        self.endpoints.resume()
        self.machines.resume()
        self.notebooks.resume()
        self.run_command.resume()
        self.jobs.resume()
        self.pipelines.resume()
        self.deployments.resume()
        self.queues.start()

    def save(self) -> bool:
        """Whether all of it was."""
        self.api_logs.flush()
        return not joints.save_state()

    def stop(self) -> None:
        self.queues.stop()
        self.deployments.stop()
        self.pipelines.stop()
        self.run_command.stop()
        self.machines.stop()
        self.notebooks.close()
        self.jobs.stop()
        self.endpoints.stop()
        self._invocations.shutdown(wait=False, cancel_futures=True)


async def _every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await work()
        except Exception:
            # The next one may find better luck; a task that ended here would end unseen.
            logger.exception("upkeep failed")
        await asyncio.sleep(seconds)
