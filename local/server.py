"""The embedded AWS's own process: python -m local.server --home DIR [--port N] ... ; `python -m local start` runs it.

Everything that MiniStack reads from its environment is set here, before its first import.
"""

import argparse
import asyncio
import fcntl
import json
import logging
import os
import shutil
import signal
import socket
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import IO, TYPE_CHECKING

from local import isolation, process_group
from local.facts import ALREADY_RUNNING, USER_ERROR, Facts
from local.gateway import Gateway
from local.home import Home, LocalError
from local.tls import Certificates

if TYPE_CHECKING:
    from local.assembly import Assembly

LOOPBACK = "127.0.0.1"
SAVE_EVERY_SECONDS = 5
DRAIN_SECONDS = 5
LOCK_SECONDS = 1.0


@dataclass(frozen=True)
class Settings:
    home: Home
    port: int
    images: Path | None
    account: str
    region: str
    launch_seconds: float
    clock: float
    notebooks: Path | None
    parent: int


def main() -> int:
    settings = _arguments()
    settings.home.create()
    lock = settings.home.server_lock.open("a+")
    if not _locked(lock):
        return ALREADY_RUNNING
    # Before it answers, and without anything else, who stops it finds it by this.
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    if os.getppid() != settings.parent:
        # Whoever started it is gone, and so may be a `stop` that came before the lock.
        return ALREADY_RUNNING
    # A killed server's own words would pass for this one's, since the lock is held again.
    settings.home.facts.unlink(missing_ok=True)
    try:
        secure, plain = _listeners(settings.port)
        _environment(settings, secure.getsockname()[1])
        _serve(settings, secure, plain)
    except LocalError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201 - read by `start`
        return USER_ERROR
    finally:
        settings.home.facts.unlink(missing_ok=True)
    return 0


def _locked(lock: IO[str]) -> bool:
    """Who asks whether a server runs holds the lock for a moment; a server holds it for good."""
    until = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() >= until:
                return False
            time.sleep(0.01)
        else:
            return True


def _arguments() -> Settings:
    parser = argparse.ArgumentParser(prog="python -m local.server")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--account", required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("--launch-seconds", type=float, required=True)
    parser.add_argument("--clock", type=float, required=True)
    parser.add_argument("--notebooks", type=Path)
    parser.add_argument("--parent", type=int, required=True, help="the process that waits for its first answer")
    given = parser.parse_args()
    return Settings(
        Home(given.home),
        given.port,
        given.images,
        given.account,
        given.region,
        given.launch_seconds,
        given.clock,
        given.notebooks,
        given.parent,
    )


def _listeners(port: int) -> tuple[socket.socket, socket.socket]:
    """Made here, so that a port in use is known before anything else happens. Plain http takes the next port.

    They listen at once: a socket that is only bound does not keep another server from its port, and what connects while
    state is read back waits instead of being refused.
    """
    secure = _bound(port)
    if secure is None:
        raise LocalError(
            f"Port {port} on {LOOPBACK} is in use: stop what uses it, choose another with --port N, or start it first "
            "with `python -m local start --port N`; what asks for it then uses the running one."
        )
    plain = _bound(secure.getsockname()[1] + 1) or _bound(0)
    if plain is None:
        raise LocalError(f"No free port is left on {LOOPBACK}.")
    return secure, plain


def _bound(port: int) -> socket.socket | None:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
        listener.listen()
    except (OSError, OverflowError):
        listener.close()
        return None
    return listener


def _environment(settings: Settings, port: int) -> None:
    home = settings.home
    certificates = Certificates(home.tls)
    certificates.ensure()
    shutil.rmtree(home.scratch, ignore_errors=True)
    home.scratch.mkdir()
    _forget_instances(home)
    os.environ.update(
        AUTH="true",
        USE_SSL="1",
        BIND_HOST=LOOPBACK,
        GATEWAY_PORT=str(port),
        MINISTACK_SSL_CERT=str(certificates.certificate),
        MINISTACK_SSL_KEY=str(certificates.key),
        MINISTACK_ACCOUNT_ID=settings.account,
        MINISTACK_REGION=settings.region,
        PERSIST_STATE="1",
        STATE_DIR=str(home.state),
        S3_PERSIST="1",
        S3_DATA_DIR=str(home.objects),
        # MQTT and SFTP would listen on ports of their own.
        IOT_MTLS_ENABLED="0",
        SFTP_ENABLED="0",
        # MiniStack removes containers that it takes for its own; a user's Docker is none of its business.
        DOCKER_HOST=f"unix://{home.scratch / 'no-docker'}",
        LAMBDA_EXECUTOR="local",
        # A function that failed on an event is tried again after this and after twice this, on AWS minutes.
        LAMBDA_ASYNC_RETRY_BASE_SECONDS="0.2",
        TMPDIR=str(home.scratch),
        AWS_ACCESS_KEY_ID=settings.account,
        AWS_SECRET_ACCESS_KEY=home.secret.read_text().strip(),
    )


def _forget_instances(home: Home) -> None:
    """What a kill left of them; none runs yet. The log of a failed launch stays, a FailureReason names it."""
    for endpoint in home.instances.iterdir():
        for place in endpoint.iterdir() if endpoint.is_dir() else ():
            if place.is_dir():
                shutil.rmtree(place, ignore_errors=True)
        if endpoint.is_dir() and not any(endpoint.iterdir()):
            endpoint.rmdir()


def _serve(settings: Settings, secure: socket.socket, plain: socket.socket) -> None:
    from local.assembly import Assembly  # noqa: PLC0415 - imports MiniStack, which reads the environment set above

    port, http_port = secure.getsockname()[1], plain.getsockname()[1]
    facts = Facts(
        url=f"https://localhost:{port}",
        http_url=f"http://localhost:{http_port}",
        pid=os.getpid(),
        port=port,
        http_port=http_port,
        account=settings.account,
        region=settings.region,
        images=str(settings.images) if settings.images else None,
        clock=settings.clock,
        not_isolated=isolation.why_not(),
    )
    # One line a service and save otherwise, every few seconds.
    logging.getLogger("persistence").setLevel(logging.WARNING)
    assembly = Assembly(settings, facts.url)
    gateway = Gateway(assembly.application, on_started=lambda: _resume(settings.home, facts, assembly))
    asyncio.run(_run(settings, gateway, assembly, facts, secure, plain))


def _resume(home: Home, facts: Facts, assembly: "Assembly") -> None:
    """State is read back. Before the first process starts, a file says in whose group it will be found."""
    _write(home.last, facts)
    assembly.resume()


def _write(path: Path, facts: Facts) -> None:
    staging = path.with_suffix(".new")
    staging.write_text(json.dumps(asdict(facts)))
    staging.replace(path)


async def _run(  # noqa: PLR0917 - what was made, each once
    settings: Settings,
    gateway: Gateway,
    assembly: "Assembly",
    facts: Facts,
    secure: socket.socket,
    plain: socket.socket,
) -> None:
    from hypercorn.asyncio import serve  # noqa: PLC0415 - after the environment
    from hypercorn.config import Config  # noqa: PLC0415

    config = Config()
    config.bind = [f"fd://{secure.fileno()}"]
    config.insecure_bind = [f"fd://{plain.fileno()}"]
    config.certfile, config.keyfile = os.environ["MINISTACK_SSL_CERT"], os.environ["MINISTACK_SSL_KEY"]
    config.keep_alive_timeout = 75
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    saving = asyncio.create_task(_save_changes(gateway, assembly))

    async def announce() -> None:
        """Hypercorn asks what will end it once it answers on both ports; from here on `start` can see the server."""
        _write(settings.home.facts, facts)
        await asyncio.Event().wait()

    serving = asyncio.create_task(serve(gateway, config, shutdown_trigger=announce))
    await asyncio.wait([serving, asyncio.create_task(stopping.wait())], return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        await serving
    saving.cancel()
    await gateway.drained(DRAIN_SECONDS)
    await assembly.s3_access_log.deliver()
    await assembly.flow_records.deliver()
    await asyncio.to_thread(assembly.stop)
    saved = assembly.save()
    await asyncio.to_thread(process_group.end_others)
    if saved:
        # `stop` takes what it finds of it for a sign that something is lost.
        settings.home.facts.unlink(missing_ok=True)
    logging.shutdown()
    # State is saved and every process stopped. Returning would wait for idle TLS connections (30 s) and for the threads
    # of stack operations under way, which for a custom resource that never answers is an hour.
    os._exit(0)


async def _save_changes(gateway: Gateway, assembly: "Assembly") -> None:
    """A kill loses the last seconds, not everything since the start. On the loop: no request runs meanwhile."""
    while True:
        await asyncio.sleep(SAVE_EVERY_SECONDS)
        if gateway.changed:
            # What could not be saved is tried again.
            gateway.changed = not assembly.save()


def _terminate(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    # Until the loop installs its own handlers, a signal ends the start at once.
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(main())
