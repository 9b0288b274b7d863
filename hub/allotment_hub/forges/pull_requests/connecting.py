"""Makes the adapter for a repository on a forge."""

import re
from pathlib import Path
from urllib.parse import urlsplit

from allotment_hub.forges.pull_requests.forge import Forge
from allotment_hub.forges.pull_requests.gitea import GiteaForge
from allotment_hub.forges.pull_requests.github import GitHubForge
from allotment_hub.forges.pull_requests.gitlab import GitLabForge
from allotment_hub.forges.webhooks import ForgeKind


class ForgeConfigurationError(ValueError):
    """The configuration of a forge cannot be right. The text is for the administrator."""


_REPOSITORY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)+")


def connect(
    kind: ForgeKind, url: str, repository: str, *, token_file: Path | None = None, app_id: str = "",
    app_key_file: Path | None = None, ca_file: Path | None = None, plain_http: bool = False,
) -> Forge:  # fmt: skip
    """Return the adapter for a repository such as `team/profiles` at `https://git.example.org`.

    Nothing is asked yet. Raise ForgeConfigurationError for what cannot be right.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" and not (plain_http and parts.scheme == "http"):
        raise ForgeConfigurationError(
            "the forge's address begins with https://, since http:// would send credentials unencrypted;"
            " where that is harmless, say plain_http: true"
        )
    if not parts.hostname or parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ForgeConfigurationError(
            "the forge's address is that of its first page, without credentials: https://git.example.org"
        )
    if not _REPOSITORY.fullmatch(repository) or (kind != "gitlab" and repository.count("/") > 1):
        raise ForgeConfigurationError(
            f"the repository is written as owner/name; on GitLab, with all its groups: not {repository!r}"
        )
    if kind == "github":
        if (token_file is None) == (app_key_file is None) or bool(app_id) != (app_key_file is not None):
            raise ForgeConfigurationError(
                "GitHub needs either the file of a token, or the id of an App and the file of its key"
            )
        return GitHubForge(
            url, repository, token_file=token_file, app_id=app_id, app_key_file=app_key_file, ca_file=ca_file
        )
    if token_file is None:
        raise ForgeConfigurationError("the file of a token is needed")
    if kind == "gitlab":
        return GitLabForge(url, repository, token_file=token_file, ca_file=ca_file)
    return GiteaForge(url, repository, token_file=token_file, ca_file=ca_file)
