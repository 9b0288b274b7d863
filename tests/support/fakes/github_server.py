"""A stand-in for GitHub. Every request and answer is held against GitHub's own description of its API.

A field that the description does not have is a violation, so that nothing here is made up.
"""

import datetime as dt
from functools import lru_cache
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from githubkit_schemas.v2022_11_28 import models
from support.fakes.forge_server import ForgeServer, Reply, Request, Route, route
from support.fakes.forge_state import Pull, User
from support.fakes.github_description import filled, unknown_fields, violations
from support.fakes.github_shapes import (
    REPOSITORY,
    check_run,
    comment,
    line_comment,
    person,
    pull_values,
    short,
    timeline_event,
    written,
)
from tornado.web import HTTPError

APP_ID = "4711"
REPOS = f"/repos/{REPOSITORY}"
PULL = f"{REPOS}/pulls/{{number}}"
ISSUE = f"{REPOS}/issues/{{number}}"


@lru_cache
def app_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


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

    def check(self, route: Route, what: str, value: Any, shape: Any) -> None:
        where = f"{route.method} {route.path.pattern}: {what}"
        self.violations += [f"{where}: {violation}" for violation in violations(shape, value)]
        if what == "request":
            self.violations += [f"{where}: unknown field {name}" for name in unknown_fields(shape, value)]

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

    def full(self, pull: Pull) -> Any:
        values = pull_values(pull, self.state, self.url)
        return filled(models.PullRequest, {**values, "merged": pull.state == "merged"})

    def asked(self, request: Request) -> Pull:
        pull = self.state.pull(int(request.part("number")))
        if pull is None or request.user.permission == "none":
            raise HTTPError(404)
        return pull

    @route("GET", "/user", answered=models.PublicUser)
    def user(self, request: Request) -> Any:
        return person(request.user)

    @route("GET", PULL, answered=models.PullRequest)
    def pull(self, request: Request) -> Any:
        return self.full(self.asked(request))

    @route("GET", "/user/{id}", answered=models.PublicUser)
    def user_by_id(self, request: Request) -> Any:
        found = [user for user in self.state.users.values() if str(user.id) == request.part("id")]
        return person(found[0]) if found else Reply(404, {"message": "Not Found"})

    @route("GET", "/users/{login}", answered=models.PublicUser)
    def user_by_login(self, request: Request) -> Any:
        user = self.state.users.get(request.part("login"))
        return person(user) if user else Reply(404, {"message": "Not Found"})

    @route("GET", f"{REPOS}/collaborators/{{login}}/permission", answered=models.RepositoryCollaboratorPermission)
    def permission(self, request: Request) -> Any:
        user = self.state.users.get(request.part("login"))
        if user is None:
            raise HTTPError(404)
        values = {"permission": user.permission, "role_name": user.permission, "user": short(user)}
        return filled(models.RepositoryCollaboratorPermission, values)

    @route("GET", f"{REPOS}/pulls", answered=list[models.PullRequestSimple])
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
        return [filled(models.PullRequestSimple, pull_values(pull, self.state, self.url)) for pull in found]

    @route("POST", f"{REPOS}/pulls", models.ReposOwnerRepoPullsPostBody, models.PullRequest)
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

    @route("PATCH", PULL, models.ReposOwnerRepoPullsPullNumberPatchBody, models.PullRequest)
    def edit(self, request: Request) -> Any:
        pull = self.asked(request)
        pull.title, pull.body = request.body.get("title", pull.title), request.body.get("body", pull.body)
        if request.body.get("state") == "closed" and pull.state == "open":
            self.state.act(pull.number, "closed", request.user)
        return self.full(pull)

    @route("GET", f"{ISSUE}/comments", answered=list[models.IssueComment])
    def comments(self, request: Request) -> Any:
        return [comment(event) for event in self.asked(request).events if event.kind == "comment"]

    @route("POST", f"{ISSUE}/comments", models.ReposOwnerRepoIssuesIssueNumberCommentsPostBody, models.IssueComment)
    def comment(self, request: Request) -> Any:
        pull = self.asked(request)
        return comment(self.state.act(pull.number, "comment", request.user, request.body["body"]))

    @route(
        "PATCH",
        f"{REPOS}/issues/comments/{{id}}",
        models.ReposOwnerRepoIssuesCommentsCommentIdPatchBody,
        models.IssueComment,
    )
    def edit_comment(self, request: Request) -> Any:
        events = [event for pull in self.state.pulls for event in pull.events if str(event.id) == request.part("id")]
        if not events or events[0].user is not request.user:
            raise HTTPError(404)
        events[0].text = request.body["body"]
        return comment(events[0])

    @route("POST", f"{ISSUE}/labels", models.ReposOwnerRepoIssuesIssueNumberLabelsPostBodyOneof0, list[models.Label])
    def add_labels(self, request: Request) -> Any:
        pull = self.asked(request)
        pull.labels += [label for label in request.body["labels"] if label not in pull.labels]
        return [filled(models.Label, {"name": label}) for label in pull.labels]

    @route("DELETE", f"{ISSUE}/labels/{{name}}", answered=list[models.Label])
    def remove_label(self, request: Request) -> Any:
        pull = self.asked(request)
        if request.part("name") not in pull.labels:
            raise HTTPError(404, "Label does not exist")
        pull.labels.remove(request.part("name"))
        return [filled(models.Label, {"name": label}) for label in pull.labels]

    @route(
        "POST",
        f"{PULL}/requested_reviewers",
        models.ReposOwnerRepoPullsPullNumberRequestedReviewersPostBodyAnyof0,
        models.PullRequestSimple,
    )
    def ask(self, request: Request) -> Any:
        pull = self.asked(request)
        users = [self.state.users.get(login) for login in request.body["reviewers"]]
        if any(user is None or user.permission == "none" for user in users):
            message = "Reviews may only be requested from collaborators. One or more of the users or teams is not."
            return Reply(422, {"message": message})
        if pull.author in users:
            return Reply(422, {"message": "Review cannot be requested from pull request author."})
        pull.reviewers += [user for user in users if user and user not in pull.reviewers]
        return filled(models.PullRequestSimple, pull_values(pull, self.state, self.url))

    @route("GET", f"{REPOS}/commits/{{sha}}/status", answered=models.CombinedCommitStatus)
    def combined(self, request: Request) -> Any:
        statuses = [
            {"context": each.context, "state": each.state, "description": each.description, "target_url": each.address}
            for each in self.state.newest_statuses(request.part("sha"))
        ]
        return filled(models.CombinedCommitStatus, {"sha": request.part("sha"), "statuses": statuses})

    @route("POST", f"{REPOS}/statuses/{{sha}}", models.ReposOwnerRepoStatusesShaPostBody, models.Status)
    def set_status(self, request: Request) -> Any:
        body = request.body
        if len(body["description"]) > 140:
            return Reply(422, {"message": "Validation Failed"})
        values = {"context": body["context"], "description": body["description"], "target_url": body["target_url"]}
        status = self.state.set_status(
            request.part("sha"), body["context"], body["state"], body["description"], body["target_url"]
        )
        return filled(models.Status, {**values, "state": status.state, "id": status.id, "creator": None})

    @route("GET", f"{REPOS}/commits/{{sha}}/check-runs")
    def check_runs(self, request: Request) -> Any:
        name, sha = request.query["check_name"], request.part("sha")
        runs = [run for run in self.state.check_runs if (run["name"], run["head_sha"]) == (name, sha)][-1:]
        return {"total_count": len(runs), "check_runs": [check_run(run) for run in runs]}

    @route(
        "POST",
        f"{REPOS}/check-runs",
        models.ReposOwnerRepoCheckRunsPostBodyOneof0 | models.ReposOwnerRepoCheckRunsPostBodyOneof1,
        models.CheckRun,
    )
    def add_check_run(self, request: Request) -> Any:
        if request.user is not self.app_user:
            raise HTTPError(403, "You must authenticate via a GitHub App.")
        if len(request.body["output"]["annotations"]) > 50:
            return Reply(422, {"message": "Validation Failed"})
        self.state.check_runs.append({**request.body, "id": self.state.number()})
        return check_run(self.state.check_runs[-1])

    @route("GET", f"{ISSUE}/timeline")
    def timeline(self, request: Request) -> Any:
        answers: list[Any] = []
        for event in self.asked(request).events:
            if event.path:
                continue
            shape, values = timeline_event(event, self.state)
            answers.append(filled(shape, values))
            self.check(Route("GET", request.match.re, self.timeline), "answer", answers[-1], shape)
            if event.kind == "merged":  # GitHub closes what it merges
                shape, values = timeline_event(event, self.state)
                answers.append(filled(shape, {**values, "event": "closed", "id": event.id + 100_000}))
        return answers

    @route("GET", f"{PULL}/comments", answered=list[models.PullRequestReviewComment])
    def line_comments(self, request: Request) -> Any:
        return [line_comment(event) for event in self.asked(request).events if event.path]

    @route("GET", f"{REPOS}/rules/branches/{{branch}}")
    def rules(self, request: Request) -> Any:
        is_main = request.part("branch") == "main"
        statuses = [{"context": name} for name in self.state.protected.get("statuses", ()) if is_main]
        rules = [{"type": name} for name in self.state.protected.get("rules" if is_main else "rules of records", ())]
        if statuses:
            parameters = {"required_status_checks": statuses, "strict_required_status_checks_policy": False}
            rules.append({"type": "required_status_checks", "parameters": parameters})
        return rules

    @route("GET", f"{REPOS}/branches/{{branch}}/protection", answered=models.BranchProtection)
    def protection(self, request: Request) -> Any:
        values = self.state.protected.get("classic") if request.part("branch") == "main" else None
        return filled(models.BranchProtection, values) if values else Reply(404, {"message": "Branch not protected"})

    @route("GET", "/app", answered=models.Integration)
    def app(self, request: Request) -> Any:
        return filled(models.Integration, {"id": int(APP_ID), "slug": "allotment", "name": "Allotment"})

    @route("GET", f"{REPOS}/installation", answered=models.Installation)
    def installation(self, request: Request) -> Any:
        rights = dict.fromkeys(self.state.app_writes, "write") | {"metadata": "read"}
        values = {"id": 7, "app_id": int(APP_ID), "app_slug": "allotment", "permissions": rights}
        return filled(models.Installation, values)

    @route("GET", f"{REPOS}/hooks", answered=list[models.Hook])
    def hooks(self, request: Request) -> Any:
        if request.user.permission != "admin":
            raise HTTPError(404)
        events = ["push", "pull_request", "pull_request_review", "pull_request_review_comment", "issue_comment"]
        events = events if self.state.webhook_sends_everything else ["push"]
        return [
            filled(models.Hook, {"id": number, "active": True, "events": events, "config": {"url": address}})
            for number, address in enumerate(self.state.webhooks, 1)
        ]

    @route(
        "POST",
        "/app/installations/{id}/access_tokens",
        models.AppInstallationsInstallationIdAccessTokensPostBody,
        models.InstallationToken,
    )
    def access_token(self, request: Request) -> Any:
        if request.body != {"repositories": ["profiles"]}:
            raise HTTPError(422, "a token for one repository is enough")
        token = f"ghs_{self.state.number():x}{'0' * 30}"
        self.app_tokens.add(token)
        expires = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
        return filled(models.InstallationToken, {"token": token, "expires_at": written(expires)})
