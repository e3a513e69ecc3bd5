"""The image's build steps carried out in a Debian root, and what comes out of them run as SageMaker runs it.

There is no container engine here, and Docker Hub's base image cannot be pulled without one. The root is Debian's own of
the same release, made by debootstrap, with Debian's Python 3.11 in the place of the base image's: what the steps need
beyond a bare system, they must bring.
"""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from tests.serving import dockerfile
from tests.serving.dockerfile import SERVING
from tests.serving.processes import MODEL, ROOT, STARTER, free_port

pytestmark = pytest.mark.slow

RELEASE, MIRROR = "bookworm", "http://deb.debian.org/debian"
BASE_PACKAGES = "python3,python3-pip,ca-certificates,netbase,tzdata"
# The official slim image leaves these out as well.
LEFT_OUT = ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists", "var/log")
LARGEST_BYTES = 450_000_000
WHEELS = "/wheels"
# Processes with their own /proc, in the root, gone with the first of them.
INSIDE = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]


def inside(root, *words, user=None):
    return [
        *INSIDE,
        f"--mount-proc={root}/proc",
        "chroot",
        *([f"--userspec={user}"] if user else []),
        str(root),
        *words,
    ]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A bare Debian with Python and pip, standing in for the base image."""
    if os.geteuid() != 0:
        pytest.skip("only root can make a Debian root and enter it")
    for program in ("debootstrap", "unshare", "chroot"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program}; on Debian: apt install {program}")
    root = tmp_path_factory.mktemp("image") / "root"
    command = ["debootstrap", "--variant=minbase", f"--include={BASE_PACKAGES}", RELEASE, str(root), MIRROR]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode and "Failed getting release file" in made.stdout + made.stderr:
        pytest.skip(f"{MIRROR} does not answer")
    assert made.returncode == 0, made.stdout[-2000:]
    for name in LEFT_OUT:
        shutil.rmtree(root / name, ignore_errors=True)
    for python in (root / "usr/lib").glob("python3*/EXTERNALLY-MANAGED"):
        python.unlink()  # Debian's word to pip, which the base image's own Python does not have
    (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    yield root
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """What pip would fetch, for the container's Python and whatever runs the tests; the steps themselves go offline."""
    folder = tmp_path_factory.mktemp("wheels")
    platforms = ["manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"]
    words = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(folder), "--only-binary=:all:"]
    words += ["--python-version", "3.11", "--implementation", "cp", *(f"--platform={name}" for name in platforms)]
    subprocess.run([*words, "--no-deps", "-r", str(SERVING / "requirements.txt")], check=True)
    return folder


@pytest.fixture(scope="module")
def image(base, wheels):
    """The root after every step of target serve, and what the steps say about how to run it."""
    subprocess.run(["cp", "-r", str(wheels), f"{base}{WHEELS}"], check=True)

    def run(line, environment):
        offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": WHEELS, "PIP_ROOT_USER_ACTION": "ignore", "HOME": "/root"}
        command = inside(base, "/bin/sh", "-c", line)
        done = subprocess.run(command, env={**environment, **offline}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"RUN {line}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"

    text = (SERVING / "Dockerfile").read_text()
    built = dockerfile.build(dockerfile.stage(text, "serve"), SERVING, base, run)
    shutil.rmtree(f"{base}{WHEELS}")
    model = base / "opt/ml/model"
    with tarfile.open(MODEL) as tar:
        tar.extractall(model, filter="data")
    return base, built


@pytest.fixture(params=["as root", "as a user"])
def server(image, request):
    """`docker run IMAGE serve`, with the port that SageMaker names; and `--user 1000:1000`."""
    root, built = image
    user = "1000:1000" if request.param == "as a user" else None
    environment = {**built.environment, "SAGEMAKER_BIND_TO_PORT": str(port := free_port())}
    process = subprocess.Popen(
        inside(root, *built.command, user=user), env=environment, stdout=subprocess.PIPE, text=True
    )
    yield process, port
    for pid in children(process.pid):
        os.kill(pid, signal.SIGKILL)  # the namespace's first process: all others go with it
    process.communicate()


def children(pid):
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def ask(port, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body, {"Content-Type": "image/jpeg"})
    response = connection.getresponse()
    answer = response.status, json.loads(response.read() or b"null")
    connection.close()
    return answer


def ask_when_up(process, port):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return ask(port, "GET", "/ping")
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"it did not come up: {process.communicate()[0]}")


def test_image_answers_as_sagemaker_asks(server):
    process, port = server
    assert ask_when_up(process, port)[0] == 200
    status, answer = ask(port, "POST", "/invocations", (STARTER / "samples" / "star.jpg").read_bytes())
    assert (status, answer["predictions"][0]["label"]) == (200, "star")


def test_image_drains_when_it_is_told_to_stop(server):
    process, port = server
    ask_when_up(process, port)
    (first,) = children(process.pid)
    os.kill(first, signal.SIGTERM)
    assert process.wait(30) == 0


def test_image_is_small(image):
    root, _ = image
    words = ["du", "--bytes", "--summarize", "--one-file-system", str(root)]
    used = int(subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()[0])
    print(f"image: {used / 1e6:.0f} MB")
    assert used <= LARGEST_BYTES


def test_image_carries_the_list_of_what_is_in_it(image):
    root, _ = image
    document = json.loads((root / "opt/whippet/sbom.cdx.json").read_text())
    urls = {component["purl"] for component in document["components"]}
    pins = [line for line in (SERVING / "requirements.txt").read_text().splitlines() if "==" in line]
    assert {f"pkg:pypi/{line.replace('==', '@')}" for line in pins} <= urls
    query = ["dpkg-query", "--admindir", str(root / "var/lib/dpkg"), "--show", "--showformat", "${Package}\n"]
    packages = subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()
    listed = {url.split("/")[2].split("@")[0] for url in urls if url.startswith("pkg:deb/")}
    assert {name.replace("+", "%2B") for name in packages} == listed


def test_lists_are_valid_cyclonedx(image):
    """By the schema in CycloneDX's own library, which Checkov brings along."""
    lists = [image[0] / "opt/whippet/sbom.cdx.json", ROOT / "docs" / "sbom.cdx.json"]
    program = (
        "import sys\n"
        "from cyclonedx.schema import SchemaVersion\n"
        "from cyclonedx.validation.json import JsonStrictValidator\n"
        "faults = [JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(name).read()) for name in sys.argv[1:]]\n"
        "sys.exit(str([fault for fault in faults if fault]) if any(faults) else 0)\n"
    )
    python = ROOT / ".venv-checkov" / "bin" / "python"
    done = subprocess.run([python, "-c", program, *map(str, lists)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_checkov_finds_nothing_in_the_dockerfile_without_a_reason():
    reasons = {
        "CKV_DOCKER_2": "SageMaker asks /ping by itself and takes no notice of HEALTHCHECK",
        "CKV_DOCKER_3": "SageMaker runs containers as root and mounts the model for root; any other user works as well",
    }
    program = ROOT / ".venv-checkov" / "bin" / "checkov"
    assert program.exists(), "Checkov has an environment of its own: `make checkov` makes it"
    words = ["--framework", "dockerfile", "--file", str(SERVING / "Dockerfile"), "--output", "json", "--skip-download"]
    done = subprocess.run([program.with_name("python"), program, *words], capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert report["summary"]["passed"] > 10
    assert {found["check_id"] for found in report["results"]["failed_checks"]} == reasons.keys()
