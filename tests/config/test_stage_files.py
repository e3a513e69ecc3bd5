"""Stage files: every fault in one sentence that names key, value and remedy, and all of them at once."""

import re
import subprocess
import sys

import pytest

from config import ConfigError, available_stages, load_stage
from config.load import FOLDER, parse_stage
from config.model import StageConfig
from config.sections.section import inner_section
from tests.config.stage_file import REMOVE, changed, faults


def fields(section=StageConfig, prefix=""):
    """Every key with its field, through optional sections and lists of them."""
    for name, field in section.model_fields.items():
        key, inner = f"{prefix}{field.alias or name}", inner_section(field.annotation)
        if inner is None:
            yield key, field
        else:
            yield from fields(inner, f"{key}.")


def keys():
    return [key for key, _ in fields()]


def test_every_stage_loads_without_a_warning():
    assert available_stages() == ["dev", "local", "prod"]
    assert [load_stage(stage)[1] for stage in available_stages()] == [[], [], []]


# One row a way to be wrong: what is set, and the whole sentence about it.
SENTENCES = [
    ({"stage__region": 5}, "stage.region = 5: must be a valid string"),
    ({"stage__account": "12"}, 'stage.account = "12": must match ^[0-9]{12}$'),
    ({"stage__protect": "yes"}, 'stage.protect = "yes": must be a valid boolean'),
    (
        {"image__source": "podman"},
        'image.source = "podman": must be "codebuild", "docker" or "uri"',
    ),
    ({"serving__mode": "fast"}, 'serving.mode = "fast": must be "realtime", "serverless" or "async"'),
    ({"serving__instance_count": 0}, "serving.instance_count = 0: must be greater than or equal to 1"),
    ({"serving__instance_type": "m5.large"}, 'serving.instance_type = "m5.large": must match ^ml\\.'),
    ({"serving__capture_percent": 101}, "serving.capture_percent = 101: must be less than or equal to 100"),
    ({"model__artifact": "model.tar.gz"}, 'model.artifact = "model.tar.gz": must match'),
    ({"api__log_days": 31}, "api.log_days = 31: must be 1, 3, 5, 7"),
    (
        {"api__top_k": REMOVE},
        "api.top_k is missing (Predictions in an answer when the caller does not say how many); add it, as in config/dev.toml",
    ),
    (
        {"serving__instance_typ": "ml.m5.large"},
        "serving.instance_typ is not a key; did you mean instance_type; rename or remove it",
    ),
    ({"apii": {}}, "[apii] is not a section; did you mean api; rename or remove it"),
    (
        {"image__source": "uri"},
        'image.source = "uri": needs image.uri; set it, or choose "codebuild" to have the image built',
    ),
    ({"stage__account": "١١١١٢٢٢٢٣٣٣٣"}, 'stage.account = "١١١١٢٢٢٢٣٣٣٣": must match ^[0-9]{12}$'),
    ({"stage__region": "us\neast-1"}, 'stage.region = "us\\neast-1": must match'),
    ({"serving__scaling": "on"}, "[serving.scaling] must be a section with keys of its own, as in config/dev.toml"),
    (
        {"serving__capture_percent": 10**400},
        f"serving.capture_percent = 1{'0' * 79}...: must be less than or equal to 100",
    ),
    (
        {"image__source": "uri", "image__uri": "public.ecr.aws/a/b:1"},
        'image.uri = "public.ecr.aws/a/b:1": names no image in ECR, and hosting pulls from nowhere else; push it there',
    ),
    (
        {"image__source": "uri", "image__uri": "111122223333.dkr.ecr.eu-west-1.amazonaws.com/b:1"},
        'image.uri = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/b:1": lies in eu-west-1, and hosting pulls in its own region',
    ),
    (
        {"serving__instance_type": "ml.c7g.large"},
        'serving.instance_type = "ml.c7g.large": is an Arm type, and the image is built for x86-64',
    ),
    (
        {"image__uri": "public.ecr.aws/a/b:1"},
        'image.uri = "public.ecr.aws/a/b:1": is not used with source "codebuild"; remove it or set source = "uri"',
    ),
    (
        {"image__source": "uri", "image__uri": "111122223333.dkr.ecr.us-east-1.amazonaws.com/b:latest"},
        'image.uri = "111122223333.dkr.ecr.us-east-1.amazonaws.com/b:latest": moves under a running endpoint; pin it by digest as ...@sha256:...',
    ),
    (
        {"serving__scaling__min_instances": 3},
        "serving.scaling.min_instances = 3: is above serving.scaling.max_instances = 2; raise the one or lower the other",
    ),
    ({"serving__instance_count": 9}, "serving.instance_count = 9: lies outside the scaling range; choose 1 to 2"),
    (
        {"serving__instance_type": "ml.t2.medium"},
        'serving.instance_type = "ml.t2.medium": burstable types cannot autoscale; choose ml.m5.large or set '
        "serving.scaling.enabled = false",
    ),
    (
        {"api__timeout_seconds": 20},
        "api.timeout_seconds = 20: must exceed api.fetch_timeout_seconds + api.invoke_timeout_seconds = 23, since both happen "
        "within it; raise it (below api.gateway_timeout_seconds = 29) or lower one of them",
    ),
    (
        {"api__concurrency__provisioned_min": 2},
        "api.concurrency.provisioned_min = 2: is above api.concurrency.provisioned_max = 0; raise the one or lower the other",
    ),
    (
        {"api__concurrency__provisioned_max": 2},
        "api.concurrency.provisioned_max = 2: has no effect while api.concurrency.provisioned_min = 0; set that to 1 or more, "
        "or this to 0",
    ),
    (
        {"stage__protect": True, "stage__retain_data": False},
        "stage.retain_data = false: contradicts stage.protect = true, which says that the data matters; set it to true, or "
        "protect to false",
    ),
]


@pytest.mark.parametrize(("changes", "sentence"), SENTENCES, ids=[sentence.split(":")[0] for _, sentence in SENTENCES])
def test_fault_names_key_value_and_remedy(changes, sentence):
    (fault,) = faults(**changes)
    assert fault.startswith(sentence)


@pytest.mark.parametrize("host", ["localhost", "10.0.0.1", "https://example.com", "example.com:443", ""])
def test_allowed_hosts_are_names_that_the_function_takes(host):
    (fault,) = faults(api__allowed_image_hosts=[host])
    assert fault.startswith(f'api.allowed_image_hosts.0 = "{host}": must match')


def test_provisioned_above_reserved_is_refused():
    said = faults(
        api__concurrency__reserved=2, api__concurrency__provisioned_min=1, api__concurrency__provisioned_max=3
    )
    assert said == [
        "api.concurrency.provisioned_max = 3: is above api.concurrency.reserved = 2, which Lambda refuses; lower it or raise "
        "that"
    ]


def test_all_faults_are_reported_at_once():
    said = faults(stage__region=5, api__top_k=REMOVE, serving__instance_count=9, image__source="uri", apii={})
    assert [fault.split(" ")[0] for fault in said] == [
        "[apii]",
        "api.top_k",
        "image.source",
        "serving.instance_count",
        "stage.region",
    ]


def test_a_missing_section_is_reported_key_by_key():
    assert [fault.split(" ")[0] for fault in faults(data=REMOVE)] == [
        "data.access_log_days",
        "data.async_days",
        "data.capture_days",
        "data.noncurrent_days",
        "data.run_days",
        "data.upload_days",
    ]


WARNINGS = [
    (
        {"serving__instance_type": "ml.g5.xlarge"},
        "serving.encrypt_volume = true: ml.g5.xlarge keeps data on local NVMe",
    ),
    ({"api__throttle_burst": 500}, "api.throttle_burst = 500: is more than ten seconds of"),
]


@pytest.mark.parametrize(("changes", "sentence"), WARNINGS)
def test_what_works_but_likely_not_as_meant_is_warned_about(changes, sentence):
    _, (warning,) = parse_stage(changed(**changes), "config/dev.toml")
    assert warning.startswith(f"config/dev.toml: {sentence}")


def test_a_burstable_type_is_fine_without_scaling():
    config, _ = parse_stage(
        changed(serving__instance_type="ml.t2.medium", serving__scaling__enabled=False), "config/dev.toml"
    )
    assert config.serving.instance_type == "ml.t2.medium"


def test_error_counts_its_faults_and_names_the_file():
    with pytest.raises(ConfigError, match=re.escape("config/dev.toml: 1 fault\n  - serving.mode")):
        parse_stage(changed(serving__mode="x"), "config/dev.toml")


def test_broken_toml_is_a_sentence(tmp_path):
    (tmp_path / "dev.toml").write_text("[stage\n")
    with pytest.raises(ConfigError, match="dev.toml: 1 fault\n  - is not valid TOML: .*line 1"):
        load_stage("dev", tmp_path)


def test_bytes_that_are_not_text_are_a_sentence(tmp_path):
    (tmp_path / "dev.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not valid TOML"):
        load_stage("dev", tmp_path)


def test_an_absurd_number_is_a_sentence(tmp_path):
    (tmp_path / "dev.toml").write_text(f"a = {'9' * 5000}\n")
    with pytest.raises(ConfigError, match="is not valid TOML"):
        load_stage("dev", tmp_path)


@pytest.mark.parametrize("name", ["prod_eu", "Dev2", "a-very-long-name-for-a-stage"])
def test_a_stage_whose_name_no_resource_could_carry_is_refused(tmp_path, name):
    (tmp_path / f"{name}.toml").write_text("")
    with pytest.raises(ConfigError, match="cannot be part of a resource's name; name the file with"):
        load_stage(name, tmp_path)


def test_an_arm_type_is_fine_with_an_image_of_ones_own():
    own = "111122223333.dkr.ecr.us-east-1.amazonaws.com/arm:1"
    parse_stage(changed(serving__instance_type="ml.c7g.large", image__source="uri", image__uri=own), "config/dev.toml")


def test_unknown_stage_lists_those_there_are():
    with pytest.raises(ConfigError, match='there is no stage "porduction".*dev, local, prod'):
        load_stage("porduction")


@pytest.mark.parametrize("stage", ["local", "dev", "prod"])
def test_every_key_stands_in_the_stage_file(stage):
    """Optional ones as a commented line, so that nobody has to look elsewhere for what can be set."""
    text = (FOLDER / f"{stage}.toml").read_text()
    missing = [key for key in keys() if not re.search(rf"^(# )?{key.rsplit('.', 1)[1]} = ", text, re.MULTILINE)]
    assert [key for key in missing if (stage, key) != ("local", "image.uri")] == []


@pytest.mark.parametrize("stage", ["local", "dev", "prod"])
def test_stage_file_points_editors_to_the_schema(stage):
    assert (FOLDER / f"{stage}.toml").read_text().startswith("#:schema ./stage.schema.json\n")


def test_every_key_is_described_in_the_schema():
    for key, field in fields():
        assert field.description, key


def test_stage_files_are_read_without_cdk():
    code = "import sys, config; config.load_stage('dev'); sys.exit('aws_cdk' in sys.modules or 'jsii' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=FOLDER.parent, check=False).returncode == 0
