"""A stand-in for GitHub. Every request and answer is held against GitHub's own description of its API.

githubkit's models are generated from that description: a body has to be one of them, and an answer, too. A field that
the description does not have is a violation, so that nothing here is made up.
"""

import datetime as dt
import types
import typing
from functools import lru_cache
from typing import Any, get_args, get_origin

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from githubkit_schemas.v2022_11_28 import models
from pydantic import BaseModel, TypeAdapter, ValidationError
from support.fakes.forge_server import ForgeServer, Reply, Request, Route
from support.fakes.forge_state import Event, Pull, User
from tornado.web import HTTPError

REPOSITORY = "acme/profiles"
APP_ID = "4711"


@lru_cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


@lru_cache
def app_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def filled(shape: Any, values: Any) -> Any:
    """Return what a shape needs, with these values: empty texts, zeros and so on for all that does not matter."""
    origin = get_origin(shape)
    if origin is typing.Annotated:
        return filled(get_args(shape)[0], values)
    if origin in (typing.Union, types.UnionType):
        shapes = [each for each in get_args(shape) if each is not type(None) and "UNSET" not in str(each)]
        empty = values is None and len(shapes) < len(get_args(shape))
        return None if empty else filled(shapes[0], values)
    if isinstance(shape, type) and issubclass(shape, BaseModel):
        return _filled_model(shape, values or {})
    if values is not None:
        return [filled(get_args(shape)[0], each) for each in values] if origin is list else values
    if origin is typing.Literal:
        return get_args(shape)[0]
    simple = {str: "", int: 0, bool: False, float: 0.0, dt.datetime: "2026-11-02T09:00:00Z", list: [], dict: {}}
    return simple.get(origin or shape, {} if origin else None)


def _filled_model(shape: type[BaseModel], values: dict[str, Any]) -> dict[str, Any]:
    fields = {field.alias or name: field for name, field in shape.model_fields.items()}
    unknown = values.keys() - fields.keys()
    assert not unknown, f"{shape.__name__} has no {', '.join(unknown)}"
    return {
        name: filled(field.annotation, values.get(name))
        for name, field in fields.items()
        if name in values or field.is_required()
    }


def written(time: dt.datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


class GitHubServer(ForgeServer):
    """A GitHub Enterprise Server with one repository, and an App that is installed on it."""

    prefix = "/api/v3"

    def __init__(self) -> None:
        super().__init__()
        self.app_key = app_key()
        self.app_user = self.state.user("allotment[bot]", "admin")
        self.app_tokens: set[str] = set()
        self.clock_ahead = 0.0
        """Seconds that this server's clock is ahead."""
        repository = "/repos/acme/profiles"
        pull, issue = f"{repository}/pulls/{{number}}", f"{repository}/issues/{{number}}"
        self.route("GET", "/user", lambda request: self.person(request.user), answered=models.PublicUser)
        self.route("GET", "/user/{id}", self.user_by_id, answered=models.PublicUser)
        self.route("GET", "/users/{login}", self.user_by_login, answered=models.PublicUser)
        self.route(
            "GET",
            f"{repository}/collaborators/{{login}}/permission",
            self.permission,
            answered=models.RepositoryCollaboratorPermission,
        )
        self.route("GET", f"{repository}/pulls", self.listed, answered=list[models.PullRequestSimple])
        self.route("POST", f"{repository}/pulls", self.create, models.ReposOwnerRepoPullsPostBody, models.PullRequest)
        self.route("GET", pull, lambda request: self.full(self.asked(request)), answered=models.PullRequest)
        self.route("PATCH", pull, self.edit, models.ReposOwnerRepoPullsPullNumberPatchBody, models.PullRequest)
        self.route("GET", f"{issue}/comments", self.comments, answered=list[models.IssueComment])
        self.route(
            "POST",
            f"{issue}/comments",
            self.comment,
            models.ReposOwnerRepoIssuesIssueNumberCommentsPostBody,
            models.IssueComment,
        )
        self.route(
            "PATCH",
            f"{repository}/issues/comments/{{id}}",
            self.edit_comment,
            models.ReposOwnerRepoIssuesCommentsCommentIdPatchBody,
            models.IssueComment,
        )
        self.route(
            "POST",
            f"{issue}/labels",
            self.add_labels,
            models.ReposOwnerRepoIssuesIssueNumberLabelsPostBodyOneof0,
            list[models.Label],
        )
        self.route("DELETE", f"{issue}/labels/{{name}}", self.remove_label, answered=list[models.Label])
        self.route(
            "POST",
            f"{pull}/requested_reviewers",
            self.ask,
            models.ReposOwnerRepoPullsPullNumberRequestedReviewersPostBodyAnyof0,
            models.PullRequestSimple,
        )
        self.route("GET", f"{repository}/commits/{{sha}}/status", self.combined, answered=models.CombinedCommitStatus)
        self.route(
            "POST",
            f"{repository}/statuses/{{sha}}",
            self.set_status,
            models.ReposOwnerRepoStatusesShaPostBody,
            models.Status,
        )
        self.route("GET", f"{repository}/commits/{{sha}}/check-runs", self.check_runs)
        self.route(
            "POST",
            f"{repository}/check-runs",
            self.add_check_run,
            models.ReposOwnerRepoCheckRunsPostBodyOneof0 | models.ReposOwnerRepoCheckRunsPostBodyOneof1,
            models.CheckRun,
        )
        self.route("GET", f"{issue}/timeline", self.timeline)
        self.route("GET", f"{pull}/comments", self.line_comments, answered=list[models.PullRequestReviewComment])
        self.route("GET", f"{repository}/rules/branches/{{branch}}", self.rules)
        self.route("GET", f"{repository}/hooks", self.hooks, answered=list[models.Hook])
        self.route(
            "GET", f"{repository}/branches/{{branch}}/protection", self.protection, answered=models.BranchProtection
        )
        self.route("GET", "/app", self.app, answered=models.Integration)
        self.route("GET", f"{repository}/installation", self.installation, answered=models.Installation)
        self.route("POST", "/app/installations/{id}/access_tokens", self.access_token,
                   models.AppInstallationsInstallationIdAccessTokensPostBody, models.InstallationToken)  # fmt: skip

    # -- the description

    def check(self, route: Route, what: str, value: Any, shape: Any) -> None:
        try:
            _adapter(shape).validate_python(value)
        except ValidationError as error:
            self.violations.append(f"{route.method} {route.path.pattern}: {what}: {error}")
        one = shape if isinstance(shape, type) and issubclass(shape, BaseModel) else None
        if what == "request" and one:
            known = {field.alias or name for name, field in one.model_fields.items()}
            self.violations += [f"{route.path.pattern}: unknown field {name}" for name in value.keys() - known]

    def app_key_text(self) -> str:
        return self.app_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        ).decode()

    def authorize(self, token: str, path: str) -> User | None:
        if path == "/app" or path.endswith(("/installation", "/access_tokens")):
            now = dt.datetime.now(dt.UTC).timestamp() + self.clock_ahead
            try:
                claims = jwt.decode(
                    token, self.app_key.public_key(), ["RS256"], issuer=APP_ID,
                    options={"verify_exp": False, "verify_iat": False, "require": ["iat", "exp", "iss"]},
                )  # fmt: skip
            except jwt.InvalidTokenError:
                return None
            holds = claims["iat"] <= now < claims["exp"] <= now + 600
            return self.app_user if holds else None
        return self.app_user if token in self.app_tokens else super().authorize(token, path)

    # -- shapes

    def short(self, user: User) -> dict[str, Any]:
        return {"id": user.id, "login": user.login, "type": "User"}

    def person(self, user: User) -> Any:
        return filled(models.PublicUser, self.short(user))

    def values(self, pull: Pull) -> dict[str, Any]:
        def branch(ref: str, sha: str, repository: int) -> dict[str, Any]:
            return {"ref": ref, "sha": sha, "label": f"acme:{ref}", "repo": {"id": repository, "name": "profiles"}}

        return {
            "number": pull.number, "html_url": f"{self.url}/{REPOSITORY}/pull/{pull.number}", "title": pull.title,
            "body": pull.body, "state": "open" if pull.state == "open" else "closed", "user": self.short(pull.author),
            "labels": [{"name": label, "color": "ededed"} for label in pull.labels],
            "requested_reviewers": [self.short(user) for user in pull.reviewers],
            "head": branch(pull.branch, pull.head, 2 if pull.fork else 1),
            "base": branch(pull.base, self.state.branches.get("main", "0" * 40), 1),
            "merged_at": written(pull.updated) if pull.state == "merged" else None,
            "merge_commit_sha": pull.merge_commit or "f" * 40, "updated_at": written(pull.updated),
            "created_at": written(pull.opened),
        }  # fmt: skip

    def full(self, pull: Pull) -> Any:
        return filled(models.PullRequest, {**self.values(pull), "merged": pull.state == "merged"})

    def comment_values(self, event: Event) -> Any:
        time = written(event.time)
        values = {"id": event.id, "user": self.short(event.user), "body": event.text, "created_at": time}
        return filled(models.IssueComment, {**values, "updated_at": written(event.updated)})

    # -- routes

    def asked(self, request: Request) -> Pull:
        pull = self.state.pull(int(request.part("number")))
        if pull is None or request.user.permission == "none":
            raise HTTPError(404)
        return pull

    def user_by_id(self, request: Request) -> Any:
        found = [user for user in self.state.users.values() if str(user.id) == request.part("id")]
        return self.person(found[0]) if found else Reply(404, {"message": "Not Found"})

    def user_by_login(self, request: Request) -> Any:
        user = self.state.users.get(request.part("login"))
        return self.person(user) if user else Reply(404, {"message": "Not Found"})

    def permission(self, request: Request) -> Any:
        user = self.state.users.get(request.part("login"))
        if user is None:
            raise HTTPError(404)
        values = {"permission": user.permission, "role_name": user.permission, "user": self.short(user)}
        return filled(models.RepositoryCollaboratorPermission, values)

    def listed(self, request: Request) -> Any:
        if request.user.permission == "none":
            raise HTTPError(404)
        state, head = request.query.get("state", "open"), request.query.get("head", "").partition(":")[2]
        found = [
            pull
            for pull in self.state.pulls
            if state in ("all", "open" if pull.state == "open" else "closed")
            and head in ("", pull.branch)  # also from a fork that has the same owner
            and request.query.get("base", pull.base) == pull.base
        ]
        if request.query.get("direction") == "desc":
            found.reverse()
        return [filled(models.PullRequestSimple, self.values(pull)) for pull in found]

    def create(self, request: Request) -> Any:
        body = request.body
        if request.user.permission == "none":
            raise HTTPError(404)
        if request.user.permission == "read":
            raise HTTPError(403, "Resource not accessible by integration")
        if any(pull.branch == body["head"] and pull.state == "open" and not pull.fork for pull in self.state.pulls):
            message = f"A pull request already exists for acme:{body['head']}."
            errors = [{"resource": "PullRequest", "code": "custom", "message": message}]
            return Reply(422, {"message": "Validation Failed", "errors": errors})
        if body["head"] not in self.state.branches:
            return Reply(422, {"message": "Validation Failed", "errors": [{"field": "head", "code": "invalid"}]})
        return self.full(self.state.open(request.user, body["head"], body["title"], body["body"]))

    def edit(self, request: Request) -> Any:
        pull = self.asked(request)
        pull.title, pull.body = request.body.get("title", pull.title), request.body.get("body", pull.body)
        if request.body.get("state") == "closed" and pull.state == "open":
            self.state.act(pull.number, "closed", request.user)
        return self.full(pull)

    def comments(self, request: Request) -> Any:
        return [self.comment_values(event) for event in self.asked(request).events if event.kind == "comment"]

    def comment(self, request: Request) -> Any:
        pull = self.asked(request)
        return self.comment_values(self.state.act(pull.number, "comment", request.user, request.body["body"]))

    def edit_comment(self, request: Request) -> Any:
        events = [event for pull in self.state.pulls for event in pull.events if str(event.id) == request.part("id")]
        if not events or events[0].user is not request.user:
            raise HTTPError(404)
        events[0].text = request.body["body"]
        return self.comment_values(events[0])

    def add_labels(self, request: Request) -> Any:
        pull = self.asked(request)
        pull.labels += [label for label in request.body["labels"] if label not in pull.labels]
        return [filled(models.Label, {"name": label}) for label in pull.labels]

    def remove_label(self, request: Request) -> Any:
        pull = self.asked(request)
        if request.part("name") not in pull.labels:
            raise HTTPError(404, "Label does not exist")
        pull.labels.remove(request.part("name"))
        return [filled(models.Label, {"name": label}) for label in pull.labels]

    def ask(self, request: Request) -> Any:
        pull = self.asked(request)
        users = [self.state.users.get(login) for login in request.body["reviewers"]]
        if any(user is None or user.permission == "none" for user in users):
            message = "Reviews may only be requested from collaborators. One or more of the users or teams is not."
            return Reply(422, {"message": message})
        if pull.author in users:
            return Reply(422, {"message": "Review cannot be requested from pull request author."})
        pull.reviewers += [user for user in users if user and user not in pull.reviewers]
        return filled(models.PullRequestSimple, self.values(pull))

    def combined(self, request: Request) -> Any:
        statuses = [
            {"context": each.context, "state": each.state, "description": each.description, "target_url": each.address}
            for each in self.state.newest_statuses(request.part("sha"))
        ]
        return filled(models.CombinedCommitStatus, {"sha": request.part("sha"), "statuses": statuses})

    def set_status(self, request: Request) -> Any:
        body = request.body
        if len(body["description"]) > 140:
            return Reply(422, {"message": "Validation Failed"})
        values = {"context": body["context"], "description": body["description"], "target_url": body["target_url"]}
        status = self.state.set_status(
            request.part("sha"), body["context"], body["state"], body["description"], body["target_url"]
        )
        return filled(models.Status, {**values, "state": status.state, "id": status.id, "creator": None})

    def check_runs(self, request: Request) -> Any:
        name, sha = request.query["check_name"], request.part("sha")
        runs = [run for run in self.state.check_runs if (run["name"], run["head_sha"]) == (name, sha)][-1:]
        return {"total_count": len(runs), "check_runs": [self.shown_run(run) for run in runs]}

    def shown_run(self, run: dict[str, Any]) -> Any:
        output = {"title": run["output"]["title"], "summary": run["output"]["summary"]}
        output["annotations_count"] = len(run["output"]["annotations"])
        names = ("name", "head_sha", "external_id", "details_url", "status", "conclusion", "id")
        return filled(models.CheckRun, {**{name: run[name] for name in names if name in run}, "output": output})

    def add_check_run(self, request: Request) -> Any:
        if request.user is not self.app_user:
            raise HTTPError(403, "You must authenticate via a GitHub App.")
        if len(request.body["output"]["annotations"]) > 50:
            return Reply(422, {"message": "Validation Failed"})
        self.state.check_runs.append({**request.body, "id": self.state.number()})
        return self.shown_run(self.state.check_runs[-1])

    def timeline(self, request: Request) -> Any:
        answers: list[Any] = []
        for event in self.asked(request).events:
            if event.path:
                continue
            shape, values = self.timeline_values(event)
            answers.append(filled(shape, values))
            self.check(Route("GET", request.match.re, self.timeline), "answer", answers[-1], shape)
            if event.kind == "merged":  # GitHub closes what it merges
                shape, values = self.timeline_values(event)
                answers.append(filled(shape, {**values, "event": "closed", "id": event.id + 100_000}))
        return answers

    def timeline_values(self, event: Event) -> tuple[Any, dict[str, Any]]:
        time, user = written(event.time), self.short(event.user)
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
            was = next(each.kind for pull in self.state.pulls for each in pull.events if each.id == event.about)
            review = {"review_id": event.about, "state": was, "dismissal_message": event.text}
            return models.ReviewDismissedIssueEvent, {**values, "event": "review_dismissed", "dismissed_review": review}
        return models.StateChangeIssueEvent, {**values, "event": event.kind}

    def line_comments(self, request: Request) -> Any:
        return [
            filled(
                models.PullRequestReviewComment,
                {
                    "id": event.id, "user": self.short(event.user), "body": event.text, "path": event.path,
                    "line": event.line, "original_commit_id": event.head, "commit_id": event.head,
                    "pull_request_review_id": event.about or None, "created_at": written(event.time),
                    "updated_at": written(event.updated),
                },
            )
            for event in self.asked(request).events
            if event.path
        ]  # fmt: skip

    def rules(self, request: Request) -> Any:
        is_main = request.part("branch") == "main"
        statuses = [{"context": name} for name in self.state.protected.get("statuses", ()) if is_main]
        rules = [{"type": name} for name in self.state.protected.get("rules" if is_main else "rules of records", ())]
        if statuses:
            parameters = {"required_status_checks": statuses, "strict_required_status_checks_policy": False}
            rules.append({"type": "required_status_checks", "parameters": parameters})
        return rules

    def protection(self, request: Request) -> Any:
        values = self.state.protected.get("classic") if request.part("branch") == "main" else None
        return filled(models.BranchProtection, values) if values else Reply(404, {"message": "Branch not protected"})

    def app(self, request: Request) -> Any:
        return filled(models.Integration, {"id": int(APP_ID), "slug": "allotment", "name": "Allotment"})

    def installation(self, request: Request) -> Any:
        rights = dict.fromkeys(self.state.app_writes, "write") | {"metadata": "read"}
        values = {"id": 7, "app_id": int(APP_ID), "app_slug": "allotment", "permissions": rights}
        return filled(models.Installation, values)

    def hooks(self, request: Request) -> Any:
        if request.user.permission != "admin":
            raise HTTPError(404)
        return [
            filled(models.Hook, {"id": number, "active": True, "events": ["push"], "config": {"url": address}})
            for number, address in enumerate(self.state.webhooks, 1)
        ]

    def access_token(self, request: Request) -> Any:
        if request.body != {"repositories": ["profiles"]}:
            raise HTTPError(422, "a token for one repository is enough")
        token = f"ghs_{self.state.number():x}{'0' * 30}"
        self.app_tokens.add(token)
        expires = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
        return filled(models.InstallationToken, {"token": token, "expires_at": written(expires)})
