"""Every notebook instance as it is started, stopped and deleted, and up again with the embedded AWS."""

import functools
import logging
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from local import joints
from local.home import Home
from local.json_service import JsonService, now
from local.records import Document, Scope
from local.sagemaker.instance import LaunchFailed
from local.sagemaker.keys import require_usable
from local.sagemaker.names import SERVICE_PRINCIPAL, arn
from local.sagemaker.notebook_machine import Ground, NotebookMachine, ScriptFailed
from local.sandbox.turns import Turns

logger = logging.getLogger("embedded-aws.notebooks")
KIND, LIFECYCLE = "NotebookInstance", "NotebookInstanceLifecycleConfig"
# What its processes have until SIGKILL when a notebook stops, and when the whole embedded AWS does.
GRACE_SECONDS, CLOSING_SECONDS = 20.0, 5.0
# Of an instance that was taken away in mid-change, what it goes on as.
RESUMED = {"Stopping": "Stopped", "Updating": "Stopped"}


class NotebookLife:
    """Changes go one after the other for each instance, in threads; the record says how far it is."""

    def __init__(self, service: JsonService, home: Home, ground: Ground) -> None:
        self._service, self._home, self._ground = service, home, ground
        self._machines: dict[tuple[Scope, str], NotebookMachine] = {}
        self._turns: dict[tuple[Scope, str], Turns] = {}
        self._lock = threading.Lock()
        self._closing = False

    # --- what SageMaker's calls ask for ------------------------------------------------------------------------------

    def start(self, scope: Scope, name: str) -> None:
        self._change(scope, name, "Pending", self._bring_up)

    def stop(self, scope: Scope, name: str) -> None:
        self._change(scope, name, "Stopping", self._take_down)

    def delete(self, scope: Scope, name: str) -> None:
        self._change(scope, name, "Deleting", self._end)

    def updated(self, scope: Scope, name: str) -> None:
        self._change(scope, name, "Updating", lambda machine: self._settle(machine, "Stopped"))

    def open(self, scope: Scope, name: str) -> str:
        """Where its Jupyter is; jupyter.NoJupyter says why there is none."""
        return self._machine(scope, name).open()

    # --- with the embedded AWS ---------------------------------------------------------------------------------------

    def resume(self) -> None:
        """What ran when the embedded AWS stopped starts again, as after a start of its own."""
        known = {(scope, name): document for scope, name, document in self._service.records.everywhere(KIND)}
        kept = {self._folder(scope, name) for scope, name in known}
        for folder in self._home.notebooks.iterdir():
            if folder not in kept:
                shutil.rmtree(folder, ignore_errors=True)
        for (scope, name), document in known.items():
            match document["NotebookInstanceStatus"]:
                case "Pending" | "InService":
                    self.start(scope, name)
                case "Deleting":
                    self.delete(scope, name)
                case status if status in RESUMED:
                    self._settle(self._machine(scope, name), RESUMED[status])

    def close(self) -> None:
        """Their processes end; the records stay as they are."""
        self._closing = True
        with self._lock:
            machines = list(self._machines.values())
        ending = [threading.Thread(target=one.halt, args=(CLOSING_SECONDS,), daemon=True) for one in machines]
        for thread in ending:
            thread.start()
        for thread in ending:
            thread.join()

    # --- what happens in the background ------------------------------------------------------------------------------

    def _machine(self, scope: Scope, name: str) -> NotebookMachine:
        with self._lock:
            if (scope, name) not in self._machines:
                read = functools.partial(self._record, scope, name)
                folder = self._folder(scope, name)
                self._machines[scope, name] = NotebookMachine(scope, name, folder, self._ground, read)
            return self._machines[scope, name]

    def _folder(self, scope: Scope, name: str) -> Path:
        return self._home.notebook(scope.account, scope.region, name)

    def _record(self, scope: Scope, name: str) -> Document:
        return self._service.records.get(scope, KIND, name) or {}

    def _change(self, scope: Scope, name: str, meanwhile: str, work: Callable[[NotebookMachine], None]) -> None:
        machine = self._machine(scope, name)
        self._settle(machine, meanwhile)

        self._next(machine, work)

    def _next(self, machine: NotebookMachine, work: Callable[[NotebookMachine], None]) -> None:
        def run() -> None:
            with joints.scope(machine.place.account, machine.place.region):
                if not self._closing:
                    work(machine)

        with self._lock:
            turns = self._turns.setdefault((machine.place, machine.identity), Turns(f"notebook-{machine.identity}"))
        turns.add(run)

    def _bring_up(self, machine: NotebookMachine) -> None:
        record = self._record(machine.place, machine.identity)
        role = record["RoleArn"]
        try:
            require_usable(machine.place, record.get("KmsKeyId"))
            if machine.role_keys() is None:
                raise ScriptFailed(f"The role {role} does not exist, or does not let {SERVICE_PRINCIPAL} assume it.")
            first = machine.boot()
            self._run_scripts(machine)
        except (LaunchFailed, ScriptFailed, OSError) as error:
            if not self._closing:
                logger.warning("Notebook instance %s: %s", machine.identity, error)
                machine.halt(0.0)
                self._settle(machine, "Failed", str(error))
            return
        self._settle(machine, "InService")
        threading.Thread(target=self._watch, args=(machine, first), daemon=True, name=f"watch-{first.pid}").start()

    def _run_scripts(self, machine: NotebookMachine) -> None:
        """As the configuration is now; OnCreate until it has once ended well."""
        record = self._record(machine.place, machine.identity)
        name = record.get(f"{LIFECYCLE}Name")
        found = self._service.records.get(machine.place, LIFECYCLE, name) if name else None
        for hook in ("OnCreate", "OnStart"):
            if hook == "OnCreate" and record.get("_created", True):
                continue
            for script in (found or {}).get(hook, []):
                machine.run_script(hook, script["Content"], arn(machine.place, LIFECYCLE, str(name)))
            if hook == "OnCreate":
                with self._service.records.edit(machine.place, KIND, machine.identity) as document:
                    document["_created"] = True

    def _watch(self, machine: NotebookMachine, first: "subprocess.Popen[bytes]") -> None:
        """One that goes down by itself is of no use any more."""
        first.wait()

        def fail(machine: NotebookMachine) -> None:
            if machine.is_up_by(first):
                machine.halt(0.0)
                self._settle(machine, "Failed", "The notebook instance went down by itself.")

        self._next(machine, fail)

    def _take_down(self, machine: NotebookMachine) -> None:
        machine.halt(GRACE_SECONDS)
        self._settle(machine, "Stopped")

    def _end(self, machine: NotebookMachine) -> None:
        machine.halt(0.0)
        machine.forget()
        records, scope, name = self._service.records, machine.place, machine.identity
        records.remove(scope, "Tags", arn(scope, KIND, name))
        with self._lock:
            self._machines.pop((scope, name), None)
            self._turns.pop((scope, name), None)
        records.remove(scope, KIND, name)

    def _settle(self, machine: NotebookMachine, status: str, reason: str = "") -> None:
        with self._service.records.edit(machine.place, KIND, machine.identity) as document:
            document["NotebookInstanceStatus"] = status
            document["LastModifiedTime"] = now()
            document.pop("FailureReason", None)
            if reason:
                document["FailureReason"] = reason[:1024]
