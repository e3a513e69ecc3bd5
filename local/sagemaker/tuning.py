"""Tuning jobs: training jobs with drawn hyperparameters, some at once, the best by its objective metric."""

import functools
import secrets
import threading
from collections import Counter
from dataclasses import dataclass, field

from local.json_service import Call, Operation, now
from local.listing import listing
from local.records import Document
from local.sagemaker import condition_keys, search, training_request
from local.sagemaker.control_plane import named
from local.sagemaker.jobs import ENDED, Job, JobFailed, Jobs
from local.sagemaker.names import arn, not_available, validation
from local.sagemaker.training import TrainingJobs

KIND = "HyperParameterTuningJob"
UNAVAILABLE = ("TrainingJobDefinitions", "WarmStartConfig", "Autotune")
UNAVAILABLE_DEFINITION = ("HyperParameterRanges", "HyperParameterTuningResourceConfig", "TuningObjective")
STRATEGIES = ("Bayesian", "Random")
OBJECTIVE = "_tuning_objective_metric"
COUNTED = {"Completed": "Completed", "InProgress": "InProgress", "Stopping": "InProgress", "Stopped": "Stopped"}


@dataclass(frozen=True)
class TuningJobs:
    """One kind of job; its trials are training jobs."""

    jobs: Jobs
    training: TrainingJobs
    name: str = KIND

    def add_listing(self) -> None:
        run = functools.partial(_list_trials, self.jobs)
        resources = functools.partial(named, KIND)
        self.jobs.service.add(f"ListTrainingJobsFor{KIND}", Operation(run, resources))

    def check(self, call: Call) -> None:
        config = call.params["HyperParameterTuningJobConfig"]
        for member in UNAVAILABLE:
            if call.params.get(member):
                raise not_available(f"A tuning job with {member}")
        if config["Strategy"] not in STRATEGIES:
            raise not_available(f"A tuning job with Strategy {config['Strategy']}")
        if config.get("TrainingJobEarlyStoppingType", "Off") != "Off" or config.get("TuningJobCompletionCriteria"):
            raise not_available("A tuning job that ends before its trials are done")
        definition = call.params.get("TrainingJobDefinition")
        if not definition or not config.get("HyperParameterTuningJobObjective"):
            raise validation("A tuning job needs TrainingJobDefinition and HyperParameterTuningJobObjective.")
        for member in UNAVAILABLE_DEFINITION:
            if definition.get(member):
                raise not_available(f"TrainingJobDefinition with {member}")
        if not config["ResourceLimits"].get("MaxNumberOfTrainingJobs"):
            raise validation("ResourceLimits.MaxNumberOfTrainingJobs is required to create a tuning job.")
        search.refuse(config.get("ParameterRanges", {}))
        training_request.refuse(definition)
        self._refuse_unknown_metric(config, definition)

    @staticmethod
    def _refuse_unknown_metric(config: Document, definition: Document) -> None:
        wanted = config["HyperParameterTuningJobObjective"]["MetricName"]
        names = [one["Name"] for one in definition["AlgorithmSpecification"].get("MetricDefinitions", [])]
        if wanted not in names:
            raise validation(f"The objective metric {wanted} is not among the metric definitions {names}.")

    def role(self, call: Call) -> str:
        return str(call.params["TrainingJobDefinition"]["RoleArn"])

    def passes_role(self) -> bool:
        return True

    def first(self, call: Call) -> Document:
        return _counters([])

    def instances(self, call: Call) -> int:
        """Of all trials that run at once: it holds them for them, so that none has to wait for others' instances."""
        limits = call.params["HyperParameterTuningJobConfig"]["ResourceLimits"]
        return _at_once(limits) * int(call.params["TrainingJobDefinition"]["ResourceConfig"]["InstanceCount"])

    def context(self, call: Call) -> Document:
        return condition_keys.of_tuning(call)

    def failed(self, job: Job) -> Document:
        return {"HyperParameterTuningEndTime": now()}

    def stop(self, job: Job) -> Document:
        return {}

    def run(self, job: Job) -> Document:
        return Tuning(self, job).run()


@dataclass
class Tuning:
    """One job from its first trial to its last."""

    kind: TuningJobs
    job: Job
    # Of trials that could not be run: the job's failure, once none runs any more.
    _errors: list[Exception] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> Document:
        request = self.job.document()
        config, definition = request["HyperParameterTuningJobConfig"], request["TrainingJobDefinition"]
        limits = config["ResourceLimits"]
        drawing = search.Search(config["ParameterRanges"], config.get("RandomSeed"))
        drawn = [drawing.draw() for _ in range(limits["MaxNumberOfTrainingJobs"])]
        waiting = iter(enumerate(drawn, start=1))

        def work() -> None:
            while not self.job.stopping.is_set() and not self._errors:
                with self._lock:
                    number, values = next(waiting, (0, {}))
                if not number:
                    return
                try:
                    self._try(number, values, definition, config)
                except Exception as error:
                    self._errors.append(error)

        threads = [
            threading.Thread(target=work, daemon=True, name=f"trials-{self.job.name}") for _ in range(_at_once(limits))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._errors and not self.job.stopping.is_set():
            raise JobFailed(f"InternalServerError: A training job could not be run: {self._errors[0]}")
        return self._result(config)

    def _try(self, number: int, values: dict[str, str], definition: Document, config: Document) -> None:
        jobs, scope = self.kind.jobs, self.job.scope
        name = f"{self.job.name}-{number:03d}-{secrets.token_hex(4)}"
        objective = config["HyperParameterTuningJobObjective"]["MetricName"]
        params = {
            **{
                key: value
                for key, value in definition.items()
                if key not in ("StaticHyperParameters", "DefinitionName", "HyperParameterRanges")
            },
            "TrainingJobName": name,
            "HyperParameters": {**definition.get("StaticHyperParameters", {}), **values, OBJECTIVE: objective},
        }
        first = {
            **self.kind.training.beginning(params),
            "TuningJobArn": self.job.arn,
            "_tuned": values,
            "_tuning_job": self.job.name,
            "_key_by_caller": self.job.document().get("_key_by_caller", False),
        }
        # The tuning job holds its instance.
        jobs.begin(self.kind.training, scope, params, first, 0)
        self.job.update(**_counters(self._trials()))
        jobs.wait(scope, "TrainingJob", name, self.job.stopping.is_set)
        if self.job.stopping.is_set() and not self.job.closing.is_set():
            jobs.stop_one(scope, "TrainingJob", name)
            jobs.wait(scope, "TrainingJob", name, self.job.closing.is_set)
        if not self.job.closing.is_set():
            self.job.update(**_counters(self._trials()), **self._best(config))

    def _trials(self) -> list[Document]:
        return trials(self.kind.jobs, self.job)

    def _best(self, config: Document) -> Document:
        wanted = config["HyperParameterTuningJobObjective"]
        scored = [(value, one) for one in self._trials() if (value := _score(one, wanted["MetricName"])) is not None]
        if not scored:
            return {}
        choose = max if wanted["Type"] == "Maximize" else min
        _, best = choose(scored, key=lambda pair: pair[0])
        return {"BestTrainingJob": _summary(best, config)}

    def _result(self, config: Document) -> Document:
        found = self._trials()
        best = self._best(config)
        if self.job.stopping.is_set():
            status = "Stopped"
        elif not best:
            reasons = [one["FailureReason"] for one in found if one.get("FailureReason")]
            why = reasons[0] if reasons else "no trial printed its objective metric"
            raise JobFailed(f"No training job succeeded after {len(found)} attempts; the first failed with: {why}")
        else:
            status = "Completed"
        return {
            f"{KIND}Status": status,
            "HyperParameterTuningEndTime": now(),
            **_counters(found),
            **best,
        }


def _at_once(limits: Document) -> int:
    return min(int(limits["MaxParallelTrainingJobs"]), int(limits["MaxNumberOfTrainingJobs"]))


def trials(jobs: Jobs, job: Job) -> list[Document]:
    return [one for one in jobs.service.records.all(job.scope, "TrainingJob") if one.get("TuningJobArn") == job.arn]


def _score(trial: Document, metric: str) -> float | None:
    """Of a trial that ended well."""
    if trial["TrainingJobStatus"] != "Completed":
        return None
    found = [one["Value"] for one in trial.get("FinalMetricDataList", []) if one["MetricName"] == metric]
    return float(found[-1]) if found else None


def _summary(trial: Document, config: Document) -> Document:
    objective = config["HyperParameterTuningJobObjective"]
    value = _score(trial, objective["MetricName"])
    scored = {"Type": objective["Type"], "MetricName": objective["MetricName"], "Value": value}
    return {
        **trial,
        "TuningJobName": trial["_tuning_job"],
        "TunedHyperParameters": trial["_tuned"],
        "ObjectiveStatus": "Pending"
        if trial["TrainingJobStatus"] not in ENDED
        else ("Failed" if value is None else "Succeeded"),
        **({} if value is None else {"FinalHyperParameterTuningJobObjectiveMetric": scored}),
    }


def _counters(found: list[Document]) -> Document:
    said = Counter(COUNTED.get(one["TrainingJobStatus"], "NonRetryableError") for one in found)
    names = ("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped")
    succeeded = sum(_score(one, one["HyperParameters"][OBJECTIVE]) is not None for one in found)
    pending = said["InProgress"]
    return {
        "TrainingJobStatusCounters": {name: said[name] for name in names},
        "ObjectiveStatusCounters": {
            "Succeeded": succeeded,
            "Pending": pending,
            "Failed": len(found) - succeeded - pending,
        },
    }


def _list_trials(jobs: Jobs, call: Call) -> Document:
    document = jobs.service.required(call.scope, KIND, call.params[f"{KIND}Name"].lower())
    own = arn(call.scope, KIND, call.params[f"{KIND}Name"])
    found = [
        _summary(one, document["HyperParameterTuningJobConfig"])
        for one in jobs.service.records.all(call.scope, "TrainingJob")
        if one.get("TuningJobArn") == own and call.params.get("StatusEquals") in (None, one["TrainingJobStatus"])
    ]
    return listing(found, "TrainingJobSummaries", call.params)
