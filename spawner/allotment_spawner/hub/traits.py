"""The configuration that every spawner class of profiles shares."""

from pathlib import Path
from typing import Any

from traitlets import Bool, Float, Unicode
from traitlets.config import LoggingConfigurable

from allotment_profiles.git.remotes import Remote
from allotment_spawner.hub.shared import Shared, SharedConfiguration, shared


class ProfileSpawnerTraits(LoggingConfigurable):
    """Where the repository, the git server, the table of events and the service are."""

    user: Any
    """The hub's user, from JupyterHub's Spawner."""

    repository = Unicode(config=True, help="The path of the bare repository of profiles. It is only read.")
    allowed_signers = Unicode(config=True, help="The path of the allowed-signers file with the service's key.")
    events_url = Unicode(config=True, help="SQLAlchemy's URL of the table of events. Empty: none is kept.")
    poll_seconds = Float(0.5, config=True, help="How often the repository is checked for changes.")
    cache = Unicode(config=True, help="A file that caches what was read across restarts. Empty: no cache.")
    remote_url = Unicode(config=True, help="The repository on a git server. Empty: only `repository` is used.")
    remote_user = Unicode("allotment", config=True, help="The account's name for HTTPS.")
    remote_token_file = Unicode(config=True, help="The file with the token for HTTPS, which needs to read only.")
    remote_ssh_key_file = Unicode(config=True, help="The file with the private key for SSH, which needs to read only.")
    remote_known_hosts_file = Unicode(config=True, help="The file with the git server's SSH keys.")
    remote_ca_file = Unicode(config=True, help="The certificates that the git server is checked against.")
    remote_plain_http = Bool(False, config=True, help="Whether the address may be http://, which everyone can read.")
    fetch_seconds = Float(30, config=True, help="How often to fetch from the git server without a notification.")
    service_url = Unicode(config=True, help="The public address of the service, `…/services/allotment/`.")
    api_url = Unicode(config=True, help="Its API as sessions reach it, `…/api/v1`. Empty: below `service_url`.")

    @property
    def _shared(self) -> Shared:
        return shared(
            self.user.settings,
            SharedConfiguration(
                repository=Path(self.repository),
                allowed_signers=_path(self.allowed_signers),
                events_url=self.events_url,
                poll_seconds=self.poll_seconds,
                cache=_path(self.cache),
                remote=self._remote(),
                fetch_seconds=self.fetch_seconds,
            ),
            self.log,
        )

    def _remote(self) -> Remote | None:
        if not self.remote_url:
            return None
        return Remote(
            self.remote_url,
            self.remote_user,
            plain_http=self.remote_plain_http,
            token_file=_path(self.remote_token_file),
            ssh_key_file=_path(self.remote_ssh_key_file),
            known_hosts_file=_path(self.remote_known_hosts_file),
            ca_file=_path(self.remote_ca_file),
        )


def _path(text: str) -> Path | None:
    return Path(text) if text else None
