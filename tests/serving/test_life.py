"""Starting, refusing to start, draining: the process as SageMaker meets it."""

import ast
import asyncio
import base64
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from PIL import Image
from uvicorn.lifespan.off import LifespanOff

from serving.errors import StartError
from serving.preparing import prepare_model
from serving.server import Server
from tests.serving.asgi import Exchange, house
from tests.serving.pictures import encode, jpeg
from tests.serving.processes import MODEL, ROOT, STARTER, ServerProcess, wait_until

STAR = (STARTER / "samples" / "star.jpg").read_bytes()


@contextmanager
def running(model: Path = MODEL, program: Sequence[str] = (), **environment: str) -> Iterator[ServerProcess]:
    process = ServerProcess(model, program, **environment)
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.process.kill()
            process.wait()


def refused(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Start a server that is expected not to start."""
    return subprocess.run(
        [sys.executable, "-m", "serving", *words],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def test_damaged_artefact_is_refused_with_its_reason(
    edit: Callable[[Callable[[dict[str, Any]], object]], Path],
) -> None:
    folder = edit(lambda metadata: metadata.update(format=99))
    result = refused("--model", str(folder), "--port", "0")
    assert result.returncode == 1
    assert (
        result.stderr
        == f"serving: {folder}/model.json: format is 99; it must be one of 1, which this server can read\n"
    )


@pytest.mark.parametrize(
    ("name", "from_", "to"),
    [("model.onnx", b"kernel_shape", b"\xe5ernel_shape"), ("model.pt", b"PK", b"KP")],
    ids=["network", "weights"],
)
def test_damage_is_told_by_the_hash_and_nothing_else(model_dir: Path, name: str, from_: bytes, to: bytes) -> None:
    """Files are hashed while ONNX Runtime reads the network already, and the worker warms up."""
    path = model_dir / name
    path.write_bytes(path.read_bytes().replace(from_, to, 1))
    result = refused("--model", str(model_dir), "--port", "0")
    assert result.returncode == 1
    assert f"{path}: its SHA-256 is " in result.stderr
    assert (result.stderr.count("\n"), result.stdout) == (1, "")


def test_network_that_onnx_runtime_cannot_read_is_refused(model_dir: Path) -> None:
    (model_dir / "model.onnx").write_bytes(b"no network")
    path = model_dir / "model.json"
    metadata = json.loads(path.read_text())
    metadata["files"]["model.onnx"]["sha256"] = hashlib.sha256(b"no network").hexdigest()
    path.write_text(json.dumps(metadata))
    result = refused("--model", str(model_dir), "--port", "0")
    assert result.returncode == 1
    assert "model.onnx: ONNX Runtime cannot load it" in result.stderr
    assert "Traceback" not in result.stderr


def test_wrong_setting_is_refused_with_its_reason() -> None:
    result = refused("--model", str(MODEL), WHIPPET_SERVING_CORES="none")
    assert result.returncode == 1
    assert result.stderr == "serving: WHIPPET_SERVING_CORES=none: it must be a whole number from 0 to 256\n"


def test_port_in_use_is_refused_with_its_reason() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = refused("--model", str(MODEL), "--port", str(taken.getsockname()[1]))
    assert result.returncode == 1
    assert "Address already in use" in result.stderr
    assert "Traceback" not in result.stderr


def test_listens_on_loopback_only_by_default(server: ServerProcess) -> None:
    assert server.wait_for("ready")["host"] == "127.0.0.1"


def test_unpacked_folder_is_served_too(unpacked: Path) -> None:
    process = ServerProcess(model=unpacked)
    assert process.ask("GET", "/ping").status == 200
    assert process.stop() == 0


def test_body_limit_is_a_setting() -> None:
    with running(WHIPPET_SERVING_MAX_BODY_BYTES="1000") as process:
        answer = process.invoke(jpeg())
    assert answer.status == 413
    assert "1000 bytes" in answer.document["error"]["message"]


def slow_picture() -> bytes:
    """A picture at the pixel limit, which takes a while to decode."""
    return encode(Image.effect_noise((4900, 4900), 60), "PNG", compress_level=1)


def test_sigterm_lets_a_request_in_progress_finish() -> None:
    with running(WHIPPET_SERVING_MAX_BODY_BYTES="40000000") as process:
        picture, answers = slow_picture(), []
        client = threading.Thread(target=lambda: answers.append(process.invoke(picture)))
        client.start()
        wait_until(lambda: has_connection(process.port))
        time.sleep(0.1)
        assert process.stop() == 0
        client.join(10)
    assert [answer.status for answer in answers] == [200]
    events = [line["event"] for line in process.lines]
    assert events.index("draining") < events.index("request")


def has_connection(port: int) -> bool:
    """Whether somebody is connected to a local port (state 01 in the kernel's table)."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return any(int(row[1].split(":")[1], 16) == port and row[3] == "01" for row in rows)


def test_sigterm_closes_the_port_and_ends_with_status_0() -> None:
    with running() as process:
        port = process.port
        assert process.stop() == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=2)


def test_idle_connection_does_not_hold_up_the_end() -> None:
    with running() as process, socket.create_connection(("127.0.0.1", process.port)):
        start = time.monotonic()
        assert process.stop() == 0
        assert time.monotonic() - start < 5


class Newcomer:
    """A connection that was being accepted when the signal came."""

    def __init__(self, connections: set[Any]) -> None:
        self.connections = connections

    def shutdown(self) -> None:
        self.connections.discard(self)


def test_connection_accepted_at_the_last_moment_does_not_hold_up_the_end_either() -> None:
    async def drain() -> None:
        server = Server(uvicorn.Config("none", lifespan="off", timeout_graceful_shutdown=25))
        server.servers, server.lifespan = [], LifespanOff(server.config)
        connections = server.server_state.connections
        asyncio.get_running_loop().call_later(0.02, lambda: connections.add(Newcomer(connections)))
        await asyncio.wait_for(server.shutdown(), 5)

    asyncio.run(drain())


def test_interrupt_from_the_keyboard_drains_as_well() -> None:
    with running() as process:
        process.process.send_signal(signal.SIGINT)
        assert process.wait() == 0


def test_threads_of_the_engine_keep_to_a_core_each(server: ServerProcess) -> None:
    pinned_to = server.wait_for("loaded")["pinned_to"]
    allowed = [
        re.findall(r"Cpus_allowed_list:\s*(\S+)", status.read_text())[0]
        for status in Path(f"/proc/{server.worker_pid}/task").glob("*/status")
    ]
    assert {str(processor) for processor in pinned_to} <= set(allowed)


def test_batch_transform_job_may_send_much_at_once() -> None:
    picture = base64.b64encode(jpeg(600, 400, quality=95))
    body = b"\n".join([b'{"image": "' + picture + b'"}'] * (7 * 1024**2 // len(picture)))
    with running(SAGEMAKER_BATCH="true", SAGEMAKER_MAX_PAYLOAD_IN_MB="10") as process:
        answer = process.invoke(body, "application/jsonlines")
        parameters = process.ask("GET", "/execution-parameters").document
    assert (answer.status, len(answer.lines)) == (200, body.count(b"\n") + 1)
    assert all("predictions" in line for line in answer.lines)
    assert parameters["MaxPayloadInMB"] == 10


def test_every_log_line_is_json_with_time_level_and_event() -> None:
    with running() as process:
        process.invoke(b"no image")
        process.stop()
        lines = process.lines
    assert [line["event"] for line in lines] == ["loaded", "ready", "request", "draining", "drained"]
    assert all({"time", "level", "event"} <= set(line) for line in lines)


def test_server_needs_neither_torch_nor_the_onnx_package() -> None:
    code = "import sys, serving.server; print(sorted({'torch', 'onnx', 'pydantic', 'boto3'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_model_swapped_under_a_server_changes_nothing(model_dir: Path) -> None:
    with running(model=model_dir) as process:
        before = process.invoke(STAR).document
        (model_dir / "model.onnx").write_bytes(b"another network")
        (model_dir / "model.json").unlink()
        assert process.invoke(STAR).document == before
        os.kill(process.worker_pid, signal.SIGKILL)
        process.wait_for("worker_replaced")
        assert process.invoke(STAR).document == before


def test_disk_that_is_full_at_the_start_is_told(tmp_path: Path) -> None:
    # A limit on the size of files stands for a full disk: writing fails in the same places.
    limited = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)); from serving.__main__ import main; sys.exit(main(sys.argv[1:]))"
    for model in (MODEL, unpack_starter(tmp_path)):
        words = [sys.executable, "-c", limited, "--model", str(model), "--port", "0"]
        result = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
        assert result.returncode == 1
        assert "no room" in result.stderr
        assert result.stderr.count("\n") == 1


def unpack_starter(folder: Path) -> Path:
    with tarfile.open(MODEL) as tar:
        tar.extractall(folder, filter="data")
    return folder


def test_too_little_room_is_told_before_anything_is_written(
    unpacked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage)
    with pytest.raises(StartError, match="no room for the prepared network .1000 bytes are free"):
        prepare_model(unpacked, tmp_path, "fp32")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_behind_in_the_temporary_folder(tmp_path: Path) -> None:
    with running(TMPDIR=str(tmp_path)) as process:
        assert len(list(tmp_path.iterdir())) == 1
        process.stop()
    assert list(tmp_path.iterdir()) == []


def test_no_clock_that_can_jump_decides_anything() -> None:
    for path in (ROOT / "serving").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) != ("time", "time"), path


def test_clock_that_jumps_does_not_end_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    jumps = iter(range(0, 10**12, 10**8))
    monkeypatch.setattr(time, "time", lambda: float(next(jumps)))
    with house() as ours:
        ours.engine.gate.set()

        async def scenario() -> None:
            assert (await Exchange(ours.app).run()).status == 200
            assert (await Exchange(ours.app, method="GET", path="/ping").run()).status == 200

        asyncio.run(scenario())
