"""Looks whether a forge is set up well: for `allotment forge doctor`. It changes nothing there."""

import datetime as dt
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ValidationError

from allotment_hub.configuration import ForgeConfiguration, ServiceConfiguration
from allotment_hub.errors import UnavailableError
from allotment_hub.forges.pull_requests.connecting import connect
from allotment_hub.forges.pull_requests.credentials import read_secret
from allotment_hub.forges.pull_requests.errors import ForgeError
from allotment_hub.forges.pull_requests.forge import Forge
from allotment_hub.forges.pull_requests.values import ForgeAccount, Permission
from allotment_hub.forges.repository_settings import (
    WEBHOOK_PATH,
    missing_events,
    missing_for_merges,
    webhooks_page,
)
from allotment_hub.services.identities import Identities, ProviderAccount
from allotment_profiles.git.process import GitError
from allotment_profiles.git.repository import MAIN, RECORDS, Repository
from allotment_profiles.review.code_owners import PLACES, code_owners
from allotment_profiles.store.loading import load
from allotment_profiles.store.snapshot import applied

_RECORDS = RECORDS.removeprefix("refs/heads/")
STATUSES = ("allotment/check", "allotment/approval")
_ENOUGH = (Permission.WRITE, Permission.ADMIN)
_SERVICE_SECONDS = 10.0
Answer = TypeVar("Answer")
Accounts = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class DoctorFinding:
    """One thing that was looked at."""

    state: Literal["ok", "wrong", "unknown"]
    text: str
    address: str = ""
    """The page of the forge with the setting."""


def ok(text: str) -> DoctorFinding:
    """Return what is as it should be."""
    return DoctorFinding("ok", text)


def wrong(text: str, address: str = "") -> DoctorFinding:
    """Return what is not as it should be."""
    return DoctorFinding("wrong", text, address)


def unknown(text: str, address: str = "") -> DoctorFinding:
    """Return what could not be looked at."""
    return DoctorFinding("unknown", text, address)


class _HealthOfWebhooks(BaseModel):
    accepted: dt.datetime | None = None
    refused: dt.datetime | None = None


class _HealthOfForge(BaseModel):
    webhooks: _HealthOfWebhooks | None = None


class _Broken(BaseModel):
    why: str


class _HealthOfRecords(BaseModel):
    broken: _Broken | None = None


class _Health(BaseModel):
    """The part of the service's health that is looked at."""

    records: _HealthOfRecords
    forge: _HealthOfForge | None = None


class Doctor:
    """Looks at one forge, with the service's credential."""

    def __init__(
        self, configuration: ServiceConfiguration, forge: ForgeConfiguration, *,
        identities: Identities | None = None, settings_token: Path | None = None, accounts: Accounts | None = None,
        service_url: str = "",
    ) -> None:  # fmt: skip
        """Ask the hub by `identities`, the service that runs at `service_url`, and for settings with another token.

        Raise ValueError for a wrong value.
        """
        self._configuration, self._configured = configuration, forge
        self._identities = identities
        self._accounts = accounts
        self._service_url = service_url
        self._forge = _connected(forge, forge.token_file, forge.app_id, forge.app_key_file)
        self._settings = _connected(forge, settings_token) if settings_token else self._forge

    async def findings(self) -> AsyncGenerator[DoctorFinding, None]:
        """Yield what is found, as soon as it is."""
        me, finding = await self._asked(self._forge.me)
        yield finding or ok(f"{self._configured.url} answers. The service's account is {me.login} (id {me.id}).")
        if finding is None:
            async with aclosing(self._of_repository(me)) as found:
                async for each in found:
                    yield each
        if finding is None or self._settings is not self._forge:  # else the same credential fails again
            async with aclosing(self._of_webhooks()) as found:
                async for each in found:
                    yield each
        async with aclosing(self._of_service()) as found:
            async for each in found:
                yield each
        if self._accounts is not None:
            yield self._of_code_owners(self._accounts)

    async def aclose(self) -> None:
        """Close the connections."""
        for forge in {self._forge, self._settings}:
            await forge.aclose()

    async def _asked(
        self, call: Callable[[], Awaitable[Answer]], remedy: str = ""
    ) -> tuple[Answer, DoctorFinding | None]:
        """Return the answer of a call, or else what is wrong, with what helps."""
        try:
            return await call(), None
        except ForgeError as error:
            refusal = error.refusal
            text = " ".join(filter(None, [refusal.why, remedy or refusal.remedy]))
            return None, wrong(f"{text} [{refusal.code}]")  # type: ignore[return-value]  # then there is no answer

    async def _of_repository(self, me: ForgeAccount) -> AsyncGenerator[DoctorFinding, None]:
        repository = self._configured.repository
        permission, finding = await self._asked(lambda: self._forge.permission(me))
        if finding is None and permission not in _ENOUGH:
            has = "no rights" if permission is Permission.NONE else f"the right to {permission}"
            finding = wrong(
                f"{me.login} has {has} in {repository}: pull requests and statuses need the right to write."
            )
        yield finding or ok(f"{me.login} may write to {repository}.")
        opened, finding = await self._asked(self._forge.open_pull_requests)
        yield finding or ok(f"Pull requests can be read; {len(opened)} into main are open.")
        remedy = "Name the token of somebody who may read the settings with --settings-token."
        for branch, statuses, good in (
            ("main", STATUSES, "main is protected, and a merge waits for " + " and ".join(STATUSES) + "."),
            (_RECORDS, (), f"{_RECORDS} is protected."),
        ):
            missing, finding = await self._asked(
                partial(self._settings.missing_protections, statuses, me, branch), remedy
            )
            if finding:
                yield unknown(f"The protection of {branch} could not be looked at. {finding.text}")
                break  # nor that of the other one
            for each in missing:
                yield wrong(each.sentence, each.address)
            if not missing:
                yield ok(good)
        yield await self._of_sign_in()
        yield await self._of_users(me)
        yield await self._of_merges()

    async def _of_merges(self) -> DoctorFinding:
        """Look whether the forge notices what the service merges."""
        kind, repository = self._configured.kind, self._configured.repository
        missing, finding = await self._asked(lambda: missing_for_merges(self._settings, kind, repository))
        if finding or missing is None:
            why = finding.text if finding else "This version does not tell its settings for that."
            return unknown(f"Whether the forge shows what the service merges as merged. {why}")
        if missing:
            named = " and ".join(f"“{name}”" for name in missing)
            what = f"What the service merges is shown as closed, not as merged, without the setting {named}."
            return wrong(what, f"{self._configured.url.rstrip('/')}/{repository}/settings")
        return ok("The forge shows what the service merges as merged.")

    async def _of_sign_in(self) -> DoctorFinding:
        """Look whether people sign in to the hub with the forge: else the hub knows nobody by what they do there."""
        about = "Whether people sign in to the hub with the forge, so that what they do there counts"
        if self._identities is None:
            return unknown(f"{about}: no hub was named.")
        try:
            found = await self._identities.place()
        except UnavailableError as error:
            return unknown(f"{about}. {error.refusal.why}")
        if found is None:
            return unknown(f"{about}: the hub does not tell. Set CheckedIdentity.provider in its configuration.")
        kind, host = wanted = self._configured.kind, urlsplit(self._configured.url).netloc
        if found == wanted:
            return ok("People sign in to the hub with the forge, so what they do there counts.")
        remedy = f"CheckedIdentity.provider has to be {kind}, and the sign-in's addresses have to be those of {host}."
        return wrong(f"People sign in with {found[0]} at {found[1] or 'no host'}: nobody's act counts. {remedy}")

    async def _of_users(self, me: ForgeAccount) -> DoctorFinding:
        """Look whether the service's account is somebody's: then theirs would be the service's acts."""
        if self._identities is None:
            return unknown(f"Whether {me.login} is the account of a user of the hub: no hub was named.")
        kind, host = self._configured.kind, urlsplit(self._configured.url).netloc
        try:
            users = await self._identities.users_of(ProviderAccount(kind, host, me.id, me.login))
        except UnavailableError as error:
            return unknown(f"Whether {me.login} is the account of a user of the hub. {error.refusal.why}")
        if users:
            return wrong(f"{me.login} is the account of {', '.join(users)}: give the service an account of its own.")
        return ok(f"{me.login} is nobody's account in the hub.")

    async def _of_webhooks(self) -> AsyncGenerator[DoctorFinding, None]:
        configured, secret = self._configured, self._configured.webhook_secret_file
        if secret is None:
            yield ok(f"No webhook is configured: the forge is asked every {configured.poll_seconds:g} seconds.")
            return
        held, finding = await self._asked(lambda: _secrets(secret))
        if finding or len(held) > 2:
            yield finding or wrong(f"The file {secret} holds more than two secrets.")
        address = f"{self._configuration.public_url.rstrip('/')}/{WEBHOOK_PATH}"
        kind, repository = configured.kind, configured.repository
        there, finding = await self._asked(lambda: missing_events(self._settings, kind, repository))
        page = webhooks_page(kind, configured.url, repository)
        if finding:
            yield finding
        elif there is None:
            yield unknown(f"The account may not read the webhooks. There should be one to {address}")
        elif address not in there:
            yield wrong(f"No active webhook goes to {address}.", page)
        elif there[address]:
            yield wrong(f"The webhook to {address} does not send: {', '.join(there[address])}.", page)
        else:
            yield ok(f"A webhook goes to {address}")

    async def _of_service(self) -> AsyncGenerator[DoctorFinding, None]:
        """Look what the service that runs says of itself: whether it decides, and which webhooks came."""
        if not self._service_url:
            return
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=_SERVICE_SECONDS) as client:
                answer = await client.get(f"{self._service_url}api/v1/health")
            health = _Health.model_validate_json(answer.content)
        except (httpx.HTTPError, ValidationError):
            yield unknown(f"The service does not answer at {self._service_url}, so nothing is known of it.")
            return
        broken = health.records.broken
        if broken:
            yield wrong(f"Nothing is decided: {broken.why}")
        else:
            yield ok("The service runs, and its log of records is whole.")
        webhooks = health.forge and health.forge.webhooks
        if webhooks:
            yield self._of_deliveries(webhooks)

    def _of_deliveries(self, webhooks: "_HealthOfWebhooks") -> DoctorFinding:
        accepted, refused = webhooks.accepted, webhooks.refused
        if refused and (accepted is None or accepted < refused):
            page = webhooks_page(self._configured.kind, self._configured.url, self._configured.repository)
            why = f"it was not signed with the secret in {self._configured.webhook_secret_file}"
            remedy = "Write the same secret on the forge. If its page shows no such delivery, somebody else sent it."
            return wrong(f"The last webhook was refused at {refused:%Y-%m-%d %H:%M:%S} UTC: {why}. {remedy}", page)
        if accepted:
            return ok(f"The last webhook was accepted at {accepted:%Y-%m-%d %H:%M:%S} UTC.")
        return unknown("No webhook has come since the service was started.")

    def _of_code_owners(self, accounts: Accounts) -> DoctorFinding:
        kind = self._configured.kind
        try:
            repository = Repository(self._configuration.repository)
            main = repository.resolve(MAIN)
            if main is None:
                return unknown(f"Whether CODEOWNERS is stale: {self._configuration.repository} has no branch main.")
            found = ((place, repository.file(main, place)) for place in PLACES[kind])
            place, data = next(((place, data) for place, data in found if data is not None), (PLACES[kind][0], None))
            made = code_owners(load(applied(repository, main)), accounts, kind)
        except GitError as error:
            return unknown(f"Whether CODEOWNERS is stale: {error}")
        if data is not None and data.decode(errors="replace") == made.text:
            return ok(f"{place} is up to date.")
        state = "is stale" if data is not None else "is not there"
        return wrong(f"{place} {state}: write it with `allotment codeowners --forge {kind}`.")


def _connected(
    forge: ForgeConfiguration, token_file: Path | None, app_id: str = "", app_key_file: Path | None = None
) -> Forge:
    return connect(
        forge.kind, forge.url, forge.repository, token_file=token_file, app_id=app_id, app_key_file=app_key_file,
        ca_file=forge.ca_file, plain_http=forge.plain_http,
    )  # fmt: skip


async def _secrets(path: Path) -> list[str]:
    return read_secret(path).split()
