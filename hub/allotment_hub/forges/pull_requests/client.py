"""The HTTP client of all three forges, on plain httpx.

Why not gidgethub, githubkit or python-gitlab: each is for one forge, so that limits, retries, time-outs and credentials
would be solved three times, in three ways; python-gitlab blocks; githubkit brings thousands of models for the twenty
calls that are made here. What is needed of HTTP is this file; the tests hold it against those libraries instead.
"""

import asyncio
import contextlib
import datetime as dt
import logging
import ssl
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import httpx
from pydantic import TypeAdapter, ValidationError

from allotment_hub.forges.pull_requests.credentials import Credential
from allotment_hub.forges.pull_requests.errors import (
    ForgeCredentialError,
    ForgeLimitedError,
    ForgeMissingError,
    ForgeMovedError,
    ForgeRefusedError,
    ForgeTooLargeError,
    ForgeUnavailableError,
)
from allotment_profiles.backoff import retry_delay

log = logging.getLogger(__name__)

LARGEST_ANSWER = 16 * 1024 * 1024
"""A hundred pull requests with the longest texts."""
LARGEST_KEPT, LARGEST_CACHE = 4 * 1024 * 1024, 16 * 1024 * 1024
MOST_PAGES = 100
ATTEMPTS = 3
LONGEST_PAUSE = 3600.0

Shape = TypeVar("Shape")
Parameters = Mapping[str, str]


def segment(text: str) -> str:
    """Quote a part of a path. Raise ForgeMissingError for one that would lead elsewhere."""
    if text in ("", ".", ".."):
        raise ForgeMissingError(f"thing that is called '{text}'")
    return quote(text, safe="")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the forge answered: the whole body, which is never longer than the limit."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def message(self) -> str:
        """Return the forge's own words, on one line."""
        try:
            body = _adapter(dict[str, Any]).validate_json(self.content)
        except ValidationError:
            return "no reason given"
        details = [body[key] for key in ("message", "error", "errors") if body.get(key)]
        text = "; ".join(part if isinstance(part, str) else str(part) for part in details) or "no reason given"
        return "".join(character if character.isprintable() else " " for character in text[:300])


@lru_cache(maxsize=200)
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


@lru_cache(maxsize=4)
def _authorities(ca_file: Path | None) -> ssl.SSLContext:
    """Return a context that trusts the authorities in a file, or those of the system. To read these takes 30 ms."""
    return ssl.create_default_context(cafile=str(ca_file) if ca_file else None)


class ForgeClient:
    """Calls a forge's API in one account's name.

    Calls that can be made twice are made again when they fail; a POST is made once. While the forge takes no calls,
    none is made. What is asked again is asked with `If-None-Match`, which forges answer quickly and do not count.
    """

    def __init__(
        self, url: str, credential: Credential, *, headers: Mapping[str, str], page: Parameters,
        ca_file: Path | None = None, timeout: float = 20,
    ) -> None:  # fmt: skip
        """Use the API below `url`, with the parameters `page` that ask for long pages."""
        self._url = url.rstrip("/") + "/"
        self._host = urlsplit(url).netloc.rpartition("@")[2]
        self.credential = credential
        self._page = page
        self._timeout = timeout
        self._limited_until = 0.0
        self.clock = dt.datetime.fromtimestamp(0, dt.UTC)
        """The forge's time of its last answer, to the second."""
        self._kept: OrderedDict[httpx.URL, Answer] = OrderedDict()
        self._http = httpx.AsyncClient(
            headers={"User-Agent": "allotment", "Accept-Encoding": "identity", **headers},
            timeout=timeout, follow_redirects=False,
            verify=_authorities(ca_file),
        )  # fmt: skip

    async def get(self, shape: type[Shape], path: str, parameters: Parameters | None = None) -> Shape:
        """Return what a path holds. Raise ForgeError."""
        held: Shape = await self._parsed(shape, await self._call("GET", path, parameters))
        return held

    async def find(self, shape: type[Shape], path: str, parameters: Parameters | None = None) -> Shape | None:
        """Return what a path holds; None where there is nothing. Raise ForgeError."""
        try:
            return await self.get(shape, path, parameters)
        except ForgeMissingError:
            return None

    async def list(
        self, shape: type[Shape], path: str, parameters: Parameters | None = None, *, linked: bool = True,
        whole: bool = True,
    ) -> list[Shape]:  # fmt: skip
        """Return the items of all pages. `linked`: pages say whether one follows; else two empty ones end it.

        Not `whole`: items that are too large are left out, and those beyond the most that are read.
        """
        items: list[Shape] = []
        empty = 0
        for number in range(1, MOST_PAGES + 1):
            try:
                page, follows = await self._page_of(shape, path, parameters, number, self._page)
            except ForgeTooLargeError:
                if whole:
                    raise
                page, follows = await self._one_by_one(shape, path, parameters, number)
            items += page
            empty = 0 if page else empty + 1
            if (linked and not follows) or empty == 2:
                return items
        if whole:
            raise ForgeTooLargeError(f"It has more than {len(items)} items at {path}.")
        return items

    async def _page_of(
        self, shape: type[Shape], path: str, parameters: Parameters | None, number: int, page: Parameters
    ) -> tuple[Sequence[Shape], bool]:
        """Return the items of one page, and whether another follows."""
        answer = await self._call("GET", path, {**(parameters or {}), **page, "page": str(number)})
        return await self._parsed(list[shape] | None, answer) or [], _has_next(answer)  # type: ignore[valid-type]

    async def _one_by_one(
        self, shape: type[Shape], path: str, parameters: Parameters | None, number: int
    ) -> tuple[Sequence[Shape], bool]:
        """Return the items of a page that is too large as a whole, without those that are."""
        ((name, size),) = self._page.items()
        found: list[Shape] = []
        for place in range((number - 1) * int(size) + 1, number * int(size) + 1):
            try:
                item, follows = await self._page_of(shape, path, parameters, place, {name: "1"})
            except ForgeTooLargeError:
                log.warning("one of the items at %s is left out: it is too large", path)
                continue
            found += item
            if not follows:
                return found, False
        return found, True

    async def send(
        self, shape: type[Shape], method: str, path: str, body: Mapping[str, Any] | None = None, token: str = ""
    ) -> Shape:
        """Make a call that changes something, with a token of somebody else's if there is one. Raise ForgeError."""
        answered: Shape = await self._parsed(shape, await self._call(method, path, body=body, token=token))
        return answered

    async def delete(self, path: str) -> None:
        """Delete what a path holds, if it is there. Raise ForgeError."""
        with contextlib.suppress(ForgeMissingError):
            await self._call("DELETE", path)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    # -- one call

    async def _call(
        self, method: str, path: str, parameters: Parameters | None = None, *, body: Any = None, token: str = ""
    ) -> Answer:
        url = httpx.URL(self._url + path, params=parameters or None)
        used = token or await self.credential.token()
        if not token and (wait := self._limited_until - time.time()) > 0:
            raise ForgeLimitedError(_time_in(wait))
        answer = await self._repeated(method, url, body, used)
        if answer.status == 401 and not token and await self.credential.another(used, answer.headers.get("date", "")):
            used = await self.credential.token()
            answer = await self._repeated(method, url, body, used)
        if answer.status == 304 and url in self._kept:
            self._kept.move_to_end(url)
            return self._kept[url]
        self._raise_for(answer, path, used, own=not token)
        if method == "GET" and "etag" in answer.headers:
            self._keep(url, answer)
        return answer

    async def _repeated(self, method: str, url: httpx.URL, body: Any, token: str) -> Answer:
        attempts = 1 if method == "POST" else ATTEMPTS
        for attempt in range(1, attempts + 1):
            try:
                answer = await self._exchange(method, url, body, token)
            except ForgeUnavailableError as error:
                if attempt == attempts or isinstance(error, ForgeTooLargeError):
                    raise
            else:
                if answer.status < 500 or attempt == attempts:
                    return answer
            await asyncio.sleep(retry_delay(attempt, first=0.2, longest=2))
        raise AssertionError

    async def _exchange(self, method: str, url: httpx.URL, body: Any, token: str) -> Answer:
        headers = {"Authorization": f"Bearer {token}"}
        if method == "GET" and url in self._kept:
            headers["If-None-Match"] = self._kept[url].headers["etag"]
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._http.stream(method, url, json=body, headers=headers) as response,
            ):
                content = bytearray()
                async for chunk in response.aiter_raw():
                    content += chunk
                    if len(content) > LARGEST_ANSWER:
                        raise ForgeTooLargeError(f"Its answer is longer than {LARGEST_ANSWER >> 20} MiB.")
                if response.headers.get("content-encoding", "identity") != "identity":
                    raise ForgeUnavailableError("Its answer is compressed, which was not asked for.")
                self.clock = _date(response.headers.get("date", ""))
                return Answer(response.status_code, response.headers, bytes(content))
        except (httpx.HTTPError, TimeoutError) as error:
            raise ForgeUnavailableError(self._in_words(error)) from error

    def _in_words(self, error: Exception) -> str:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return (
                    f"The certificate of {self._host} is not valid: {cause.verify_message}. An authority of your own"
                    " belongs in the file of certificate authorities."
                )
            if isinstance(cause, ssl.SSLError):
                return f"{self._host} does not speak TLS as expected: {cause.reason or 'the handshake failed'}."
            cause = cause.__cause__ or cause.__context__
        if isinstance(error, TimeoutError | httpx.TimeoutException):
            return f"{self._host} did not answer within {self._timeout:g} seconds."
        if isinstance(error, httpx.ConnectError):
            return f"{self._host} cannot be reached."
        return f"{self._host} closed the connection before it had answered."

    # -- what an answer means

    def _raise_for(self, answer: Answer, path: str, token: str, *, own: bool) -> None:
        status, message = answer.status, answer.message.replace(token, "…") if answer.status >= 400 else ""
        if 200 <= status < 300:
            return
        pause = _pause(answer)
        if pause is not None:
            if own:
                self._limited_until = max(self._limited_until, time.time() + pause)
            raise ForgeLimitedError(_time_in(pause))
        if 300 <= status < 400:
            raise ForgeMovedError(_place(answer.headers.get("location", "")) or "another address")
        if status == 401:
            raise ForgeCredentialError(f"It does not take the credential: {message}")
        if status == 403:
            raise ForgeCredentialError(f"The credential has too few rights for {path}: {message}")
        if status in (404, 410):
            raise ForgeMissingError(path)
        if status < 500:
            raise ForgeRefusedError(status, message)
        raise ForgeUnavailableError(f"{self._host} answers with {status}.")

    async def _parsed(self, shape: Any, answer: Answer) -> Any:
        try:
            return await asyncio.to_thread(_adapter(shape).validate_json, answer.content or b"null")
        except ValidationError as error:
            place = ".".join(str(part) for part in error.errors(include_input=False, include_url=False)[0]["loc"][:6])
            raise ForgeUnavailableError(
                f"The answer of {self._host} is not what was expected{f' at {place[:100]}' if place else ''}: is the"
                " address that of the API?"
            ) from None

    def _keep(self, url: httpx.URL, answer: Answer) -> None:
        self._kept.pop(url, None)
        if len(answer.content) <= LARGEST_KEPT:
            self._kept[url] = answer
        while sum(len(kept.content) for kept in self._kept.values()) > LARGEST_CACHE:
            self._kept.popitem(last=False)


def _has_next(answer: Answer) -> bool:
    """Return whether another page follows. Where it is, is not read from the answer: the number is counted on."""
    return any('rel="next"' in link for link in answer.headers.get("link", "").split(","))


def _pause(answer: Answer) -> float | None:
    """Return for how many seconds the forge takes no calls; None if it did not say so."""
    headers = answer.headers
    exhausted = headers.get("x-ratelimit-remaining") == "0" or headers.get("ratelimit-remaining") == "0"
    secondary = "retry-after" in headers or exhausted or "rate limit" in answer.message.lower()
    if not (answer.status == 429 or (answer.status == 403 and secondary)):
        return None
    seconds = 60.0
    with contextlib.suppress(ValueError):
        if after := headers.get("retry-after"):
            seconds = float(after) if after.isdigit() else _until(parsedate_to_datetime(after).timestamp(), answer)
        elif exhausted:
            reset = headers.get("x-ratelimit-reset") or headers.get("ratelimit-reset") or ""
            seconds = _until(float(reset), answer)
    return min(max(seconds, 1.0), LONGEST_PAUSE)


def _until(moment: float, answer: Answer) -> float:
    """Return the seconds until a moment of the forge's clock."""
    now = time.time()
    with contextlib.suppress(ValueError):
        now = parsedate_to_datetime(answer.headers.get("date", "")).timestamp()
    return moment - now


def _date(text: str) -> dt.datetime:
    """Return the time of an answer by the forge's clock, or by ours where it does not say."""
    with contextlib.suppress(ValueError):
        return parsedate_to_datetime(text).astimezone(dt.UTC)
    return dt.datetime.now(dt.UTC)


def _time_in(seconds: float) -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)


def _place(location: str) -> str:
    """Return an address without what may be secret in it."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    text = f"{parts.scheme}://{host}{parts.path}" if host else parts.path
    return "".join(character for character in text[:200] if character.isprintable())
