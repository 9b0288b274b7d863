"""The values `custom.allotment` of the Helm chart."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

HUB_STATE = Path("/srv/jupyterhub")
"""The hub's volume."""


class _Values(BaseModel):
    # Charts write values in camel case.
    model_config = ConfigDict(extra="allow", frozen=True, alias_generator=to_camel)


class RepositoryValues(_Values):
    """Where the repository of profiles is."""

    url: str
    """`https://host/path` or `ssh://git@host/path`, without credentials."""
    user: str = "allotment"
    """The account for HTTPS."""
    plain_http: bool = False
    """Whether the address may be `http://`."""
    fetch_seconds: float = Field(default=30, gt=0)
    """How often the hub fetches, besides when the service asks it to."""

    @model_validator(mode="after")
    def _check_scheme(self) -> Self:
        if self.url.startswith("http://") and not self.plain_http:
            raise ValueError("url is http://, so its token could be read: use https://, or set plainHttp: true")
        return self


class ChartValues(_Values):
    """`custom.allotment` of the values."""

    public_url: str = Field(pattern=r"^https?://[^/\s]+(/[^\s]*)?$")
    """The hub's address for browsers."""
    repository: RepositoryValues
    sessions_url: str = "http://proxy-public"
    """The proxy's address for sessions, without the hub's base URL."""
    service_url: str = "http://allotment:10101"
    """The service's address for the proxy."""
    events_url: str = f"sqlite:///{HUB_STATE}/events.sqlite"
    """The SQLAlchemy URL of the table of events. Proposals show first starts if the service has the same URL."""
    home: str = Field(default="/home/jovyan", pattern=r"^/[A-Za-z0-9_./-]+$")
    """Where the home folder is mounted in sessions."""
    team_claim: str = ""
    """The volume claim with a folder for each team; empty for none."""
    preparing_image: str = ""
    """The image that fetches a profile's code, normally the hub's; empty if none is fetched."""
