"""Where the embedded AWS keeps its files, and what the project's pyproject.toml says about it.

[tool.embedded-aws]
images = "serving/images.toml"   # which command an image URI runs
state = ".aws-on-this-machine"   # the folder; removing it removes everything
notebooks = ".venv-notebook"     # the Python environment whose Jupyter notebook instances open
"""

import contextlib
import pwd
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DEFAULT_FOLDER = ".embedded-aws"
# Of a notebook instance's files, the folder that outlives a stop: /home/ec2-user/SageMaker.
VOLUME = "SageMaker"
# A file of this name in a spot job's or a spot instance's folder takes its capacity away.
INTERRUPTION = "interrupt"
# In the folder of an instance that has such capacity.
SPOT = "spot.json"


class LocalError(Exception):
    """A user's mistake or a machine's limit, as one sentence."""


@dataclass(frozen=True)
class Home:
    """The folder of one embedded AWS."""

    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def objects(self) -> Path:
        return self.folder / "s3"

    @property
    def tls(self) -> Path:
        return self.folder / "tls"

    @property
    def identity_keys(self) -> Path:
        """Public keys of identity providers, HOST.json each, by which their tokens are checked."""
        return self.folder / "identity"

    @property
    def instances(self) -> Path:
        return self.folder / "instances"

    @property
    def jobs(self) -> Path:
        """Beside the endpoints' folders, under a name that no endpoint can have."""
        return self.instances / ".jobs"

    @property
    def machines(self) -> Path:
        """Each EC2 instance's files, beside the endpoints' folders; unlike those they outlive a stop."""
        return self.folder / "machines"

    @property
    def notebooks(self) -> Path:
        """Each notebook instance's files, ACCOUNT.REGION.NAME; like the machines' they outlive a stop."""
        return self.folder / "notebooks"

    def notebook(self, account: str, region: str, name: str) -> Path:
        return self.notebooks / f"{account}.{region}.{name}"

    @property
    def scratch(self) -> Path:
        return self.folder / "tmp"

    @property
    def damaged(self) -> Path:
        """Which of S3's objects the running server found damaged; absent when none is."""
        return self.folder / "damaged.json"

    @property
    def mail(self) -> Path:
        """What topics would have sent, a file a message."""
        return self.folder / "mail"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def facts(self) -> Path:
        """What a running server says about itself; absent when none runs."""
        return self.folder / "server.json"

    @property
    def last(self) -> Path:
        """What the last server said about itself, kept until its process group is empty: a kill leaves some of it."""
        return self.folder / "last.json"

    @property
    def server_lock(self) -> Path:
        """Held by the server for its lifetime; the kernel releases it however that ends. Its number stands in it."""
        return self.folder / "server.lock"

    @property
    def start_lock(self) -> Path:
        """Held by one command at a time that starts, stops or resets."""
        return self.folder / "start.lock"

    @property
    def secret(self) -> Path:
        return self.folder / "secret"

    @contextlib.contextmanager
    def permitted(self) -> Iterator[None]:
        """Another user's folder, or one whose permissions were changed, is a sentence instead of a trace."""
        try:
            yield
        except PermissionError as error:
            # A signal to another user's server names no file.
            place = Path(error.filename) if error.filename else self.folder
            if not place.is_relative_to(self.folder):
                raise
            folder, owner = _owner(self.folder)
            raise LocalError(
                f"{place} is closed to this user ({error.strerror}); {folder} belongs to {owner}: work as {owner}, put "
                "its permissions right, or choose another folder with --state DIR."
            ) from error

    def create(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self.permitted():
                for folder in (
                    self.state,
                    self.objects,
                    self.tls,
                    self.instances,
                    self.machines,
                    self.notebooks,
                    self.scratch,
                ):
                    folder.mkdir(exist_ok=True)
        except OSError as error:
            raise LocalError(
                f"The state folder {self.folder} cannot be made ({error.strerror}): choose a writable folder with "
                "--state DIR."
            ) from error


@dataclass(frozen=True)
class Project:
    """The folder that the user works in, as its pyproject.toml describes it."""

    root: Path
    images: Path | None
    home: Home
    notebooks: Path | None

    @classmethod
    def find(cls, start: Path | None = None) -> "Project":
        """The nearest folder at or above `start` with a pyproject.toml, or `start` itself."""
        start = (start or Path.cwd()).resolve()
        root = next((folder for folder in (start, *start.parents) if (folder / "pyproject.toml").is_file()), start)
        settings = _settings(root / "pyproject.toml")
        images, notebooks = settings.get("images"), settings.get("notebooks")
        return cls(
            root,
            root / images if images else None,
            Home(root / settings.get("state", DEFAULT_FOLDER)),
            root / notebooks if notebooks else None,
        )


def _owner(folder: Path) -> tuple[Path, str]:
    """Of the folder, or of the nearest one above it that shows its owner."""
    for place in (folder, *folder.parents):
        with contextlib.suppress(OSError):
            number = place.stat().st_uid
            try:
                return place, pwd.getpwuid(number).pw_name
            except KeyError:
                return place, f"user {number}"
    return folder, "another user"


def _settings(pyproject: Path) -> dict[str, str]:
    if not pyproject.is_file():
        return {}
    try:
        table = tomllib.loads(pyproject.read_text()).get("tool", {}).get("embedded-aws", {})
    except tomllib.TOMLDecodeError as error:
        raise LocalError(f"{pyproject} is not valid TOML: {error}.") from error
    for key, value in table.items():
        if key not in ("images", "notebooks", "state") or not isinstance(value, str) or not value:
            raise LocalError(
                f"{pyproject}, [tool.embedded-aws], {key} = {value!r}: allowed are images, notebooks and state, each a "
                "path."
            )
    return dict(table)
