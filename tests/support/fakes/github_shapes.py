"""What is on a forge, in the shapes of GitHub's API."""

import datetime as dt
from typing import Any

from githubkit_schemas.v2022_11_28 import models
from support.fakes.forge_state import Event, ForgeState, Pull, User
from support.fakes.github_description import filled

REPOSITORY = "acme/profiles"


def written(time: dt.datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def short(user: User) -> dict[str, Any]:
    return {"id": user.id, "login": user.login, "type": "User"}


def person(user: User) -> Any:
    return filled(models.PublicUser, short(user))


def pull_values(pull: Pull, state: ForgeState, url: str) -> dict[str, Any]:
    """Return what an answer says of a pull request, whether it is one of a list or the whole answer."""

    def branch(ref: str, sha: str, repository: int) -> dict[str, Any]:
        return {"ref": ref, "sha": sha, "label": f"acme:{ref}", "repo": {"id": repository, "name": "profiles"}}

    return {
        "number": pull.number, "html_url": f"{url}/{REPOSITORY}/pull/{pull.number}", "title": pull.title,
        "body": pull.body, "state": "open" if pull.state == "open" else "closed", "user": short(pull.author),
        "labels": [{"name": label, "color": "ededed"} for label in pull.labels],
        "requested_reviewers": [short(user) for user in pull.reviewers],
        "head": branch(pull.branch, pull.head, 2 if pull.fork else 1),
        "base": branch(pull.base, state.branches.get("main", "0" * 40), 1),
        "merged_at": written(pull.updated) if pull.state == "merged" else None,
        "merge_commit_sha": pull.merge_commit or "f" * 40, "updated_at": written(pull.updated),
        "created_at": written(pull.opened),
    }  # fmt: skip


def comment(event: Event) -> Any:
    time = written(event.time)
    values = {"id": event.id, "user": short(event.user), "body": event.text, "created_at": time}
    return filled(models.IssueComment, {**values, "updated_at": written(event.updated)})


def line_comment(event: Event) -> Any:
    values = {
        "id": event.id, "user": short(event.user), "body": event.text, "path": event.path, "line": event.line,
        "original_commit_id": event.head, "commit_id": event.head, "pull_request_review_id": event.about or None,
        "created_at": written(event.time), "updated_at": written(event.updated),
    }  # fmt: skip
    return filled(models.PullRequestReviewComment, values)


def check_run(run: dict[str, Any]) -> Any:
    output = {"title": run["output"]["title"], "summary": run["output"]["summary"]}
    output["annotations_count"] = len(run["output"]["annotations"])
    names = ("name", "head_sha", "external_id", "details_url", "status", "conclusion", "id")
    return filled(models.CheckRun, {**{name: run[name] for name in names if name in run}, "output": output})


def timeline_event(event: Event, state: ForgeState) -> tuple[Any, dict[str, Any]]:
    """Return the shape of an event in the timeline of a pull request, and its values."""
    time, user = written(event.time), short(event.user)
    if event.kind == "comment":
        values = {"event": "commented", "id": event.id, "user": user, "actor": user, "body": event.text}
        return models.TimelineCommentEvent, {**values, "created_at": time, "updated_at": written(event.updated)}
    if event.kind in ("approved", "changes_requested", "commented"):
        return models.TimelineReviewedEvent, {
            "event": "reviewed", "id": event.id, "user": user, "body": event.text, "submitted_at": time,
            "commit_id": event.head, "state": "dismissed" if event.dismissed else event.kind,
            "updated_at": written(event.updated),
        }  # fmt: skip
    values = {"id": event.id, "actor": user, "created_at": time}
    if event.kind == "dismissed":
        was = next(each.kind for pull in state.pulls for each in pull.events if each.id == event.about)
        review = {"review_id": event.about, "state": was, "dismissal_message": event.text}
        return models.ReviewDismissedIssueEvent, {**values, "event": "review_dismissed", "dismissed_review": review}
    return models.StateChangeIssueEvent, {**values, "event": event.kind}
