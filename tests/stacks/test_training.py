"""The pipeline: what each step gets, runs and leaves, and that no two runs touch each other's."""

import re

import pytest

from config import load_stage
from config.registries import _TRAINING_ACCOUNTS, training_image
from tests import synth
from tests.stacks import pipelines, variants
from tests.stacks.pipelines import job, shape_faults, training, uri
from tests.stacks.test_permissions import roles, statements
from training.arguments import parse

pytestmark = pytest.mark.xdist_group("synth")

JOBS = ("Prepare", "Tune", "Train", "Evaluate")
RUN = "s3://BUCKET/runs/<Execution.PipelineExecutionId>"
DATA = "<Steps.Prepare.ProcessingOutputConfig.Outputs['data'].S3Output.S3Uri>"
ISOLATED = {"network__isolated": True}


@pytest.fixture(scope="module")
def isolated():
    return variants.rooms(network__isolated=True, training__spot={"max_wait_seconds": 7201})["training"]


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
