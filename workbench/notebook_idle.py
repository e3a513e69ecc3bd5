"""Stop this notebook instance when no kernel and no terminal has done anything for so many minutes. Run by a timer.

Jupyter itself says when each was last active. Where it does not answer, nothing is concluded: the sweep from outside,
in the Operations stack, is what stops a forgotten instance then.
"""

import json
import ssl
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

JUPYTER = "https://localhost:8443/api"
METADATA = Path("/opt/ml/metadata/resource-metadata.json")


def main(words: list[str]) -> int:
    allowed = float(words[0])
    try:
        active = [*asked("kernels"), *asked("terminals")]
    except (OSError, ValueError) as error:
        sys.stderr.write(f"whippet: Jupyter does not say what it does: {error}\n")
        return 1
    idle = idle_minutes(active, started(Path("/proc/uptime"), datetime.now(UTC)), datetime.now(UTC))
    if idle < allowed:
        return 0
    itself = json.loads(METADATA.read_text())
    name, region = itself["ResourceName"], itself["ResourceArn"].split(":")[3]
    sys.stdout.write(f"idle for {idle:.0f} minutes: stopping {name}\n")
    command = ["aws", "--region", region, "sagemaker", "stop-notebook-instance", "--notebook-instance-name", name]
    return subprocess.run(command, check=False).returncode


def asked(what: str) -> list[dict[str, Any]]:
    # Jupyter's certificate is its own, for an address that never leaves the machine.
    trusting = ssl._create_unverified_context()  # noqa: S323
    with urllib.request.urlopen(f"{JUPYTER}/{what}", context=trusting, timeout=20) as answer:  # noqa: S310 - https
        return list(json.load(answer))


def started(uptime: Path, now: datetime) -> datetime:
    return datetime.fromtimestamp(now.timestamp() - float(uptime.read_text().split()[0]), UTC)


def idle_minutes(active: list[dict[str, Any]], since: datetime, now: datetime) -> float:
    """A busy kernel is activity now; a start is activity too."""
    if any(one.get("execution_state") == "busy" for one in active):
        return 0.0
    times = [datetime.fromisoformat(one["last_activity"].replace("Z", "+00:00")) for one in active]
    return (now - max([since, *times])).total_seconds() / 60


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
