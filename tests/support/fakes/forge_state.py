"""What a forge remembers, for the stand-ins of GitHub and GitLab: accounts, branches, pull requests, what was done."""

import datetime as dt
import secrets
from dataclasses import dataclass, field

START = dt.datetime(2026, 11, 2, 9, 0, tzinfo=dt.UTC)


@dataclass
class User:
    id: int
    login: str
    token: str
    permission: str
    """`admin`, `write`, `read` or `none`."""


@dataclass
class Event:
    id: int
    kind: str
    """`comment`, `approved`, `changes_requested`, `commented`, `dismissed`, `closed`, `reopened`, `merged`."""
    user: User
    time: dt.datetime
    text: str = ""
    head: str = ""
    about: int = 0
    path: str = ""
    line: int = 0
    dismissed: bool = False
    edited: dt.datetime | None = None

    @property
    def updated(self) -> dt.datetime:
        return self.edited or self.time


@dataclass
class Pull:
    number: int
    branch: str
    head: str
    title: str
    body: str
    author: User
    opened: dt.datetime
    updated: dt.datetime
    base: str = "main"
    state: str = "open"
    fork: bool = False
    labels: list[str] = field(default_factory=list)
    reviewers: list[User] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    versions: list[tuple[str, dt.datetime]] = field(default_factory=list)
    merge_commit: str = ""
    style: str = ""


@dataclass
class CommitStatus:
    id: int
    head: str
    context: str
    state: str
    description: str
    address: str


class ForgeState:
    """The clock moves one second with everything that happens."""

    def __init__(self) -> None:
        self.users: dict[str, User] = {}
        self.branches: dict[str, str] = {}
        self.pulls: list[Pull] = []
        self.statuses: list[CommitStatus] = []
        self.check_runs: list[dict[str, object]] = []
        self.labels: set[str] = set()
        self.protected: dict[str, object] = {}
        self.webhooks: list[str] = []
        self.webhook_sends_everything = True
        self.app_writes = {"contents", "pull_requests", "checks"}
        """What the App may write; only GitHub has one."""
        self.reviewers_taken = 100
        """How many reviewers a pull request can have."""
        self._ids = 100
        self._now = START

    @property
    def time(self) -> dt.datetime:
        return self._now

    def now(self) -> dt.datetime:
        self._now += dt.timedelta(seconds=1)
        return self._now

    def number(self) -> int:
        self._ids += 1
        return self._ids

    def user(self, login: str, permission: str = "write") -> User:
        user = User(self.number(), login, f"secret-{secrets.token_hex(8)}", permission)
        self.users[login] = user
        return user

    def by_token(self, token: str) -> User | None:
        return next((user for user in self.users.values() if user.token == token), None)

    def pull(self, number: int) -> Pull | None:
        return next((pull for pull in self.pulls if pull.number == number), None)

    # -- what people do

    def push(self, branch: str) -> str:
        head = secrets.token_hex(20)
        self.branches[branch] = head
        for pull in self.pulls:
            if pull.branch == branch and pull.state == "open" and not pull.fork:
                pull.head, pull.updated = head, self.now()
                pull.versions.append((head, pull.updated))
        return head

    def open(self, user: User, branch: str, title: str, body: str = "", *, fork: bool = False) -> Pull:
        now = self.now()
        head = secrets.token_hex(20) if fork else self.branches[branch]
        pull = Pull(len(self.pulls) + 1, branch, head, title, body, user, now, now, fork=fork, versions=[(head, now)])
        self.pulls.append(pull)
        return pull

    def act(self, number: int, kind: str, user: User, text: str = "", **details: object) -> Event:
        pull = self.pull(number)
        assert pull
        event = Event(self.number(), kind, user, self.now(), text, pull.head)
        for name, value in details.items():
            setattr(event, name, value)
        pull.events.append(event)
        pull.updated = event.time
        if kind in ("closed", "reopened", "merged"):
            pull.state = {"closed": "closed", "reopened": "open", "merged": "merged"}[kind]
        return event

    def edit(self, number: int, event: Event, text: str) -> None:
        pull = self.pull(number)
        assert pull
        event.text, event.edited = text, self.now()
        pull.updated = event.edited

    def dismiss(self, number: int, review: int, user: User, text: str) -> None:
        pull = self.pull(number)
        assert pull
        next(event for event in pull.events if event.id == review).dismissed = True
        self.act(number, "dismissed", user, text, about=review)

    def merge(self, number: int, user: User, style: str) -> None:
        pull = self.pull(number)
        assert pull
        pull.merge_commit, pull.style = secrets.token_hex(20), style
        self.branches["main"] = pull.merge_commit
        self.act(number, "merged", user)

    def set_status(self, head: str, context: str, state: str, description: str, address: str) -> CommitStatus:
        status = CommitStatus(self.number(), head, context, state, description, address)
        self.statuses.append(status)
        return status

    def newest_statuses(self, head: str) -> list[CommitStatus]:
        return list({status.context: status for status in self.statuses if status.head == head}.values())
