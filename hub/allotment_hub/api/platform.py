"""The API for operators: quarantined changes, health and metrics."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import ClassVar

from prometheus_client import CONTENT_TYPE_LATEST

from allotment_hub.api.handler import ApiHandler, operation
from allotment_hub.api.metrics import (
    CatalogCollector,
    ForgeCollector,
    NotificationCollector,
    PullCollector,
    RecordCollector,
    exposition,
)
from allotment_hub.api.requests import ConfirmationBody
from allotment_hub.api.responses import QuarantinedCommitAnswer
from allotment_hub.api.serializers import answer_from
from allotment_hub.configuration import ForgeConfiguration
from allotment_hub.forges.record_log import RecordLog
from allotment_hub.services.disk import Disk
from allotment_hub.services.image_puller import ImagePuller
from allotment_hub.services.pull_requests.mirroring import PullRequests
from allotment_hub.services.quarantine import RELEASES, QuarantinedCommit, by_commit_and_kind
from allotment_profiles.catalog.catalog import QuarantinedChange
from allotment_profiles.store.watcher import FetchStatus, LoadStatus


class QuarantineHandler(ApiHandler):
    """The quarantined changes of main."""

    @operation(QuarantinedCommitAnswer, listed="holds")
    async def get(self) -> None:
        """List the commits with quarantined changes that the caller may see."""
        commits = await self.services.quarantine.seen_by(self.actor.user)

        def answer(commit: QuarantinedCommit) -> QuarantinedCommitAnswer:
            confirmed_by = [user.name for user in commit.confirmed_by]
            return answer_from(
                QuarantinedCommitAnswer, commit, refusal=commit.refusal(self.actor), confirmed_by=confirmed_by
            )

        await self.answer_list(answer, commits)


class ConfirmationHandler(ApiHandler):
    """The confirmation of a quarantined commit."""

    decides: ClassVar[bool] = True

    @operation(status=201)
    async def post(self, commit: str, body: ConfirmationBody) -> None:
        """Confirm a quarantined commit. `applies` is false while a second administrator has to confirm it, too."""
        applies = await self.services.quarantine.confirm(self.actor, commit, body.reason, body.kind)
        revision = self.services.watcher.catalog.revision
        self.answer({"commit": commit, "revision": revision, "applies": applies})


class HealthHandler(ApiHandler):
    """The health of the service."""

    open_to_all: ClassVar[bool] = True

    @operation()
    async def get(self) -> None:
        """Return what applies: 200 once something does, 503 before.

        `ok`: main moves, the records are good, nothing keeps people from proposing, and the disk has room.
        """
        watcher = self.services.watcher
        disk = await asyncio.to_thread(Disk.of, watcher.repository.path)
        await asyncio.to_thread(self.services.proposals.forge.log.look)
        standstill, records = watcher.standstill, self.services.proposals.forge.log
        policy = watcher.catalog.policy
        recorded = self.services.sign_ins.recorded
        # Then nobody can decide what the policy wants a fresh sign-in for.
        lost = recorded is False and policy is not None and policy.value.fresh_sign_in is not None
        in_the_way = await asyncio.to_thread(self.services.proposals.forge.in_the_way)
        bad = standstill is not None or disk.nearly_full or lost or records.broken is not None or bool(in_the_way)
        content = {
            # The status tells whether the service can answer: while main cannot move, it still shows what applies.
            "ok": watcher.applied is not None and not bad,
            "disk": {"nearly_full": disk.nearly_full, "free": disk.free},
            "standstill": standstill
            and {"code": standstill.code, "since": _utc(standstill.since), "why": standstill.why},
            "applied": _attempt(watcher.applied),
            "attempted": _attempt(watcher.attempted),
            "fetched": _fetched(watcher.last_fetch),
            "proposals": {
                "failed": watcher.proposals_error is not None,
                "left_out": watcher.left_out,
                # Branches that keep the service from making its own, so that nothing is proposed.
                "in_the_way": list(in_the_way[:5]),
            },
            "records": _records(records),
            # It changes neither `ok` nor the status: without it everything goes on but the pull requests.
            "forge": _forge(self.services.pull_requests, self.services.configuration.forge),
            "pulled_ahead": pulled_ahead(self.services.image_puller),
            "problems": len(watcher.catalog.problems),
            # Whether the hub writes sign-ins down; null if it has not said so.
            "sign_ins_recorded": recorded,
            # Whether a page in a session can act as whoever opens it.
            "shared_origin": self.services.configuration.shared_origin,
            # This answer is public, so it names no files. `GET holds` has them for those who may see them.
            "held": _quarantined(watcher.catalog.quarantined),
        }
        self.answer(content, 200 if watcher.applied else 503)


def _records(log: RecordLog) -> dict[str, object]:
    broken, progress = log.broken, log.progress
    return {
        "broken": broken and {"since": _utc(broken.since), "why": broken.why, "commit": broken.commit},
        "reading": progress and {"done": progress[0], "of": progress[1]},
    }


_FORGE_WORDS = {
    "forge-unavailable": "It does not answer, or its answer cannot be understood.",
    "forge-limited": "It takes no more calls for a while.",
    "forge-credential": "It does not take the service's credential, or the credential has too few rights.",
    "forge-moved": "The repository has another address there.",
    "forge-missing": "It has no such repository, or does not show it to the service's account.",
    "forge-refused": "It refuses a call of the service.",
}
"""Why pull requests are not up to date, for everybody: the errors themselves name files and addresses."""


def _forge(pull_requests: PullRequests | None, configured: ForgeConfiguration | None) -> dict[str, object] | None:
    if pull_requests is None:
        return None
    status, deliveries = pull_requests.status, pull_requests.deliveries
    has_webhooks = configured is not None and configured.webhook_secret_file is not None
    code = status.error and status.error.code
    return {
        "ok": status.error is None and status.looked is not None,
        "code": code,
        "why": code
        and _FORGE_WORDS.get(code, "The service cannot follow the pull requests now. Its log has the reason."),
        "since": _utc(status.since),
        "looked": _utc(status.looked),
        "open": pull_requests.open_count,
        # Those of open proposals on which nothing is decided: set to another branch than main, say.
        "elsewhere": len(pull_requests.following.elsewhere),
        # When the last webhook came that the forge had signed, and the last one that it had not, since the start of the
        # service; null where none are taken.
        "webhooks": {"accepted": _utc(deliveries.accepted), "refused": _utc(deliveries.refused)}
        if has_webhooks
        else None,
    }


def _fetched(fetched: FetchStatus | None) -> dict[str, object] | None:
    if fetched is None:
        return None
    return {
        "time": _utc(fetched.time),
        "failed": fetched.error is not None,
        "failing_since": _utc(fetched.failing_since),
        "why": fetched.why or None,
    }


def _attempt(attempt: LoadStatus | None) -> dict[str, object] | None:
    if attempt is None:
        return None
    return {
        "revision": attempt.revision,
        "time": _utc(attempt.time),
        "seconds": round(attempt.seconds, 3),
        # The error itself names paths of the machine, so it goes only to the log.
        "failed": attempt.error is not None,
        "problems": attempt.problem_count,
        "rewound": attempt.rewound,
    }


def pulled_ahead(image_puller: ImagePuller | None) -> dict[str, object] | None:
    """Return the state of pulling for `GET health`; None if nothing is pulled, or nothing was pulled yet."""
    last = image_puller.last if image_puller else None
    if last is None:
        return None
    return {
        "time": _utc(last.time),
        "images": len(last.desired.images),
        "left_out": len(last.desired.left_out),
        # The cluster's error goes only to the log.
        "failed": last.error is not None,
        "failing_since": _utc(last.since),
    }


def _quarantined(changes: Sequence[QuarantinedChange]) -> list[dict[str, object]]:
    return [
        {
            "commit": commit,
            "reason": reason,
            "since": _utc(together[0].since),
            "files": len(together),
            "release": RELEASES[reason],
        }
        for (commit, reason), together in by_commit_and_kind(changes).items()
    ]


def _utc(moment: dt.datetime | None) -> str | None:
    return moment.astimezone(dt.UTC).isoformat() if moment else None


class MetricsHandler(ApiHandler):
    """The metrics of the service."""

    open_to_all: ClassVar[bool] = True

    @operation()
    async def get(self) -> None:
        """Return metrics in the text format of Prometheus."""
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        services = self.services
        collectors = [CatalogCollector(services.watcher), RecordCollector(services.proposals.forge.log)]
        pulled = [PullCollector(services.image_puller)] if services.image_puller else []
        forge = [ForgeCollector(services.pull_requests)] if services.pull_requests else []
        told = [NotificationCollector(services.notifier)] if services.notifier else []
        self.finish(await asyncio.to_thread(exposition, *collectors, *pulled, *forge, *told))


class UnknownHandler(ApiHandler):
    """Every other path below the API's root."""

    open_to_all: ClassVar[bool] = True

    def prepare(self) -> None:  # type: ignore[override]  # nothing to wait for
        """Answer 404."""
        self.send_error(404)
