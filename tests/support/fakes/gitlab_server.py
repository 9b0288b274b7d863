"""A stand-in for GitLab, in the shapes of its documentation. python-gitlab's own client is run against it, too."""

import datetime as dt
import re
from typing import Any

from support.fakes.forge_server import ForgeServer, Reply, Request, route
from support.fakes.forge_state import CommitStatus, Event, Pull, User
from tornado.web import HTTPError

PROJECT = "acme/data/profiles"
PROJECT_PATH = "/projects/acme%2Fdata%2Fprofiles"
REQUEST = f"{PROJECT_PATH}/merge_requests/{{iid}}"
LEVELS = {"admin": 40, "write": 30, "read": 20}
NOTES = {
    "approved": "approved this merge request", "dismissed": "unapproved this merge request",
    "changes_requested": "requested changes",
}  # fmt: skip


def written(time: dt.datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z")


class GitLabServer(ForgeServer):
    """A GitLab with one project."""

    prefix = "/api/v4"

    def canonical(self, path: str) -> str:
        return re.sub(r"^/projects/1(?=/|$)", PROJECT_PATH, path)

    # -- shapes

    def person(self, user: User) -> dict[str, Any]:
        return {
            "id": user.id, "username": user.login, "name": user.login.title(), "state": "active", "locked": False,
            "avatar_url": None, "web_url": f"{self.url}/{user.login}",
        }  # fmt: skip

    def shown(self, pull: Pull) -> dict[str, Any]:
        merged = pull.state == "merged"
        return {
            "id": 1000 + pull.number, "iid": pull.number, "project_id": 1, "title": pull.title,
            "description": pull.body, "state": {"open": "opened"}.get(pull.state, pull.state),
            "created_at": written(pull.opened), "updated_at": written(pull.updated),
            "merged_at": written(pull.updated) if merged else None, "target_branch": pull.base,
            "source_branch": pull.branch, "author": self.person(pull.author), "assignees": [], "assignee": None,
            "reviewers": [self.person(user) for user in pull.reviewers], "source_project_id": 2 if pull.fork else 1,
            "target_project_id": 1, "labels": pull.labels, "draft": False, "sha": pull.head,
            "merge_commit_sha": pull.merge_commit if pull.style == "merge" else None,
            "squash_commit_sha": pull.merge_commit if pull.style == "squash" else None,
            "squash": pull.style == "squash", "user_notes_count": 0, "detailed_merge_status": "mergeable",
            "references": {"short": f"!{pull.number}", "full": f"{PROJECT}!{pull.number}"},
            "web_url": f"{self.url}/{PROJECT}/-/merge_requests/{pull.number}",
        }  # fmt: skip

    def note(self, event: Event) -> dict[str, Any]:
        position = {"head_sha": event.head, "new_path": event.path, "new_line": event.line} if event.path else None
        return {
            "id": event.id, "type": "DiffNote" if position else None, "body": NOTES.get(event.kind, event.text),
            "author": self.person(event.user), "created_at": written(event.time), "updated_at": written(event.updated),
            "system": event.kind in NOTES, "noteable_type": "MergeRequest", "resolvable": False,
            "internal": event.kind == "internal", "confidential": event.kind == "internal",
        } | ({"position": position} if position else {})  # fmt: skip

    def status(self, status: CommitStatus) -> dict[str, Any]:
        return {
            "id": status.id, "sha": status.head, "ref": "main", "status": status.state, "name": status.context,
            "target_url": status.address, "description": status.description, "allow_failure": False, "coverage": None,
        }  # fmt: skip

    # -- routes

    def asked(self, request: Request) -> Pull:
        pull = self.state.pull(int(request.part("iid")))
        if pull is None or request.user.permission == "none":
            raise HTTPError(404, "404 Not found")
        return pull

    @route("GET", "/user")
    def user(self, request: Request) -> Any:
        return self.person(request.user)

    @route("GET", REQUEST)
    def merge_request(self, request: Request) -> Any:
        return self.shown(self.asked(request))

    @route("GET", "/users/{id}")
    def user_by_id(self, request: Request) -> Any:
        found = [user for user in self.state.users.values() if str(user.id) == request.part("id")]
        return self.person(found[0]) if found else Reply(404, {"message": "404 User Not Found"})

    @route("GET", PROJECT_PATH)
    def project(self, request: Request) -> Any:
        required = bool(self.state.protected.get("pipeline"))
        return {
            "id": 1, "path_with_namespace": PROJECT, "web_url": f"{self.url}/{PROJECT}",
            "only_allow_merge_if_pipeline_succeeds": required, "default_branch": "main",
        }  # fmt: skip

    @route("GET", f"{PROJECT_PATH}/members/all/{{id}}")
    def member(self, request: Request) -> Any:
        found = [user for user in self.state.users.values() if str(user.id) == request.part("id")]
        if not found or found[0].permission == "none":
            return Reply(404, {"message": "404 Not found"})
        return {**self.person(found[0]), "access_level": LEVELS[found[0].permission], "expires_at": None}

    @route("GET", f"{PROJECT_PATH}/merge_requests")
    def listed(self, request: Request) -> Any:
        if request.user.permission == "none":
            raise HTTPError(404, "404 Project Not Found")
        state, branch = request.query.get("state", "all"), request.query.get("source_branch")
        found = [
            pull
            for pull in self.state.pulls
            if state in ("all", {"open": "opened"}.get(pull.state, pull.state))
            and branch in (None, pull.branch)
            and request.query.get("target_branch", pull.base) == pull.base
        ]
        if request.query.get("sort", "desc") == "desc":
            found.reverse()
        return [self.shown(pull) for pull in found]

    @route("POST", f"{PROJECT_PATH}/merge_requests")
    def create(self, request: Request) -> Any:
        body = request.body
        if request.user.permission == "none":
            raise HTTPError(404, "404 Project Not Found")
        if request.user.permission == "read":
            raise HTTPError(403, "403 Forbidden")
        for pull in self.state.pulls:
            if pull.branch == body["source_branch"] and pull.state == "open" and not pull.fork:
                message = f"Another open merge request already exists for this source branch: !{pull.number}"
                return Reply(409, {"message": [message]})
        if body["source_branch"] not in self.state.branches:
            return Reply(400, {"message": {"base": ["source_branch does not exist"]}})
        return self.shown(self.state.open(request.user, body["source_branch"], body["title"], body["description"]))

    @route("PUT", REQUEST)
    def change(self, request: Request) -> Any:
        pull, body = self.asked(request), request.body
        pull.title, pull.body = body.get("title", pull.title), body.get("description", pull.body)
        if body.get("state_event") == "close" and pull.state == "open":
            self.state.act(pull.number, "closed", request.user)
        removed = body.get("remove_labels", "").split(",")
        pull.labels = [label for label in pull.labels if label not in removed]
        pull.labels += [label for label in body.get("add_labels", "").split(",") if label and label not in pull.labels]
        if "reviewer_ids" in body:
            users = [user for user in self.state.users.values() if user.id in body["reviewer_ids"]]
            # Somebody who cannot see the project is passed over without a word.
            pull.reviewers = [user for user in users if user.permission != "none"][: self.state.reviewers_taken]
        return self.shown(pull)

    @route("GET", f"{REQUEST}/notes")
    def notes(self, request: Request) -> Any:
        kinds = {*NOTES, "comment", "internal"}
        notes = [self.note(event) for event in self.asked(request).events if event.kind in kinds]
        return notes if request.query.get("sort") == "asc" else notes[::-1]

    @route("POST", f"{REQUEST}/notes")
    def add_note(self, request: Request) -> Any:
        pull = self.asked(request)
        return self.note(self.state.act(pull.number, "comment", request.user, request.body["body"]))

    @route("PUT", f"{REQUEST}/notes/{{id}}")
    def edit_note(self, request: Request) -> Any:
        found = [event for event in self.asked(request).events if str(event.id) == request.part("id")]
        if not found or found[0].user is not request.user:
            raise HTTPError(404, "404 Note Not Found")
        found[0].text = request.body["body"]
        return self.note(found[0])

    @route("GET", f"{REQUEST}/versions")
    def versions(self, request: Request) -> Any:
        return [
            {"id": number, "head_commit_sha": head, "created_at": written(time), "state": "collected"}
            for number, (head, time) in enumerate(self.asked(request).versions, 1)
        ][::-1]

    @route("GET", f"{REQUEST}/approvals")
    def approvals(self, request: Request) -> Any:
        given = {
            event.user.login: event
            for event in self.asked(request).events
            if event.kind == "approved" and not event.dismissed
        }
        approved_by = [
            {"user": self.person(event.user), "approved_at": written(event.time)} for event in given.values()
        ]
        return {"approved": bool(approved_by), "approved_by": approved_by, "user_has_approved": False}

    @route("GET", f"{REQUEST}/reviewers")
    def reviewers(self, request: Request) -> Any:
        pull = self.asked(request)
        asking = {event.user.login for event in pull.events if event.kind == "changes_requested"}
        return [
            {
                "user": self.person(user), "created_at": written(pull.opened),
                "state": "requested_changes" if user.login in asking else "unreviewed",
            }
            for user in pull.reviewers
        ]  # fmt: skip

    @route("GET", f"{REQUEST}/resource_state_events")
    def state_events(self, request: Request) -> Any:
        return [
            {
                "id": event.id, "user": self.person(event.user), "created_at": written(event.time),
                "resource_type": "MergeRequest", "resource_id": 1, "state": event.kind,
            }
            for event in self.asked(request).events
            if event.kind in ("closed", "reopened", "merged")
        ]  # fmt: skip

    @route("GET", f"{PROJECT_PATH}/repository/commits/{{sha}}/statuses")
    def statuses(self, request: Request) -> Any:
        return [self.status(status) for status in self.state.newest_statuses(request.part("sha"))]

    @route("POST", f"{PROJECT_PATH}/statuses/{{sha}}")
    def set_status(self, request: Request) -> Any:
        body, sha = request.body, request.part("sha")
        if body["state"] not in ("pending", "running", "success", "failed", "canceled", "skipped"):
            raise HTTPError(400, "state does not have a valid value")
        before = {status.context: status for status in self.state.newest_statuses(sha)}.get(body["name"])
        if before and before.state == body["state"] == "pending":
            return Reply(400, {"message": "Cannot transition status via :enqueue from :pending"})
        return self.status(
            self.state.set_status(sha, body["name"], body["state"], body["description"], body["target_url"])
        )

    @route("GET", f"{PROJECT_PATH}/hooks")
    def hooks(self, request: Request) -> Any:
        if request.user.permission != "admin":
            raise HTTPError(403, "403 Forbidden")
        rest = self.state.webhook_sends_everything
        return [
            {
                "id": number,
                "url": address,
                "project_id": 1,
                "push_events": True,
                "merge_requests_events": rest,
                "note_events": rest,
            }
            for number, address in enumerate(self.state.webhooks, 1)
        ]

    @route("GET", f"{PROJECT_PATH}/protected_branches")
    def protected_branches(self, request: Request) -> Any:
        levels = self.state.protected.get("push_access_levels")
        if levels is None:
            return []
        force = bool(self.state.protected.get("force"))
        names = ["ma*", *(["allotment/*"] if self.state.protected.get("records") else [])]
        return [
            {"id": number, "name": name, "push_access_levels": levels, "allow_force_push": force}
            for number, name in enumerate(names, 1)
        ]
