"""The adapter that a configuration means, and what in one cannot be right."""

from pathlib import Path
from typing import Any

import pytest

from allotment_hub.forges.pull_requests.connecting import connect
from allotment_hub.forges.pull_requests.gitea import GiteaForge, _fits
from allotment_hub.forges.pull_requests.github import GitHubForge
from allotment_hub.forges.pull_requests.gitlab import GitLabForge

TOKEN, KEY = Path("/run/token"), Path("/run/key.pem")


async def test_each_kind_has_its_adapter() -> None:
    forges = [
        connect("gitea", "https://git.example.org/gitea/", "team/profiles", token_file=TOKEN),
        connect("gitlab", "https://gitlab.com", "group/sub/profiles", token_file=TOKEN),
        connect("github", "https://github.com", "acme/profiles", token_file=TOKEN),
        connect("github", "https://github.example.org", "acme/profiles", app_id="1", app_key_file=KEY),
        connect("gitea", "http://127.0.0.1:3000", "team/profiles", token_file=TOKEN, plain_http=True),
    ]
    assert [type(forge) for forge in forges] == [GiteaForge, GitLabForge, GitHubForge, GitHubForge, GiteaForge]
    for forge in forges:
        await forge.aclose()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"url": "http://git.example.org"}, "unencrypted"),
        ({"url": "ssh://git.example.org"}, "unencrypted"),
        ({"url": "https://user:password@git.example.org"}, "without credentials"),
        ({"url": "https://git.example.org?token=x"}, "without credentials"),
        ({"url": "https://"}, "without credentials"),
        ({"repository": "profiles"}, "owner/name"),
        ({"repository": "team/.."}, "owner/name"),
        ({"repository": "team/profiles?x"}, "owner/name"),
        ({"repository": "group/sub/profiles"}, "owner/name"),
        ({"token_file": None}, "token"),
        ({"kind": "github", "token_file": None}, "either"),
        ({"kind": "github", "app_id": "1", "app_key_file": KEY}, "either"),
        ({"kind": "github", "token_file": None, "app_key_file": KEY}, "either"),
    ],
)
def test_what_cannot_be_right_is_said(change: dict[str, Any], words: str) -> None:
    right = {"kind": "gitea", "url": "https://git.example.org", "repository": "team/profiles", "token_file": TOKEN}
    with pytest.raises(ValueError, match=words) as caught:
        connect(**(right | change))
    assert "password" not in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("allotment/records", True),
        ("allotment/*", True),
        ("**", True),
        ("allotment/**", True),
        ("*", False),
        ("main", False),
        ("a*", False),
        ("*/other", False),
    ],
)
def test_a_rule_of_gitea_is_of_the_log_of_records_where_its_stars_are(pattern: str, fits: bool) -> None:
    assert _fits("allotment/records", pattern) is fits
