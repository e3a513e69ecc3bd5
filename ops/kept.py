"""What outlives its stack: told with its reason and its price, or taken too where all data is to go."""

from dataclasses import dataclass

from botocore.exceptions import ClientError

from ops.account import Account
from ops.console import Steps
from ops.deployment import Resource
from ops.emptying import bucket_exists, close_log, empty_bucket, stop_deliveries
from ops.notes import Notes

BUCKET, KEY, REPOSITORY = "AWS::S3::Bucket", "AWS::KMS::Key", "AWS::ECR::Repository"
KEY_DAYS = 30
WHY = {
    BUCKET: ("stage.retain_data = true keeps data; `--also-data` takes it", "0.023 a GB-month"),
    KEY: ("what is encrypted with it can be read no more without it; `--also-data` takes it", "1 a month"),
    REPOSITORY: ("stage.retain_data = true keeps images; `--also-data` takes them", "0.10 a GB-month"),
}


@dataclass(frozen=True)
class Left:
    """Something that stays, why, and what it costs."""

    what: str
    why: str
    costs: str


def outlives(resource: Resource) -> bool:
    """A key does in any case: AWS only ever schedules its deletion."""
    return resource.kind in WHY and (resource.retained or resource.kind == KEY)


class Kept:
    """What the notes say stays, of this run's stacks and of earlier ones'."""

    def __init__(self, account: Account, steps: Steps, notes: Notes) -> None:
        self._s3, self._kms, self._ecr = account.client("s3"), account.client("kms"), account.client("ecr")
        self._steps, self._notes = steps, notes
        self.objects = 0

    def take(self) -> None:
        """All of it; a key last, since it is needed until the buckets are empty."""
        self.empty([one.physical_id for one in self._notes.kept if one.kind == BUCKET])
        for resource in sorted(self._notes.kept, key=lambda one: one.kind == KEY):
            if resource.kind == BUCKET and bucket_exists(self._s3, resource.physical_id):
                self._s3.delete_bucket(Bucket=resource.physical_id)
            elif resource.kind == REPOSITORY:
                self._delete_repository(resource.physical_id)
            elif resource.kind == KEY and self._state(resource.physical_id) not in (None, "PendingDeletion"):
                self._kms.schedule_key_deletion(KeyId=resource.physical_id, PendingWindowInDays=KEY_DAYS)

    def empty(self, buckets: list[str]) -> None:
        names = [name for name in buckets if bucket_exists(self._s3, name)]
        for log in {close_log(self._s3, name) for name in names} & set(names):
            stop_deliveries(self._s3, log)
        for name in names:
            with self._steps.step(f"Empty s3://{name}") as remark:
                count = empty_bucket(self._s3, name, self._steps.progress("objects and versions"))
                self.objects += count
                remark.text = f"{count} objects and versions"

    def tell(self) -> list[Left]:
        """What is still there. What is gone, or will go by itself, need not be remembered any longer."""
        left = []
        for resource in list(self._notes.kept):
            there, going = self._look(resource)
            if there:
                what = f"{resource.noun} {resource.physical_id}"
                why = (f"pending deletion: can be called back for {KEY_DAYS} days", "nothing")
                left.append(Left(what, *(why if going else WHY[resource.kind])))
            if going or not there:
                self._notes.forget(resource)
        return left

    def _look(self, resource: Resource) -> tuple[bool, bool]:
        """Whether it is there, and whether it is on its way out."""
        match resource.kind:
            case "AWS::S3::Bucket":
                return bucket_exists(self._s3, resource.physical_id), False
            case "AWS::KMS::Key":
                state = self._state(resource.physical_id)
                return state is not None, state == "PendingDeletion"
        return self._repository_exists(resource.physical_id), False

    def _state(self, key: str) -> str | None:
        try:
            return str(self._kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"])
        except ClientError as error:
            if error.response["Error"]["Code"] == "NotFoundException":
                return None
            raise

    def _delete_repository(self, name: str) -> None:
        if self._repository_exists(name):
            self._ecr.delete_repository(repositoryName=name, force=True)

    def _repository_exists(self, name: str) -> bool:
        try:
            self._ecr.describe_repositories(repositoryNames=[name])
        except ClientError as error:
            if error.response["Error"]["Code"] == "RepositoryNotFoundException":
                return False
            raise
        return True
