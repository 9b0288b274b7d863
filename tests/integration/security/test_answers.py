"""The headers of every answer, and the requests that no handler sees."""

import re
from collections.abc import Iterator

import httpx
import pytest
from bs4 import BeautifulSoup
from support.fakes.web_service import WebService

from allotment_hub.api.openapi import HANDLERS
from allotment_hub.pages.routes import PAGES

HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
}
STATIC = (
    "static/pages.js",
    "static/allotment.css",
    "static/noscript.css",
    "static/",
    "static/none",
    "static/../app.py",
)


def paths() -> Iterator[str]:
    """Give a path for every route."""
    yield from STATIC
    yield from ("oauth_callback", "oauth_callback?error=x", "oauth_callback?code=x", "oauth_callback?code=x&state=y")
    yield from ("api/v1/openapi.json", "api/v1/nothing", "api/", "nothing/at/all", "%ff", "profiles?page=%ff")
    for path in HANDLERS:
        yield "api/v1/" + path.replace("{team}/{name}", "housing/notebook").replace("{name}", "housing").replace(
            "{id}", "none-1"
        ).replace("{commit}", "0" * 40)
    for pattern, _ in PAGES:
        filled = re.sub(r"\(\[0-9a-f\].*?\)", "0" * 40, pattern).replace(r"profiles\.(csv|json)", "profiles.csv")
        yield (
            re.sub(r"\(.*?\)", lambda group: group[0].strip("()").split("|", maxsplit=1)[0], filled)
            .replace("[^/]+", "housing")
            .replace(".*", "x")
        )


def secured(answer: httpx.Response) -> None:
    where = (answer.request.method, answer.request.url.path, answer.status_code)
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS, where
    policy = answer.headers["Content-Security-Policy"]
    for told in ("default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert told in policy, where
    assert "unsafe" not in policy, where
    assert not re.search(r"(script|style)-src[^;]*'self'", policy), where
    assert "Service-Worker-Allowed" not in answer.headers, where
    assert answer.status_code < 500, where


async def test_every_answer_can_neither_be_framed_nor_taken_for_something_else(service: WebService) -> None:
    everybody = (service.browser("lena"), service.stranger(), service.program("ana"))
    for path in sorted(set(paths())):
        for visitor in everybody:
            for method in ("GET", "POST"):
                secured(await visitor.request(method, path))
    for method in ("HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "NONE"):
        for path in ("static/pages.js", "oauth_callback", "api/v1/profiles", "profiles", "nothing"):
            secured(await everybody[0].request(method, path))
    for path in ("/", "/elsewhere", "/services/allotmentx", "/services/allotment"):
        secured(await everybody[0].get(service.url + path))
    fresh = await everybody[0].get("static/pages.js")
    unchanged = await everybody[0].get("static/pages.js", headers={"If-None-Match": fresh.headers["Etag"]})
    assert unchanged.status_code == 304
    secured(unchanged)


async def test_scripts_and_styles_have_a_nonce_that_no_second_page_has(service: WebService) -> None:
    lead, nonces = service.browser("lena"), set()
    for path in ("profiles", "propose", "proposals", "nothing", "profiles"):
        answer = await lead.get(path)
        (nonce,) = set(re.findall(r"'nonce-([^']{20,})'", answer.headers["Content-Security-Policy"]))
        page = BeautifulSoup(answer.text, "html.parser")
        loaded = page.select("script, style, link[rel=stylesheet]")
        assert len(loaded) > 4
        assert {each.get("nonce") for each in loaded} == {nonce}
        nonces.add(nonce)
    assert len(nonces) == 5


async def test_no_script_of_a_service_worker_is_served(service: WebService) -> None:
    lead = service.browser("lena")
    for path in sorted(set(paths())):
        answer = await lead.get(path, headers={"Service-Worker": "script"})
        assert (answer.status_code, answer.json()["code"]) == (403, "service-worker"), path
        secured(answer)


@pytest.mark.parametrize("chunked", [False, True], ids=["with a length", "in chunks"])
@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x"])
async def test_a_body_above_the_limit_is_answered_413(service: WebService, chunked: bool, kind: str) -> None:
    async def chunks() -> Iterator[bytes]:  # type: ignore[misc]  # an asynchronous generator
        for _ in range(80):
            yield b"x" * 65536

    lead = service.program("lena")
    for path in ("api/v1/checks", "propose", "static/pages.js", "nothing"):
        content = chunks() if chunked else b"x" * (80 * 65536)
        answer = await lead.post(path, content=content, headers={"Content-Type": kind})
        assert answer.status_code == 413, path
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["code"] == "too-large"
        secured(answer)
    exactly = await lead.post("api/v1/checks", content=b" " * (1024 * 1024))
    assert exactly.json()["code"] == "not-json"
    assert (await lead.get("api/v1/profiles")).status_code == 200
