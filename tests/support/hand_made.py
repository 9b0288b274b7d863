"""Pull requests as people open them by hand: commits in a real repository, and what a forge tells of them."""

import dataclasses
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from support.fakes.platform import Platform

from allotment_hub.forges.pull_requests.values import ForgeAccount, PullRequest, PullRequestState
from allotment_profiles.git.commits import Person
from allotment_profiles.git.repository import MAIN, NO_OBJECT, FileChange, RefUpdate, Repository

HOST = "git.example.org"
ACCOUNT = ForgeAccount("17", "ana-on-gitea")


def knows(platform: Platform, user: str, account: ForgeAccount = ACCOUNT, provider: str = "gitea") -> None:
    """Let the hub know that an account of the forge is a user's."""
    said = {"provider": provider, "host": HOST, "id": account.id, "login": account.login}
    platform.people.identities[user] = {"account": said}


def commit(
    repository: Repository,
    parents: Sequence[str],
    files: Mapping[str, bytes | None],
    message: str = "Change",
    *,
    entries: Sequence[tuple[str, str, str]] = (),
    time: dt.datetime | None = None,
) -> str:
    """Write a commit of somebody on top of the first parent; `entries` are paths with mode and object. Give its id."""
    base = parents[0] if parents else None
    tree = repository.write_tree(base, files)
    who = Person("Somebody", "somebody@example.org")
    now = time or dt.datetime.now(dt.UTC)
    made = repository.write_commit(tree, parents, message, author=who, committer=who, time=now)
    if not entries:
        return made
    tree = repository.changed_tree(made, [FileChange(path, NO_OBJECT, mode, blob) for path, mode, blob in entries])
    return repository.write_commit(tree, parents, message, author=who, committer=who, time=now)


class HandMade:
    """A pull request that somebody opened from a branch of theirs, by default in a fork."""

    def __init__(self, platform: Platform, head: str, number: int = 7, **changes: Any) -> None:
        self.platform = platform
        self.value = PullRequest(
            number=number, address=f"https://{HOST}/team/profiles/pulls/{number}", branch="larger", foreign=True,
            head="", base="main", title="More memory", body="The census does not fit.\r\nSee the wiki.",
            state=PullRequestState.OPEN, author=ACCOUNT, labels=frozenset(), reviewers=frozenset(),
            updated=dt.datetime.now(dt.UTC),
        )  # fmt: skip
        self.value = dataclasses.replace(self.value, **changes)
        self.push(head)

    def push(self, head: str) -> None:
        """Move its branch."""
        repository, name = self.platform.repository, f"refs/pull/{self.value.number}/head"
        now = repository.references(name).get(name, NO_OBJECT)
        repository.update_references([RefUpdate(name, head, now)])
        self.value = dataclasses.replace(self.value, head=head)

    def tell(self, **changes: Any) -> PullRequest:
        """Let the forge tell something else of it from now on."""
        self.value = dataclasses.replace(self.value, **changes)
        return self.value


def changed(platform: Platform, files: Mapping[str, bytes | None], **how: Any) -> str:
    """Write a commit on top of main as it is now; give its id."""
    main = platform.repository.resolve(MAIN)
    assert main
    return commit(platform.repository, [main], files, **how)
