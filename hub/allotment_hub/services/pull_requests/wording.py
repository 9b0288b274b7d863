"""What a pull request says about a proposal, in plain language: title, text, comment, labels and statuses. Pure.

It carries what everybody may see who can read the pull requests, so no more than somebody in no group may see. What
people wrote is in it by `inline` and `quotation` alone.
"""

import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from allotment_hub.forges.pull_requests.markdown import Markdown, inline, quotation
from allotment_hub.forges.pull_requests.values import Annotation, Status, StatusState
from allotment_hub.services.judging.checking import Check
from allotment_hub.services.proposals.case import Case
from allotment_profiles.records.record import Record
from allotment_profiles.review.changes import Change

CHECK, APPROVAL = "allotment/check", "allotment/approval"
"""The statuses of a head, which a protection of main can require."""
LABELS = {
    "open": "allotment: waiting", "approved": "allotment: approved", "conflict": "allotment: conflict",
    "broken": "allotment: problems", "merged": "allotment: merged", "live": "allotment: merged",
    "rejected": "allotment: rejected", "withdrawn": "allotment: withdrawn", "pushed": "allotment: to be proposed",
    "elsewhere": "allotment: decided in Allotment", "unreviewed": "allotment: not reviewed here",
}  # fmt: skip
"""The label of each state of a proposal, and of a pull request that is not what its proposal is."""
_CHANGES = "What changes"
HIDDEN_TITLE = "A change that not everybody may see"
_LISTED, _LINE, _REASON = 40, 600, 3000
"""How many lines of each list stand in a text, how many characters of a line, and of the reason: the page has all."""
_UNCOUNTED, _COMMENTS = 10, 5
"""How many acts that do not count, and comments that were written here, stand in the comment: the last ones."""


@dataclass(frozen=True)
class PullRequestText:
    """Everything that is written to a forge about one proposal."""

    title: str
    body: Markdown
    comment: Markdown
    labels: frozenset[str]
    statuses: tuple[Status, ...]
    digest: str
    """The digest of what it shows, as readers get it; empty where nothing can be approved."""
    whole: bool
    """Whether everything is shown."""

    @property
    def hash(self) -> str:
        """Return what tells two texts apart."""
        return hashlib.sha256(repr(dataclasses.astuple(self)).encode()).hexdigest()


@dataclass(frozen=True)
class Shareable:
    """A judged proposal as far as everybody may see it."""

    case: Case
    check: Check
    """The check with what somebody in no group may see."""
    listed: bool
    """Whether everybody may know of the proposal."""
    whole: bool
    """Whether nothing is left out but values that are in the files themselves."""
    waits_for: str
    strange: str = ""
    """Why nothing can be decided on the pull request, as it is not what the proposal is; plain text."""
    push_page: str = ""
    """The page on which its author can propose what was pushed; empty where nobody can."""
    adopted: bool = False
    """Whether title and body are somebody's own: then the comment says what the proposal means."""

    @functools.cached_property
    def lines(self) -> Mapping[str, Sequence[str]]:
        """What the proposal means, by headings."""
        return _lines(self)

    @functools.cached_property
    def cut(self) -> bool:
        """Whether something is too long for a pull request, so that only the page shows all of it."""
        reason = self.case.stored.current.text
        longest = max((len(line) for each in self.lines.values() for line in each), default=0)
        return max(map(len, self.lines.values())) > _LISTED or longest > _LINE or len(reason) > _REASON


def text_of(shared: Shareable, page: str) -> PullRequestText:
    """Return what the pull request of a proposal says; `page` is the address of the proposal's page."""
    case, stored = shared.case, shared.case.stored
    state: str = "unreviewed" if stored.unreviewed else case.state
    if shared.strange and stored.open:
        state = "pushed" if shared.push_page else "elsewhere"
    can_approve = stored.open and not shared.strange
    return PullRequestText(
        title=stored.current.title if shared.listed else HIDDEN_TITLE,
        body=_body(shared, page),
        comment=_comment(shared, page),
        labels=frozenset([LABELS[state]]),
        statuses=(_check_status(shared, page), _approval_status(shared, page)),
        digest=case.judgement.sealed if can_approve else "",
        whole=shared.whole and not shared.cut,
    )


def _body(shared: Shareable, page: str) -> Markdown:
    if not shared.listed:
        text = "What it changes is shown to those who may see it, on its page in Allotment. It is decided there."
        return Markdown(f"{text}\n\n{_link(page)}")
    parts = [quotation(shared.case.stored.current.text, _REASON)]
    if shared.case.stored.drafted:
        parts.append(Markdown("An assistant drafted this or an earlier version, and its proposer confirmed it."))
    parts += _meaning(shared)
    return Markdown("\n\n".join([*parts, _link(page)]))


def _lines(shared: Shareable) -> dict[str, list[str]]:
    check, case = shared.check, shared.case
    changes = [_capital(change.sentence) for change in check.changes] if check.made else []
    lines = {_CHANGES: changes}
    if check.made and not check.errors:
        lines["Who gains and loses data"] = [access.text for access in check.access] or ["Nobody."]
        lines["Who can start what"] = [start.text for start in check.starts]
        lines["Cost of the largest session"] = [cost.text for cost in check.costs]
    nobody = ["Nobody.", *case.automatic] if case.automatic else []
    needed = [f"{each.who}: {reason}" for each in check.requirements for reason in each.reasons]
    return lines | {"Who has to approve, and why": needed or nobody}


def _meaning(shared: Shareable) -> list[Markdown]:
    of = ""
    if shared.strange and shared.case.stored.open:
        of = f" ({'the version before' if shared.push_page else 'the version on its page'})"
    parts = _changes_by_file(f"{_CHANGES}{of}", shared.check.changes) if shared.check.made else []
    for heading, lines in shared.lines.items():
        parts += _section(f"{heading}{of}", lines) if heading != _CHANGES else []
    if not shared.whole or shared.cut:
        parts.append(Markdown("Not everything is shown here, so it is decided on its page in Allotment."))
    return parts


def _comment(shared: Shareable, page: str) -> Markdown:
    case, stored = shared.case, shared.case.stored
    parts = [Markdown(f"**{_standing(shared)}**")]
    if shared.push_page:
        parts.append(push_link(shared.push_page))
    if shared.listed and stored.open and shared.adopted:
        parts += _meaning(shared)
    if shared.listed and stored.open:
        parts += _section("Problems", map(str, shared.check.problems))
    approved = ", ".join(inline(record.by, 100) for record in case.approvals)
    if approved:
        parts.append(Markdown(f"Approved by {approved}."))
    uncounted = [record for record in stored.records if record.source and record.source.uncounted]
    parts += _section(
        "What does not count",
        (f"{record.source.login}: {record.source.uncounted}" for record in uncounted[-_UNCOUNTED:] if record.source),
    )
    parts += _said_here(shared)
    if stored.open and shared.whole and not shared.cut and not shared.strange and case.state in ("open", "approved"):
        itself = "It is merged by itself as soon as all approvals that it needs are there."
        merge = itself if case.merges_when_approved else "`/merge` in a comment merges it."
        if case.judgement.removals or not case.requirements:
            merge = "It is merged on its page."
        parts.append(
            Markdown(
                f"This is about the version `{stored.head[:10]}`. An approval here counts if it is given after this"
                " comment was written or last changed, by somebody whose approval is needed, whose account belongs to"
                f" a user of the hub. {merge}"
            )
        )
    return Markdown("\n\n".join([*parts, _link(page)]))


def _said_here(shared: Shareable) -> list[Markdown]:
    """Return the last comments that were written in Allotment about this version."""
    stored = shared.case.stored
    comments = [
        record
        for record in stored.records
        if (record.kind, record.head, record.source) == ("commented", stored.head, None)
    ]
    if not shared.listed:
        return []
    return [
        Markdown(f"{inline(record.by, 100)} wrote in Allotment:\n\n{quotation(record.text, 2000)}")
        for record in comments[-_COMMENTS:]
    ]


def _standing(shared: Shareable) -> str:
    """Return in one sentence where the proposal stands."""
    case, stored = shared.case, shared.case.stored
    proposer = inline(stored.proposer, 100)
    if stored.ending:
        if stored.unreviewed:
            return f"Not reviewed here. {inline(stored.ending.text, 500) if shared.listed else ''}".strip()
        return _ended(stored.ending, said=shared.listed)
    if shared.strange:
        return inline(shared.strange)
    if case.judgement.conflicts:
        return f"Main has changed the same files. {proposer} can bring it up to date."
    if case.check.errors:
        return f"It has problems, and cannot be merged. {proposer} can correct them."
    return f"It is waiting for {inline(shared.waits_for, 500) if shared.listed else 'those who decide'}."


def _ended(ending: Record, *, said: bool) -> str:
    who = f"{ending.kind.capitalize()} by {inline(ending.by, 100)}"
    reason = ending.text if said and ending.kind == "rejected" else ""
    return f"{who}: {inline(reason, 500)}" if reason else f"{who}."


def _check_status(shared: Shareable, page: str) -> Status:
    case, errors = shared.case, shared.case.check.errors
    if shared.strange and case.stored.open:
        sentence = "Nothing is decided here now: the service's comment says why, and what helps."
    elif case.judgement.conflicts:
        sentence = "Main has changed the same files: bring it up to date."
    elif not errors:
        return Status(CHECK, StatusState.SUCCESS, "No problems.", page)
    else:
        sentence = f"It has {len(errors)} problem{'' if len(errors) == 1 else 's'}."
    seen = (problem for problem in shared.check.problems if problem.line and problem.path) if shared.listed else ()
    annotations = tuple(Annotation(each.path, each.line or 1, f"{each.message} {each.remedy}") for each in seen)
    return Status(CHECK, StatusState.FAILURE, sentence, page, annotations[:_LISTED])


def _approval_status(shared: Shareable, page: str) -> Status:
    case, ending = shared.case, shared.case.stored.ending
    if ending and ending.kind != "merged":
        return Status(APPROVAL, StatusState.FAILURE, f"It was {ending.kind} by {ending.by}.", page)
    if case.stored.unreviewed:
        return Status(
            APPROVAL, StatusState.FAILURE, "It was merged with the forge's own button: not reviewed here.", page
        )
    if ending or (case.state == "approved" and not shared.strange):
        who = ", ".join(record.by for record in case.approvals)
        return Status(APPROVAL, StatusState.SUCCESS, f"Approved by {who}." if who else "Nobody has to approve.", page)
    waits = " and ".join(requirement.who for requirement in case.unmet) if shared.listed else ""
    return Status(APPROVAL, StatusState.PENDING, f"Waiting for {waits or 'those who decide'}.", page)


def _changes_by_file(heading: str, changes: Sequence[Change]) -> list[Markdown]:
    """Return a heading with the changes below it, which names each file once; nothing for no changes."""
    items: list[str] = []
    for _, group in itertools.groupby(changes[:_LISTED], lambda change: change.subject):
        first, *others = found = list(group)
        if first.field and not others:
            items.append(f"- {inline(_capital(first.sentence), _LINE)}")
            continue
        items.append(f"- {inline(_capital(first.subject if first.field else first.text), _LINE)}")
        items += [f"  - {inline(_capital(each.text), _LINE)}" for each in (found if first.field else others)]
    if len(changes) > _LISTED:
        items.append(_more(len(changes)))
    return [Markdown(f"**{heading}**\n\n" + "\n".join(items))] if items else []


def _more(number: int) -> str:
    return f"- And {number - _LISTED} more, which its page shows."


def _section(heading: str, lines: Iterable[str]) -> list[Markdown]:
    """Return a heading with a list below it; nothing for no lines."""
    found: Sequence[str] = list(lines)
    if not found:
        return []
    items = [f"- {inline(line, _LINE)}" for line in found[:_LISTED]]
    if len(found) > _LISTED:
        items.append(_more(len(found)))
    return [Markdown(f"**{heading}**\n\n" + "\n".join(items))]


def _link(page: str) -> Markdown:
    return Markdown(f"[Open it in Allotment]({page})")


def push_link(page: str) -> Markdown:
    """Return the link to the page on which the author of a pull request proposes what was pushed to it."""
    return Markdown(f"[Look at what was pushed, and propose it]({page})")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
