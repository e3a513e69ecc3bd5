"""The pipeline: what each step gets, runs and leaves, and that no two runs touch each other's."""

import re

import pytest
from botocore import session
from botocore.validate import ParamValidator

from config import load_stage
from config.registries import _TRAINING_ACCOUNTS, training_image
from lambda_src.intake.arrival import KEY, read_event
from lambda_src.intake.pictures import KINDS
from lambda_src.intake.settings import Settings
from tests import synth
from tests.stacks import pipelines, variants
from tests.stacks.test_permissions import roles, statements
from training.arguments import parse

pytestmark = pytest.mark.xdist_group("synth")
CALLS = {
    "Processing": "CreateProcessingJob",
    "Training": "CreateTrainingJob",
    "Tuning": "CreateHyperParameterTuningJob",
    "RegisterModel": "CreateModelPackage",
}
NAMES = {
    "Processing": {"ProcessingJobName": "j"},
    "Training": {"TrainingJobName": "j"},
    "Tuning": {"HyperParameterTuningJobName": "j"},
    "RegisterModel": {},
}
JOBS = ("Prepare", "Tune", "Train", "Evaluate")
KNOWN_AT_DEPLOY = "arn:aws:iam::000000000000:role/known-at-deploy"
RUN = "s3://BUCKET/runs/<Execution.PipelineExecutionId>"
DATA = "<Steps.Prepare.ProcessingOutputConfig.Outputs['data'].S3Output.S3Uri>"
ISOLATED = {"network__isolated": True}


def training(stage="dev"):
    return synth.templates(stage)["training"]


@pytest.fixture(scope="module")
def isolated():
    return variants.rooms(network__isolated=True, training__spot={"max_wait_seconds": 7201})["training"]


def job(template, step):
    return pipelines.trial(template) if step == "Tune" else pipelines.arguments(template, step)


def uri(value):
    """A place in S3; the bucket's generated name is left out."""
    return re.sub(r"^s3://<data:Bucket[^>]*>", "s3://BUCKET", pipelines.text(value))


@pytest.mark.parametrize("stage", synth.STAGES)
def test_steps_stand_in_their_order(stage):
    found = pipelines.definition(training(stage))
    assert found["Version"] == "2020-12-01"
    assert [(step["Name"], step["Type"]) for step in found["Steps"]] == [
        ("Prepare", "Processing"),
        ("Tune", "Tuning"),
        ("Train", "Training"),
        ("Evaluate", "Processing"),
        ("Decide", "Condition"),
    ]
    assert found["Parameters"] == [{"Name": "DatasetPrefix", "Type": "String"}]


def resolved(value, shape):
    """Functions of the definition stand for texts that are known when a run gets there."""
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in {"Get", "Std:Join", "Std:JsonGet"}:
        return "known-when-it-runs"
    if shape.type_name == "structure":
        return {key: resolved(inner, shape.members[key]) for key, inner in value.items()}
    if shape.type_name == "map":
        return {key: resolved(inner, shape.value) for key, inner in value.items()}
    if shape.type_name == "list":
        return [resolved(inner, shape.member) for inner in value]
    return KNOWN_AT_DEPLOY if isinstance(value, str) and value.startswith("<") else value


def shape_faults(step):
    shape = session.get_session().get_service_model("sagemaker").operation_model(CALLS[step["Type"]]).input_shape
    arguments = {**NAMES[step["Type"]], **step["Arguments"]}
    return ParamValidator().validate(resolved(arguments, shape), shape).generate_report()


@pytest.mark.parametrize("stage", synth.STAGES)
@pytest.mark.parametrize("step", [*JOBS, "Register"])
def test_arguments_have_the_shape_of_the_steps_call(stage, step):
    assert shape_faults(pipelines.steps(training(stage))[step]) == ""


@pytest.mark.parametrize("step", JOBS)
def test_arguments_have_that_shape_inside_the_vpc_and_on_spot_too(isolated, step):
    assert shape_faults(pipelines.steps(isolated)[step]) == ""


def test_the_check_sees_a_wrong_type():
    step = pipelines.steps(training())["Train"]
    step["Arguments"]["ResourceConfig"]["InstanceCount"] = "one"
    assert "InstanceCount" in shape_faults(step)


def test_every_function_names_a_step_and_output_that_exist():
    found = pipelines.steps(training())
    outputs = {
        (name, output["OutputName"])
        for name, step in found.items()
        if step["Type"] == "Processing"
        for output in step["Arguments"]["ProcessingOutputConfig"]["Outputs"]
    }
    references = set(re.findall(r"'?Get'?: [\"'](Steps\.[^\"]+?)[\"'](?=[},])", str(list(found.values()))))
    assert len(references) == 5
    for reference in references:
        _, step, *rest = reference.split(".")
        assert step in found
        named = re.search(r"Outputs\['(\w+)'\]", reference)
        assert named is None or (step, named[1]) in outputs, reference
        assert rest[0] != "PropertyFiles" or rest[1] in {p["PropertyFileName"] for p in found[step]["PropertyFiles"]}


@pytest.mark.parametrize("step", ["Tune", "Train"])
def test_code_comes_as_a_channel_so_that_no_container_needs_a_network(step):
    found = job(training(), step)
    values = found.get("HyperParameters") or found["StaticHyperParameters"]
    (code,) = [one for one in found["InputDataConfig"] if one["ChannelName"] == "code"]
    file = code["DataSource"]["S3DataSource"]["S3Uri"].rsplit("/", 1)[1]
    assert values["sagemaker_submit_directory"] == f"/opt/ml/input/data/code/{file}"
    assert file.endswith(".tar.gz")
    assert (synth.ROOT / values["sagemaker_program"]).is_file()


@pytest.mark.parametrize("step", ["Prepare", "Evaluate"])
def test_a_processing_step_unpacks_the_same_archive_and_runs_a_module_of_it(step):
    application = pipelines.arguments(training(), step)["AppSpecification"]
    shell, flag, script, name = application["ContainerEntrypoint"]
    assert (shell, flag, name) == ("/bin/bash", "-c", step)
    module = re.search(r"exec python3 -m ([\w.]+) \"\$@\"$", script)[1]
    assert (synth.ROOT / (module.replace(".", "/") + ".py")).is_file()
    places = {i["S3Input"]["LocalPath"] for i in pipelines.arguments(training(), step)["ProcessingInputs"]}
    outputs = pipelines.arguments(training(), step)["ProcessingOutputConfig"]["Outputs"]
    places |= {output["S3Output"]["LocalPath"] for output in outputs}
    named = [word for word in application["ContainerArguments"] if word.startswith("/")]
    assert named
    assert all(any(f"{word}/".startswith(f"{place}/") for place in places) for word in named)
    assert len(script) <= 256  # what the API allows


def test_hyperparameters_are_flags_of_the_training_script(tmp_path):
    found = pipelines.arguments(training(), "Train")["HyperParameters"]
    flags = {name: value for name, value in found.items() if not name.startswith("sagemaker_")}
    tuned = {name for name, value in flags.items() if isinstance(value, dict)}
    words = [word for name, value in flags.items() for word in (f"--{name}", "0.01" if name in tuned else value)]
    for channel in ("train", "valid", "test", "model-dir"):
        words += [f"--{channel}", str(tmp_path)]
    parsed, config = parse(words, ""), load_stage("dev")[0].training.hyperparameters
    fixed = {name: value for name, value in config.model_dump().items() if name.replace("_", "-") not in tuned}
    assert len(fixed) == len(type(config).model_fields) - len(tuned)
    assert {name: getattr(parsed, name) for name in fixed} == fixed
    assert parsed.name == "whippet"


def test_training_repeats_the_best_trial_with_its_values():
    template = training()
    ranges = pipelines.arguments(template, "Tune")["HyperParameterTuningJobConfig"]["ParameterRanges"]
    tuned = {one["Name"] for one in ranges["ContinuousParameterRanges"]}
    final, trials = pipelines.arguments(template, "Train")["HyperParameters"], pipelines.trial(template)
    fixed = {name: value for name, value in trials["StaticHyperParameters"].items() if name != "trial"}
    assert {**fixed, **{name: final[name] for name in tuned}} == final
    assert {name: pipelines.text(final[name]) for name in tuned} == {
        name: f"<Steps.Tune.BestTrainingJob.TunedHyperParameters['{name}']>" for name in tuned
    }


def test_everything_a_run_leaves_lies_below_its_own_id():
    template = training()
    left = {step: uri(job(template, step)["OutputDataConfig"]["S3OutputPath"]) for step in ("Tune", "Train")}
    left |= {f"{step} checkpoints": uri(job(template, step)["CheckpointConfig"]["S3Uri"]) for step in ("Tune", "Train")}
    for step in ("Prepare", "Evaluate"):
        for output in pipelines.arguments(template, step)["ProcessingOutputConfig"]["Outputs"]:
            left[f"{step} {output['OutputName']}"] = uri(output["S3Output"]["S3Uri"])
    assert left == {
        "Prepare data": f"{RUN}/data",
        "Tune": f"{RUN}/trials",
        "Tune checkpoints": f"{RUN}/checkpoints/tune",
        "Train": f"{RUN}/training",
        "Train checkpoints": f"{RUN}/checkpoints/train",
        "Evaluate evaluation": f"{RUN}/evaluation",
        # By content: the same model has the same place, whichever run made it.
        "Evaluate models": "s3://BUCKET/models",
    }


def test_a_data_set_is_read_by_its_folder_and_not_by_the_start_of_its_name():
    inputs = pipelines.arguments(training(), "Prepare")["ProcessingInputs"]
    (dataset,) = [one["S3Input"]["S3Uri"] for one in inputs if one["InputName"] == "dataset"]
    assert uri(dataset) == "s3://BUCKET/<Parameters.DatasetPrefix>/"
    for step, splits in (("Tune", ("train", "valid")), ("Train", ("train", "valid", "test"))):
        channels = {c["ChannelName"]: c["DataSource"]["S3DataSource"] for c in job(training(), step)["InputDataConfig"]}
        del channels["code"]
        assert {name: uri(channel["S3Uri"]) for name, channel in channels.items()} == {
            name: f"{DATA}/{name}/" for name in splits
        }


def test_a_trial_gets_no_test_pictures_and_may_not_read_any():
    role = statements(roles(training())["TuneRole"])
    assert "/data/test" not in str(role) and "runs/*/data/*" not in str(role)
    assert pipelines.trial(training())["StaticHyperParameters"]["trial"] == "true"


def test_each_kind_of_dimension_reaches_the_tuner_in_its_own_list():
    space = [
        {"name": "learning_rate", "range": [0.0005, 0.02], "scale": "logarithmic"},
        {"name": "epochs", "range": [5, 20]},
        {"name": "batch_size", "values": [32, 64]},
    ]
    template = variants.rooms(training__tuning__space=space)["training"]
    ranges = pipelines.arguments(template, "Tune")["HyperParameterTuningJobConfig"]["ParameterRanges"]
    assert ranges == {
        "ContinuousParameterRanges": [
            {"Name": "learning-rate", "MinValue": "0.0005", "MaxValue": "0.02", "ScalingType": "Logarithmic"}
        ],
        "IntegerParameterRanges": [{"Name": "epochs", "MinValue": "5", "MaxValue": "20", "ScalingType": "Linear"}],
        "CategoricalParameterRanges": [{"Name": "batch-size", "Values": ["32", "64"]}],
    }
    assert shape_faults(pipelines.steps(template)["Tune"]) == ""
    fixed = pipelines.trial(template)["StaticHyperParameters"]
    assert not {"learning-rate", "epochs", "batch-size"} & set(fixed)
    final = pipelines.arguments(template, "Train")["HyperParameters"]
    assert pipelines.text(final["epochs"]) == "<Steps.Tune.BestTrainingJob.TunedHyperParameters['epochs']>"


def test_the_tuner_goes_the_way_that_the_objective_asks_for():
    objective = pipelines.arguments(training(), "Tune")["HyperParameterTuningJobConfig"][
        "HyperParameterTuningJobObjective"
    ]
    assert objective == {"Type": "Maximize", "MetricName": "best_valid_accuracy"}
    defined = pipelines.trial(training())["AlgorithmSpecification"]["MetricDefinitions"]
    assert objective["MetricName"] in [one["Name"] for one in defined]


def test_the_registered_model_is_the_content_addressed_one_and_waits_for_approval():
    register = pipelines.arguments(training(), "Register")
    assert register["ModelPackageGroupName"] == "whippet-dev-models"
    assert register["ModelApprovalStatus"] == "PendingManualApproval"
    (container,) = register["InferenceSpecification"]["Containers"]
    assert uri(container["ModelDataUrl"]) == "s3://BUCKET/<Steps.Evaluate.PropertyFiles.Evaluation.artifact>"


def test_a_model_below_the_minimum_is_refused_with_a_reason():
    decide = pipelines.arguments(training(), "Decide")
    (condition,) = decide["Conditions"]
    assert (condition["Type"], condition["RightValue"]) == ("GreaterThanOrEqualTo", 0.6)
    assert pipelines.text(condition["LeftValue"]) == "<Steps.Evaluate.PropertyFiles.Evaluation.accuracy>"
    reason = uri(pipelines.arguments(training(), "Refuse")["ErrorMessage"])
    assert "fewer" not in reason
    assert "training.minimum_accuracy = 0.6" in reason


@pytest.mark.parametrize("stage", synth.STAGES)
@pytest.mark.parametrize("step", JOBS)
def test_containers_have_no_way_out_and_hold_nothing_in_the_clear(stage, step):
    found = job(training(stage), step)
    network = found.get("NetworkConfig", found)
    assert network["EnableNetworkIsolation"] is True
    assert network["EnableInterContainerTrafficEncryption"] is True
    output = found.get("OutputDataConfig") or found["ProcessingOutputConfig"]
    cluster = (
        found["ProcessingResources"]["ClusterConfig"] if "ProcessingResources" in found else found["ResourceConfig"]
    )
    assert output["KmsKeyId"] == cluster["VolumeKmsKeyId"] == "<data:Key.Arn>"


@pytest.mark.parametrize("step", JOBS)
def test_each_step_runs_under_a_role_of_its_own(step):
    assert job(training(), step)["RoleArn"] == f"<{step}Role.Arn>"


@pytest.mark.parametrize("step", JOBS)
def test_an_isolated_stages_jobs_run_inside(isolated, step):
    found = job(isolated, step)
    vpc = found.get("NetworkConfig", found)["VpcConfig"]
    assert len(vpc["Subnets"]) == 2
    assert vpc["SecurityGroupIds"] == ["<Jobs.GroupId>"]


def test_instances_of_one_job_hear_each_other_and_nobody_else(isolated):
    rule = synth.only(isolated, "AWS::EC2::SecurityGroupIngress")
    assert (rule["IpProtocol"], rule["GroupId"]) == ("-1", rule["SourceSecurityGroupId"])
    assert "SecurityGroupIngress" not in synth.only(isolated, "AWS::EC2::SecurityGroup")


def test_roles_of_an_isolated_stage_place_interfaces_and_start_jobs_inside_only(isolated):
    found = roles(isolated)
    for step in JOBS:
        assert "ec2:CreateNetworkInterface" in statements(found[f"{step}Role"])["PlaceInVpc"][1]
    for call in ("ProcessingJob", "TrainingJob", "HyperParameterTuningJob"):
        condition = statements(found["PipelineRole"])[f"Start{call}"][3]
        assert len(condition["ForAllValues:StringEquals"]["sagemaker:VpcSubnets"]) == 2
        assert condition["Null"]["sagemaker:VpcSubnets"] == "false"


def test_outside_a_vpc_no_role_touches_a_network_and_nothing_is_placed():
    for step in JOBS:
        assert "PlaceInVpc" not in statements(roles(training())[f"{step}Role"])
        assert "VpcConfig" not in str(job(training(), step))


def test_spot_is_what_the_stage_file_says(isolated):
    for step in ("Tune", "Train"):
        assert job(isolated, step)["EnableManagedSpotTraining"] is True
        assert job(isolated, step)["StoppingCondition"]["MaxWaitTimeInSeconds"] == 7201
        assert job(training(), step)["EnableManagedSpotTraining"] is False
        assert "MaxWaitTimeInSeconds" not in job(training(), step)["StoppingCondition"]


def test_a_type_with_a_gpu_gets_the_image_for_it_and_no_volume_key():
    template = variants.rooms(training__instance_type="ml.g5.xlarge", training__encrypt_volume=False)["training"]
    assert job(template, "Train")["AlgorithmSpecification"]["TrainingImage"].endswith(
        "pytorch:2.13-cu133-amzn2023-sagemaker"
    )
    assert job(template, "Tune")["AlgorithmSpecification"]["TrainingImage"].endswith(
        "pytorch:2.13-cpu-amzn2023-sagemaker"
    )
    assert "VolumeKmsKeyId" not in str(pipelines.definition(template))
    for role in roles(template).values():
        assert "kms:CreateGrant" not in str(statements(role))


def test_images_lie_in_the_regions_own_registry():
    assert training_image("us-east-1", gpu=False).startswith("763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch:")
    assert training_image("af-south-1", gpu=False).startswith("626614931356.dkr.ecr.af-south-1.amazonaws.com/")
    assert training_image("cn-north-1", gpu=True).startswith("727897471807.dkr.ecr.cn-north-1.amazonaws.com.cn/")
    assert all(re.fullmatch(r"\d{12}", account) for account in _TRAINING_ACCOUNTS.values())


@pytest.mark.parametrize("stage", synth.STAGES)
def test_what_a_run_leaves_is_forgotten_and_its_model_is_not(stage):
    found = synth.resources(synth.templates(stage)["data"], "AWS::S3::Bucket")
    (bucket,) = [body["Properties"] for name, body in found.items() if name.startswith("Bucket")]
    rules = bucket["LifecycleConfiguration"]["Rules"]
    expiring = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}
    assert expiring["runs/"] == load_stage(stage)[0].data.run_days
    assert not [prefix for prefix in expiring if prefix.startswith(("models", "dataset"))]


SETTINGS = {
    "training__instance_type": ("ml.m6i.large", "Train", "ResourceConfig.InstanceType"),
    "training__instance_count": (3, "Train", "ResourceConfig.InstanceCount"),
    "training__volume_gb": (31, "Train", "ResourceConfig.VolumeSizeInGB"),
    "training__max_run_seconds": (3601, "Train", "StoppingCondition.MaxRuntimeInSeconds"),
    "training__encrypt_between_instances": (False, "Train", "EnableInterContainerTrafficEncryption"),
    "training__minimum_accuracy": (0.77, "Decide", "Conditions.0.RightValue"),
    "training__hyperparameters__input_size": (65, "Train", "HyperParameters.input-size"),
    "training__hyperparameters__epochs": (21, "Train", "HyperParameters.epochs"),
    "training__hyperparameters__batch_size": (67, "Train", "HyperParameters.batch-size"),
    "training__hyperparameters__seed": (9, "Train", "HyperParameters.seed"),
    "training__hyperparameters__architecture": ("other", "Train", "HyperParameters.architecture"),
    "training__hyperparameters__flip": (False, "Train", "HyperParameters.flip"),
    "training__hyperparameters__stage": ("both", "Train", "HyperParameters.stage"),
    "training__hyperparameters__normalise": ("data", "Train", "HyperParameters.normalise"),
    "training__hyperparameters__learning_rate": (0.0007, "Train", "HyperParameters.learning-rate"),
    "training__hyperparameters__weight_decay": (0.0301, "Train", "HyperParameters.weight-decay"),
    "training__hyperparameters__warm_up": (0.21, "Train", "HyperParameters.warm-up"),
    "training__hyperparameters__layer_decay": (0.71, "Train", "HyperParameters.layer-decay"),
    "training__hyperparameters__freeze_norm": (True, "Train", "HyperParameters.freeze-norm"),
    "training__hyperparameters__augment": ("trivial", "Train", "HyperParameters.augment"),
    "training__hyperparameters__label_smoothing": (0.11, "Train", "HyperParameters.label-smoothing"),
    "training__hyperparameters__mixup": (0.2, "Train", "HyperParameters.mixup"),
    "training__hyperparameters__cutmix": (1.1, "Train", "HyperParameters.cutmix"),
    "training__hyperparameters__ema": (0.998, "Train", "HyperParameters.ema"),
    "training__hyperparameters__precision": ("bf16", "Train", "HyperParameters.precision"),
    "training__tuning__instance_type": ("ml.c6i.xlarge", "Tune", "TrainingJobDefinition.ResourceConfig.InstanceType"),
    "training__tuning__jobs": (8, "Tune", "HyperParameterTuningJobConfig.ResourceLimits.MaxNumberOfTrainingJobs"),
    "training__tuning__parallel": (4, "Tune", "HyperParameterTuningJobConfig.ResourceLimits.MaxParallelTrainingJobs"),
    "training__tuning__space": (
        [{"name": "clip_norm", "range": [0.001, 0.5], "scale": "logarithmic"}],
        "Tune",
        "HyperParameterTuningJobConfig.ParameterRanges.ContinuousParameterRanges.0.MaxValue",
    ),
    "training__processing__instance_type": (
        "ml.r5.large",
        "Evaluate",
        "ProcessingResources.ClusterConfig.InstanceType",
    ),
    "training__processing__volume_gb": (37, "Prepare", "ProcessingResources.ClusterConfig.VolumeSizeInGB"),
    "training__processing__max_run_seconds": (3700, "Prepare", "StoppingCondition.MaxRuntimeInSeconds"),
}


WEIGHTS = {"key": "weights/resnet50-11ad3fa6.pth", "sha256": f"11ad3fa6{'ab' * 28}"}


@pytest.fixture(scope="module")
def set_anew():
    changes = {key: value for key, (value, *_) in SETTINGS.items()}
    return variants.rooms(**changes, training__weights=WEIGHTS)["training"]


@pytest.mark.parametrize("key", SETTINGS)
def test_setting_reaches_its_argument(set_anew, key):
    value, step, path = SETTINGS[key]
    found = pipelines.arguments(set_anew, step)
    for part in path.split("."):
        found = found[int(part) if part.isdigit() else part]
    wanted = value[0]["range"][1] if isinstance(value, list) else value
    assert str(found).lower() == str(wanted).lower()


@pytest.mark.parametrize("step", ["Tune", "Train"])
def test_weights_come_as_a_channel_with_the_hash_that_they_must_have(set_anew, step):
    found = job(set_anew, step)
    channels = {one["ChannelName"]: one["DataSource"]["S3DataSource"]["S3Uri"] for one in found["InputDataConfig"]}
    assert uri(channels["weights"]) == f"s3://BUCKET/{WEIGHTS['key']}"
    values = found.get("HyperParameters") or found["StaticHyperParameters"]
    assert values["weights-sha256"] == "SHA256"
    assert str(synth.only(set_anew, "AWS::SageMaker::Pipeline")).count(WEIGHTS["sha256"]) == 2  # each step's, in full
    assert shape_faults(pipelines.steps(set_anew)[step]) == ""


@pytest.mark.parametrize("step", JOBS)
def test_trials_and_training_alone_read_the_weights_and_nothing_beside_them(set_anew, step):
    with_weights, without = (statements(roles(template)[f"{step}Role"]) for template in (set_anew, training()))
    if step in ("Tune", "Train"):
        found, read = without["FindInput"], without["ReadInput"]
        looked_for = (*found[3]["StringLike"]["s3:prefix"], WEIGHTS["key"])
        without["FindInput"] = (*found[:3], {"StringLike": {"s3:prefix": looked_for}})
        without["ReadInput"] = (*read[:2], tuple(sorted((*read[2], f"<data:Bucket.Arn>/{WEIGHTS['key']}"))))
    assert with_weights == without


def test_without_weights_nothing_speaks_of_them():
    assert "weights" not in str(pipelines.definition(training()))


def intake(template, kind, part=""):
    (found,) = [body["Properties"] for name, body in synth.resources(template, kind).items() if f"Intake{part}" in name]
    return found


def matches(pattern, key):
    """As EventBridge's wildcard: a star is any run of characters, slashes among them."""
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), key) is not None


MANIFESTS, PICTURES = "ManifestArrived", "PictureArrived"


def keys(template, rule):
    pattern = intake(template, "AWS::Events::Rule", rule)["EventPattern"]
    assert (pattern["source"], pattern["detail-type"]) == (["aws.s3"], ["Object Created"])
    assert set(pattern["detail"]) == {"bucket", "object"}
    return [key["wildcard"] for key in pattern["detail"]["object"]["key"]]


def queue_named(template, part):
    (name,) = [name for name in synth.resources(template, "AWS::SQS::Queue") if name.startswith(f"Intake{part}")]
    return name


def test_a_manifest_below_dataset_calls_the_intake_and_a_failure_is_kept():
    template = training()
    assert keys(template, MANIFESTS) == ["dataset/*/manifest.json"]
    (target,) = intake(template, "AWS::Events::Rule", MANIFESTS)["Targets"]
    (function,) = synth.resources(template, "AWS::Lambda::Function")
    dead = {"Fn::GetAtt": [queue_named(template, "Failures"), "Arn"]}
    assert target["Arn"] == {"Fn::GetAtt": [function, "Arn"]}
    assert target["DeadLetterConfig"] == {"Arn": dead}
    assert intake(template, "AWS::Lambda::Function")["DeadLetterConfig"] == {"TargetArn": dead}
    assert intake(template, "AWS::Lambda::Permission")["Principal"] == "events.amazonaws.com"


def test_pictures_wait_in_a_queue_and_never_take_all_of_the_accounts_concurrency():
    template = training()
    pictures, failures = queue_named(template, "Pictures"), queue_named(template, "Failures")
    assert {key.removeprefix("dataset/*").lower() for key in keys(template, PICTURES)} == set(KINDS)
    assert any(matches(key, "dataset/dogs/train/a/1.JPG") for key in keys(template, PICTURES))
    (target,) = intake(template, "AWS::Events::Rule", PICTURES)["Targets"]
    assert target["Arn"] == {"Fn::GetAtt": [pictures, "Arn"]}
    mapping = intake(template, "AWS::Lambda::EventSourceMapping", "Taking")
    assert mapping["EventSourceArn"] == {"Fn::GetAtt": [pictures, "Arn"]}
    assert (mapping["BatchSize"], mapping["ScalingConfig"]) == (10, {"MaximumConcurrency": 2})
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    redrive = synth.resources(template)[pictures]["Properties"]["RedrivePolicy"]
    assert redrive == {"deadLetterTargetArn": {"Fn::GetAtt": [failures, "Arn"]}, "maxReceiveCount": 3}


def test_what_was_kept_is_taken_in_again_only_when_a_person_says_so():
    template = training()
    mapping, failures = (
        intake(template, "AWS::Lambda::EventSourceMapping", "Redrive"),
        queue_named(template, "Failures"),
    )
    assert mapping["EventSourceArn"] == {"Fn::GetAtt": [failures, "Arn"]}
    assert (mapping["Enabled"], mapping["FunctionResponseTypes"]) == (False, ["ReportBatchItemFailures"])
    rest = synth.resources(template)[failures]["Properties"]["VisibilityTimeout"]
    assert rest == 6 * intake(template, "AWS::Lambda::Function")["Timeout"]


def test_manifests_alone_are_looked_at_where_the_stage_file_says_so():
    template = variants.rooms(training__check_new_pictures=False)["training"]
    assert len(synth.resources(template, "AWS::Events::Rule")) == 1
    assert len(synth.resources(template, "AWS::SQS::Queue")) == 1
    found = statements(roles(template)["IntakeFunctionPartsRole"])
    assert "TagArrivals" not in found
    assert found["ReadArrivals"][2] == ("<data:Bucket.Arn>/dataset/*/manifest.json",)


def test_nothing_that_the_pipeline_writes_comes_back_as_new_data():
    """One way only: by the rules' patterns, and by what the steps' roles may write at all."""
    template = training()
    patterns = [*keys(template, MANIFESTS), *keys(template, PICTURES)]
    written = {
        resource.removeprefix("<data:Bucket.Arn>/")
        for role in roles(template).values()
        for _, actions, resources, *_ in statements(role).values()
        if {"s3:PutObject", "s3:DeleteObject"} & set(actions)
        for resource in resources
    }
    assert {prefix.split("/")[0] for prefix in written} == {"runs", "models"}
    for prefix in written:
        for key in (prefix.replace("*", end) for end in ("x", "dataset/x/manifest.json", "dataset/x.jpg")):
            assert not any(matches(pattern, key) for pattern in patterns)
    assert matches(patterns[0], "dataset/dogs/manifest.json")


def test_a_tag_is_no_arrival():
    """S3 calls it "Object Tags Added", so that what the intake does never calls it again."""
    tagging = {
        name
        for name, role in roles(training()).items()
        for _, actions, *_ in statements(role).values()
        if "s3:PutObjectTagging" in actions
    }
    assert tagging == {"IntakeFunctionPartsRole"}
    for rule in (MANIFESTS, PICTURES):
        pattern = intake(training(), "AWS::Events::Rule", rule)["EventPattern"]
        assert pattern["detail-type"] == ["Object Created"]


@pytest.mark.parametrize("stage", synth.STAGES)
def test_handler_accepts_its_environment_and_the_pattern_fits_what_it_takes(stage):
    template = training(stage)
    given = intake(template, "AWS::Lambda::Function")["Environment"]["Variables"]
    assert given.keys() == Settings.VARIABLES.keys()
    settings = Settings.from_environment({**given, "BUCKET": "a-bucket"})
    assert settings.pipeline_name == synth.only(template, "AWS::SageMaker::Pipeline")["PipelineName"]
    assert KEY.fullmatch("dataset/dogs/manifest.json")


def test_the_prefix_that_intake_starts_with_is_the_pipelines_parameter():
    (parameter,) = pipelines.definition(training())["Parameters"]
    event = {"detail": {"bucket": {"name": "b"}, "object": {"key": "dataset/dogs/manifest.json", "etag": "e"}}}
    (arrival,) = read_event(event, "b")
    assert arrival.prefix == "dataset/dogs"
    source = (synth.ROOT / "lambda_src" / "intake" / "access.py").read_text()
    assert f'"Name": "{parameter["Name"]}"' in source


def test_without_start_on_new_data_nothing_listens():
    template = variants.rooms(training__start_on_new_data=False)["training"]
    for kind in ("AWS::Events::Rule", "AWS::Lambda::Function", "AWS::SQS::Queue", "AWS::Lambda::EventSourceMapping"):
        assert not synth.resources(template, kind)


def test_the_intakes_log_expires_when_the_stage_file_says():
    template = variants.rooms(training__log_days=545)["training"]
    assert synth.only(template, "AWS::Logs::LogGroup")["RetentionInDays"] == 545
