"""One record, and the commit that it is written as."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

from allotment_profiles.git.commits import Commit

RecordKind = Literal[
    "proposed",
    "updated",
    "approved",
    "dismissed",
    "rejected",
    "commented",
    "withdrawn",
    "merged",
    "confirmed",
    "adopted",
    "redacted",
    "tried",
]
_VERBS: Mapping[str, str] = {kind: kind for kind in get_args(RecordKind)} | {
    "commented": "commented on",
    "withdrawn": "withdrew",
    "dismissed": "dismissed an approval of",
    "redacted": "redacted a text of",
}
OPENINGS = ("proposed", "adopted")
"""The kinds of record that a proposal begins with."""
SETTERS = (*OPENINGS, "updated")
"""The kinds of record that set the head of a proposal."""
ENDINGS = ("rejected", "withdrawn", "merged")
"""The kinds of record that end a proposal."""
# The service also signs commits whose messages contain text of people. Those messages start differently, so that no
# text can be taken for a record.
MARK = "Record: "
SILENT = ("commented", "redacted", "tried")
"""The kinds of record that decide nothing: what was decided stands as it was."""
EVIDENCE_FILE = "evidence.json"
"""The file in the tree of a record's commit that has its evidence."""
FORGES: Mapping[str, str] = {"gitea": "Gitea", "github": "GitHub", "gitlab": "GitLab"}
"""The forges by their kinds, as people write them."""


@dataclass(frozen=True, slots=True)
class Source:
    """The act on a pull request that a record was made from."""

    forge: str
    """Its kind: `gitea`, `github` or `gitlab`."""
    pull_request: int
    """The number of the pull request."""
    act: str
    """The id of the act, unique within the pull request: an act that was seen twice is recorded once."""
    login: str
    """The account on the forge, by its name of then. It says who somebody is where `by` is empty."""
    uncounted: str = ""
    """Why it does not count, in a sentence. Such an act is recorded as a comment, whatever it was."""
    did: str = ""
    """What it was, where it is recorded as a comment and is none: `approved`, `changes-requested`, `dismissed`,
    `closed`, or `merge` for the command."""
    server: str = ""
    """The host of the forge; empty in records from before it was written down with every act."""

    @property
    def key(self) -> tuple[str, int, str]:
        """What tells the act from every other one on the same server."""
        return self.forge, self.pull_request, self.act

    def is_same(self, other: "Source") -> bool:
        """Return whether both are one act. On another server of the kind, numbers and ids begin again.

        A server that was renamed has another host and the same accounts.
        """
        known, logins = {self.server, other.server}, {self.login, other.login}
        return self.key == other.key and (len(known) == 1 or "" in known or len(logins) == 1 or "" in logins)

    @property
    def place(self) -> str:
        """Where it was done, for people: `Gitea (pull request 7)`."""
        what = "merge request" if self.forge == "gitlab" else "pull request"
        return f"{FORGES.get(self.forge, self.forge)} ({what} {self.pull_request})"


@dataclass(frozen=True, slots=True)
class Record:
    """One action of a person on a proposal, or on main."""

    kind: RecordKind
    by: str
    """The user's name at the hub. Empty for a comment of somebody on a forge whom the hub does not know."""
    time: dt.datetime
    """UTC."""
    head: str
    """The head of the proposal that it refers to; with `confirmed`, the commit of main that is confirmed."""
    text: str = ""
    """The reason or the comment, as it was written."""
    title: str = ""
    """What the proposal is called; with `proposed` and `updated`."""
    merge: str = ""
    """The commit on main; with `merged` and `confirmed`."""
    digest: str = ""
    """What was judged; with `approved` and `merged`. Empty in records from before there were digests."""
    main: str = ""
    """The commit of main that it was judged with; with `approved`, and with `merged` where the forge merged it."""
    size: int = 0
    """Bytes of the files that were sent; with `proposed` and `updated`. 0 in records from before it was counted."""
    proposal: str = ""
    """The id of the proposal; empty with `confirmed`."""
    base: str = ""
    """The commit of main that the head was made from; with `proposed` and `updated`."""
    touches: Mapping[str, Sequence[Any]] | None = None
    """Path → for whom its versions before and after are; with `proposed` and `updated`. None where not written down."""
    undoes: str = ""
    """The id of the merged proposal that it undoes; with `proposed` and `updated`."""
    carried_from: str = ""
    """The commit that recorded it first, before there was a log."""
    source: Source | None = None
    """The act on a forge that it was made from; None where it was done here."""
    dismisses: str = ""
    """The commit of the approval that does not count any more; with `dismissed`."""
    redacts: str = ""
    """The commit of the record whose text is not shown any more; with `redacted`."""
    has_evidence: bool = False
    """Whether evidence is attached to it; with `proposed`, `updated` and `tried`."""
    by_assistant: bool = False
    """Whether an assistant drafted it and `by` confirmed it on the page; with `proposed` and `updated`."""
    evidence: bytes = field(default=b"", compare=False, repr=False)
    """The evidence that is written with it. It is empty in a record that was read: the tree of its commit has it."""
    redacted: bool = field(default=False, compare=False)
    """Whether `text` says that what was written is redacted. No commit says this of itself."""
    commit: str = field(default="", compare=False)
    """The commit that it is read from."""

    def __reduce__(self) -> tuple[type["Record"], tuple[Any, ...]]:
        """Send it to another process in a quarter of the time that the state of a class with slots takes."""
        return Record, tuple(map(self.__getattribute__, self.__slots__))

    @property
    def own_title(self) -> bool:
        """Whether somebody wrote the title: that of a pull request. What is proposed here, the service calls."""
        return self.kind in SETTERS and self.source is not None

    def message(self) -> str:
        """Format the record as the message of a commit: a line for people, then JSON for machines."""
        unknown = f"{self.source.login} on {self.source.forge}" if self.source else ""
        who = " ".join((self.by or unknown).split())[:60]
        what = self.proposal or self.head[:10]
        return f"{MARK}{who} {_VERBS[self.kind]} {what}\n\n{self.content()}\n"

    def content(self) -> str:
        """Format the record as JSON."""
        content: dict[str, Any] = {
            "proposal": self.proposal, "kind": self.kind, "by": self.by, "head": self.head, "text": self.text,
            "title": self.title, "merge": self.merge, "digest": self.digest, "main": self.main, "size": self.size,
        }  # fmt: skip
        time = self.time.isoformat() if self.carried_from else ""
        more: dict[str, Any] = {
            "base": self.base, "touches": self.touches, "undoes": self.undoes,
            "carried_from": self.carried_from, "time": time,
        }  # fmt: skip
        more |= {
            "source": asdict(self.source) if self.source else None,
            "dismisses": self.dismisses,
            "redacts": self.redacts,
            "evidence": self.has_evidence or bool(self.evidence),
            "by_assistant": self.by_assistant,
        }
        content |= {key: value for key, value in more.items() if value}
        return json.dumps(content, ensure_ascii=True)


def parse_record(commit: Commit) -> Record | None:
    """Parse a record. Return None for a commit that the service did not sign as one, and for a kind not known here.

    Records are never rewritten: keys are only added, and one that is missing or not known here is passed over.
    """
    if commit.signed_by is None or not commit.message.startswith(MARK):
        return None
    return read_record(commit.message.partition("\n\n")[2], commit.id, commit.time)


def read_record(content: str, commit: str, time: dt.datetime) -> Record | None:
    """Read the JSON of a record that is known to be the service's own. Return None where it is no record."""
    try:
        found = json.loads(content)
        if found["kind"] not in _VERBS:
            return None
        touches = found.get("touches")
        return Record(
            kind=found["kind"],
            by=str(found["by"]),
            time=dt.datetime.fromisoformat(found["time"]) if "time" in found else time,
            head=str(found["head"]),
            text=str(found.get("text", "")),
            title=str(found.get("title", "")),
            merge=str(found.get("merge", "")),
            digest=str(found.get("digest", "")),
            main=str(found.get("main", "")),
            size=int(found.get("size", 0)),
            proposal=str(found["proposal"]),
            base=str(found.get("base", "")),
            touches=touches if isinstance(touches, dict) else None,
            undoes=str(found.get("undoes", "")),
            carried_from=str(found.get("carried_from", "")),
            source=_source(found.get("source")),
            dismisses=str(found.get("dismisses", "")),
            redacts=str(found.get("redacts", "")),
            has_evidence=found.get("evidence") is True,
            by_assistant=found.get("by_assistant") is True,
            commit=commit,
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _source(found: Any) -> Source | None:
    if not isinstance(found, dict):
        return None
    names = ("forge", "act", "login", "uncounted", "did", "server")
    return Source(pull_request=int(found["pull_request"]), **{name: str(found.get(name, "")) for name in names})


def carried(record: Record) -> Record:
    """Return a record of a branch of its own as the log has it: with its time, and where it was recorded first."""
    return replace(record, carried_from=record.commit, commit="")
