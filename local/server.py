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
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from local.facts import ALREADY_RUNNING, USER_ERROR, Facts
from local.gateway import Gateway
from local.home import Home, LocalError
from local.tls import Certificates

if TYPE_CHECKING:
    from local.assembly import Assembly

LOOPBACK = "127.0.0.1"
SAVE_EVERY_SECONDS = 5
DRAIN_SECONDS = 5


@dataclass(frozen=True)
class Settings:
    home: Home
    port: int
    images: Path | None
    account: str
    region: str
    launch_seconds: float


def main() -> int:
    settings = _arguments()
    settings.home.create()
    lock = settings.home.server_lock.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
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


def _arguments() -> Settings:
    parser = argparse.ArgumentParser(prog="python -m local.server")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--account", required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("--launch-seconds", type=float, required=True)
    given = parser.parse_args()
    return Settings(Home(given.home), given.port, given.images, given.account, given.region, given.launch_seconds)


def _listeners(port: int) -> tuple[socket.socket, socket.socket]:
    """Bound here, so that a port in use is known before anything else happens. Plain http takes the next port."""
    secure = _bound(port)
    if secure is None:
        raise LocalError(f"Port {port} on {LOOPBACK} is in use: stop what uses it, or choose another with --port N.")
    plain = _bound(secure.getsockname()[1] + 1) or _bound(0)
    if plain is None:
        raise LocalError(f"No free port is left on {LOOPBACK}.")
    return secure, plain


def _bound(port: int) -> socket.socket | None:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
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
        TMPDIR=str(home.scratch),
        AWS_ACCESS_KEY_ID=settings.account,
        AWS_SECRET_ACCESS_KEY=home.secret.read_text().strip(),
    )


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
    )
    # One line a service and save otherwise, every few seconds.
    logging.getLogger("persistence").setLevel(logging.WARNING)
    assembly = Assembly(settings, facts.url)
    gateway = Gateway(assembly.application, on_started=lambda: _announce(settings.home, facts, assembly))
    asyncio.run(_run(settings, gateway, assembly, secure, plain))


def _announce(home: Home, facts: Facts, assembly: "Assembly") -> None:
    """From here on `start` can see the server; what ran before a stop is started again behind the answer."""
    for path in (home.last, home.facts):
        staging = path.with_suffix(".new")
        staging.write_text(json.dumps(asdict(facts)))
        staging.replace(path)
    assembly.resume()


async def _run(
    settings: Settings, gateway: Gateway, assembly: "Assembly", secure: socket.socket, plain: socket.socket
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
    serving = asyncio.create_task(serve(gateway, config, shutdown_trigger=_never))
    await asyncio.wait([serving, asyncio.create_task(stopping.wait())], return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        await serving
    saving.cancel()
    await gateway.drained(DRAIN_SECONDS)
    await assembly.s3_access_log.deliver()
    await asyncio.to_thread(assembly.stop)
    assembly.save()
    settings.home.facts.unlink(missing_ok=True)
    logging.shutdown()
    # State is saved and every process stopped. Returning would wait for idle TLS connections (30 s) and for the threads
    # of stack operations under way, which for a custom resource that never answers is an hour.
    os._exit(0)


async def _never() -> None:
    await asyncio.Event().wait()


async def _save_changes(gateway: Gateway, assembly: "Assembly") -> None:
    """A kill loses the last seconds, not everything since the start. On the loop: no request runs meanwhile."""
    while True:
        await asyncio.sleep(SAVE_EVERY_SECONDS)
        if gateway.changed:
            gateway.changed = False
            assembly.save()


def _terminate(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    # Until the loop installs its own handlers, a signal ends the start at once.
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(main())
