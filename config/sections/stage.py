"""Which stage this is and where it lives."""

from typing import Annotated

from pydantic import Field

from config.sections.section import Section

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,18}[a-z0-9]$")]
Region = Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[1-9]$")]
AccountId = Annotated[str, Field(pattern=r"^[0-9]{12}$")]


class Stage(Section):
    project: Name
    """First part of every name that AWS makes us choose."""
    region: Region
    """Where everything is deployed."""
    account: AccountId | None = None
    """The only account this stage may be deployed to; without it, the account of the credentials in use."""
    protect: bool
    """Termination protection for the stack that holds data."""
    retain_data: bool
    """Whether the bucket, its key and the images outlive `cdk destroy`; if not, a bucket must be emptied first."""
