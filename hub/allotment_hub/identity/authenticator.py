"""A layer over a deployment's authenticator: it knows what the identity provider last said about a user, and when.

The authenticator itself stays oauthenticator's own, with its own configuration. Its answers are kept apart: the
provider confirmed the user, refused the user, did not answer, or cannot be asked without a new sign-in.
"""

import asyncio
import time
import weakref
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any, Literal

from jupyterhub.auth import Authenticator
from oauthenticator.azuread import AzureAdOAuthenticator
from oauthenticator.oauth2 import OAuthenticator
from sqlalchemy.exc import SQLAlchemyError
from tornado.httpclient import HTTPClientError
from tornado.web import HTTPError
from traitlets import Bool, Float, Integer, TraitError, Unicode, validate

from allotment_hub.identity.account_names import AccountNames, asked_about
from allotment_hub.identity.claims import Account, ReceivedGroups, claim_at, received_groups
from allotment_hub.identity.records import IdentityRecord, forget, read_record, write_record
from allotment_profiles.access.people import ADMINISTRATORS
from allotment_profiles.model.problems import Refusal
from allotment_profiles.model.values.quantities import format_duration

Answer = Literal["confirmed", "refused", "no-answer", "not-asked"]
_SPENT = 20
"""How many used refresh tokens of a user are known: more requests at once than one person makes."""
_NO_ANSWER = frozenset({408, 425, 429})
"""Statuses below 500 with which a server says that it cannot answer now."""

_failed: ContextVar[list[str] | None] = ContextVar("allotment_failed_requests", default=None)


@dataclass(frozen=True)
class Standing:
    """What is known about a user now."""

    answer: Answer
    """What became of the last time that the provider was asked."""
    seconds: float | None
    """How long ago the provider last said who the user is; None if it never did."""
    maximum: int
    """The age that is accepted where the provider does not answer or cannot be asked."""
    reason: str
    """Why the provider cannot be asked; empty if it can."""
    account: Account | None
    unusable: tuple[str, ...]

    @property
    def recent(self) -> bool:
        """Whether the provider said who the user is within the maximum age."""
        return self.seconds is not None and self.seconds <= self.maximum


class CheckedIdentity(AccountNames):
    """Mixed into an authenticator's class by `checked`. Configured as `CheckedIdentity`, in `hub.config` or a file."""

    maximum_age = Integer(
        12 * 3600, min=60, config=True, help="How many seconds the last answer counts while the provider gives none."
    )
    answer_seconds = Float(10, min=0.1, config=True, help="How long the provider may take to answer.")
    user_tokens = Bool(
        False, config=True, help="Whether the service may open pull requests with the tokens of the users who propose."
    )
    group_name_key = Unicode(config=True, help="Where groups that are objects have their name, such as displayName.")

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._answers: dict[str, Answer] = {}
        self._renewed: dict[str, tuple[Any, tuple[str, ...]]] = {}
        """User → the newest auth_state, and the last refresh tokens that are used up."""
        self._locks: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    @validate("auth_refresh_age")
    def _check_refresh_age(self, proposal: Any) -> int:
        if not proposal.value:
            raise TraitError("auth_refresh_age must not be 0: JupyterHub would not ask before a start either")
        return int(proposal.value)

    # -- what the provider says

    async def get_user_groups(self, auth_state: dict[str, Any]) -> frozenset[str]:
        """Return the groups in all shapes in which providers send them. oauthenticator calls this."""
        received = await self._groups_in(auth_state)
        if not received.names:
            self.log.warning("The identity provider sent no groups of a user (auth_state_groups_key)")
        return received.names

    async def _groups_in(self, auth_state: Mapping[str, Any]) -> ReceivedGroups:
        key = getattr(self, "auth_state_groups_key", "")
        claim = key(auth_state) if callable(key) else claim_at(auth_state, key)
        if isawaitable(claim):
            claim = await claim
        return received_groups(claim, self.group_name_key)

    async def fetch(self, req: Any, *args: Any, **kwargs: Any) -> Any:
        """Send a request of oauthenticator's. Notice whether the provider answered, also where the error is dropped."""
        try:
            return await super().fetch(req, *args, **kwargs)
        except HTTPClientError as error:
            if not _is_answer(error):
                self._note_failure(f"HTTP {error.code}")
                raise HTTPClientError(error.code if error.code >= 500 else 503, "no answer") from error
            raise
        except (OSError, ValueError) as error:
            self._note_failure(type(error).__name__)
            raise

    def _note_failure(self, what: str) -> None:
        failures = _failed.get()
        if failures is not None:
            failures.append(what)

    # -- signing in

    async def authenticate(self, handler: Any, data: Any = None, **kwargs: Any) -> Any:
        """Sign a user in. A provider that does not answer is a 503 instead of an error of the hub."""
        try:
            with asked_about(handler.db):
                async with asyncio.timeout(3 * self.answer_seconds):
                    model = await super().authenticate(handler, data, **kwargs)
                # A class with an `authenticate` of its own does not call `update_auth_model`.
                return self.with_kept_name(model)
        except HTTPClientError as error:
            if _is_answer(error):
                raise HTTPError(403, "The identity provider did not accept the sign-in. Sign in again.") from error
            raise _no_answer_error() from error
        except (OSError, TimeoutError) as error:
            raise _no_answer_error() from error

    async def run_post_auth_hook(self, handler: Any, auth_model: Any) -> Any:
        """Remember who signed in with which account."""
        auth_model = await super().run_post_auth_hook(handler, auth_model)
        if auth_model:
            await self._remember(handler.db, auth_model["name"], auth_model)
            self._answers[auth_model["name"]] = "confirmed"
            self._renewed.pop(auth_model["name"], None)
        return auth_model

    def delete_user(self, user: Any) -> Any:
        """Forget a user who is deleted."""
        forget(user.db, user.name)
        self._answers.pop(user.name, None)
        self._renewed.pop(user.name, None)
        return super().delete_user(user)

    # -- asking again

    async def refresh_user(self, user: Any, handler: Any = None, **kwargs: Any) -> Any:
        """Ask the provider who a user is now. JupyterHub calls this before a start, and every `auth_refresh_age`.

        Without an answer the hub goes on with what it knows: what may be decided from that is decided elsewhere.
        """
        # Providers take a refresh token once, so two requests for one user come one after the other.
        lock = self._locks.setdefault(user.name, asyncio.Lock())
        async with lock:
            before = await self._refresh_token(user)
            answer, model = await self._ask(user, handler, kwargs)
            if answer == "refused" and await self._put_back(user):
                before = await self._refresh_token(user)
                answer, model = await self._ask(user, handler, kwargs)
            if user.name in self.blocked_users or (answer == "confirmed" and self._is_another(user, model)):
                answer = "refused"
            self._answers[user.name] = answer
            if answer == "confirmed" and isinstance(model, dict):
                if model.get("auth_state") is not None:
                    self._note_renewal(user.name, before, model["auth_state"])
                    await user.save_auth_state(model["auth_state"])
                await self._remember(user.db, user.name, model)
            elif answer == "confirmed":
                await self._remember(user.db, user.name, {"auth_state": None})
        return answer != "refused" and model

    @staticmethod
    async def _refresh_token(user: Any) -> str:
        return str((await user.get_auth_state() or {}).get("refresh_token") or "")

    def _note_renewal(self, name: str, before: str, state: Mapping[str, Any]) -> None:
        _, spent = self._renewed.get(name, (None, ()))
        if before and before not in spent and before != state.get("refresh_token"):
            self._renewed[name] = (state, (*spent, before)[-_SPENT:])

    async def _put_back(self, user: Any) -> bool:
        """Restore the newest auth_state where an older one is stored. Return whether that was so.

        JupyterHub stores each answer again after `refresh_user`, and with two requests at once the older one last.
        """
        state, spent = self._renewed.get(user.name, (None, ()))
        if state is None or await self._refresh_token(user) not in spent:
            return False
        await user.save_auth_state(state)
        return True

    def _is_another(self, user: Any, model: Any) -> bool:
        account = self.account_in(model.get("auth_state")) if isinstance(model, dict) else None
        record = read_record(user.db, user.name) if account else None
        known = record.account if record else None
        return bool(account and known and known.at_same_provider(account) and known.id != account.id)

    async def _ask(self, user: Any, handler: Any, kwargs: Mapping[str, Any]) -> tuple[Answer, Any]:
        if self.why_not_asked():
            return "not-asked", True
        failures: list[str] = []
        token = _failed.set(failures)
        try:
            with asked_about(user.db, user.name):
                async with asyncio.timeout(self.answer_seconds):
                    if self._reads_id_token:
                        return await self._renew(user, handler)
                    model = await super().refresh_user(user, handler, **kwargs)
        except Exception as error:  # noqa: BLE001  whatever the authenticator and its hooks raise is no answer
            what = failures or [type(error).__name__]
            self.log.warning("The identity provider did not answer for %s: %s", user.name, ", ".join(what))
            return "no-answer", True
        finally:
            _failed.reset(token)
        if not model and failures:
            self.log.warning("The identity provider did not answer for %s: %s", user.name, ", ".join(failures))
            return "no-answer", True
        return ("confirmed", model) if model else ("refused", False)

    async def _renew(self, user: Any, handler: Any) -> tuple[Answer, Any]:
        """Ask for a new id token. oauthenticator would read the stored one again, which asks nobody."""
        refresh_token = (await user.get_auth_state() or {}).get("refresh_token")
        if not refresh_token:
            return "not-asked", True
        try:
            tokens = await self.get_token_info(handler, self.build_refresh_token_request_params(refresh_token))
        except HTTPClientError as error:
            if _is_answer(error):
                return "refused", False
            raise
        if "id_token" not in tokens:
            return "not-asked", True
        return "confirmed", await self._token_to_auth_model({"refresh_token": refresh_token, **tokens})

    @property
    def _reads_id_token(self) -> bool:
        return isinstance(self, AzureAdOAuthenticator) or bool(getattr(self, "userdata_from_id_token", False))

    def why_not_asked(self) -> str:
        """Return why nobody can be asked about between two sign-ins; empty if the provider can be."""
        if isinstance(self, OAuthenticator):
            off = "Authenticator.enable_auth_state is off, so the hub keeps no token to ask with"
            return "" if self.enable_auth_state else off
        following = type(self).__mro__[type(self).__mro__.index(CheckedIdentity) + 1 :]
        first = next(each for each in following if "refresh_user" in vars(each))
        return "this way to sign in cannot be asked again" if first is Authenticator else ""

    async def _remember(self, db: Any, name: str, model: Mapping[str, Any]) -> None:
        state = model.get("auth_state")
        received = await self._groups_in(state) if state and self.manage_groups else ReceivedGroups()
        record = IdentityRecord(time.time(), self.account_in(state), received.unusable)
        try:
            write_record(db, name, record)
        except SQLAlchemyError:
            # Nothing is decided from an answer that is not remembered: its age counts from the one before.
            db.rollback()
            self.log.exception("What the identity provider said about %s was not written down", name)

    # -- what may be decided from it

    def standing(self, user: Any) -> Standing:
        """Return what is known about a user now."""
        record = read_record(user.db, user.name)
        seconds = max(0.0, time.time() - record.answered) if record else None
        reason = self.why_not_asked()
        if not reason and self._answers.get(user.name) == "not-asked":
            reason = "the provider gave no refresh token, and its id token is of the sign-in"
        return Standing(
            answer=self._answers.get(user.name, "not-asked"),
            seconds=seconds,
            maximum=self.maximum_age,
            reason=reason,
            account=record.account if record else None,
            unusable=record.unusable if record else (),
        )

    async def token_of(self, user: Any, provider: str, host: str) -> str:
        """Return a user's token at a provider that has just confirmed them; empty where there is none to give."""
        standing = self.standing(user)
        account = standing.account
        if not self.user_tokens or standing.answer != "confirmed" or account is None:
            return ""
        if (account.provider, account.host) != (provider, host):
            return ""
        token = (await user.get_auth_state() or {}).get("access_token")
        return token if isinstance(token, str) else ""

    def refusal_to_start(self, user: Any) -> Refusal | None:
        """Return why a session of a user is not started now. The spawner asks, after JupyterHub's refresh."""
        return refusal_of(self.standing(user), "No session was started.")


def refusal_of(standing: Standing, what: str) -> Refusal | None:
    """Return why nothing is decided from a standing: it was refused, or is too old. Pure."""
    if standing.answer == "refused":
        why, remedy = "Your identity provider does not confirm who you are any more.", "Sign out and in again."
        return Refusal("identity-refused", what, why, remedy, ADMINISTRATORS, 403)
    if standing.answer == "confirmed" or standing.recent:
        return None
    limit = format_duration(standing.maximum)
    if standing.answer == "no-answer":
        why = f"Your identity provider does not answer, and what it said last is older than {limit}."
        return Refusal("identity-unavailable", what, why, "Try again when it is back.", "", 503)
    why = f"What your identity provider said about you is older than {limit}."
    return Refusal("identity-too-old", what, why, "Sign out and in again.", "", 403)


def checked(kind: type[Authenticator]) -> type[Authenticator]:
    """Return an authenticator's class with the layer over it. The name stays, as the section of its options has it."""
    return kind if issubclass(kind, CheckedIdentity) else type(kind.__name__, (CheckedIdentity, kind), {})


def _is_answer(error: HTTPClientError) -> bool:
    """Whether a failed request was answered: not by a server that is away, overloaded or limits requests."""
    headers = error.response.headers if error.response else {}
    limited = error.code == 403 and (headers.get("X-RateLimit-Remaining") == "0" or "Retry-After" in headers)
    return 400 <= error.code < 500 and error.code not in _NO_ANSWER and not limited


def _no_answer_error() -> HTTPError:
    return HTTPError(503, "The identity provider does not answer. Try again in a moment. [identity-unavailable]")
