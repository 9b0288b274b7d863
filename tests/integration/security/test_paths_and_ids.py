"""Paths, names and ids made to do harm: each is a 4xx and reaches no file."""

import urllib.parse

import httpx
import pytest
from support.fakes.platform import NOTEBOOK, Platform
from support.fakes.web_service import Visitor, WebService

PATHS = (
    "", "/", ".", "..", "../policy.yaml", "../../etc/passwd", "/etc/passwd", "teams/../policy.yaml",
    "teams/housing/../transport/team.yaml", "teams//housing/team.yaml", "./policy.yaml", "policy.yaml/",
    "policy.yaml/x", "Policy.yaml", "policy.yaml\n", "policy.yaml\0", "policy.yaml ", "policy.yml", ".git/config",
    ".gitmodules", "teams/housing/.git/config", "teams/Housing/team.yaml", "teams/housing/profiles/Ünicode.yaml",
    "teams/housing/profiles/-x.yaml", "teams/housing/profiles/" + "a" * 300 + ".yaml", "teams\\housing\\team.yaml",
    "HEAD:policy.yaml", "--output=x", "refs/heads/main",
)  # fmt: skip
IDS = (
    ".", "..", "../main", "..%2f..%2fpolicy", "--output=x", "-1", "0", "main", "HEAD", "HEAD~1", "main^{tree}", "@{-1}",
    "a..b", "a:b", "refs/heads/main", "a" * 500, "é", "\N{RIGHT-TO-LEFT OVERRIDE}x", "a b", "a\nb", "a\0b",
    "%", "%00", "{id}", "*", "a?b#c",
)  # fmt: skip
ROUTES = {
    "GET": (
        "api/v1/profiles/housing/{}", "api/v1/profiles/{}/notebook", "api/v1/teams/{}", "api/v1/data-roles/{}/readers",
        "api/v1/proposals/{}", "api/v1/explain?profile=housing/notebook&user={}",
        "profiles/housing/{}", "profiles/{}/notebook", "profiles/{}/x/retire", "proposals/{}", "teams/{}",
        "data-roles/{}", "data-roles/{}/ask", "holds/{}/confirm", "{}",
    ),
    "POST": (
        "api/v1/proposals/{}/comments", "api/v1/proposals/{}/approvals", "api/v1/proposals/{}/merge",
        "api/v1/holds/{}/confirmation", "proposals/{}/approve", "profiles/housing/{}/retire", "data-roles/{}/ask",
        "holds/{}/confirm",
    ),
}  # fmt: skip


async def sent(visitor: Visitor, method: str, path: str) -> httpx.Response:
    """Send a request whose path the client leaves as it is."""
    url = httpx.URL(f"{visitor.base_url}x")
    raw = url.raw_path[:-1] + path.encode()
    request = visitor.build_request(method, url, headers=visitor.own_headers)
    request.url = url.copy_with(raw_path=raw)
    return await visitor.send(request)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_id_that_is_none_is_unknown(platform: Platform, service: WebService, method: str) -> None:
    before = platform.repository.references("refs/")
    program, browser = service.program("adam"), service.browser("adam")
    for each in IDS:
        for route in ROUTES[method]:
            path = route.format(urllib.parse.quote(each, safe="").replace(".", "%2e"))
            answer = await sent(program if path.startswith("api/") else browser, method, path)
            assert 400 <= answer.status_code < 500, (path, answer.text[:300])
            assert answer.json()["code"] if path.startswith("api/") else "Location" not in answer.headers, path
    assert platform.repository.references("refs/") == before


async def test_a_path_of_no_file_is_refused_wherever_it_is_sent(platform: Platform, service: WebService) -> None:
    before = platform.repository.references("refs/")
    admin, browser = service.program("adam"), service.browser("adam")
    for path in PATHS:
        body = {"files": [{"path": path, "content": NOTEBOOK.decode()}], "reason": "It is needed"}
        check = await admin.post("api/v1/checks", json=body)
        if check.status_code == 200:
            (problem,) = [each for each in check.json()["problems"] if each["path"] == path]
            assert problem["code"] == "path", path
        else:
            assert (400 <= check.status_code < 500, bool(check.json()["code"])) == (True, True), path
        answer = await admin.post("api/v1/proposals", json=body)
        assert 400 <= answer.status_code < 500, (path, answer.text)
        page = await browser.get("propose", params={"path": path})
        assert page.status_code < 500, path
        assert "root:" not in page.text
    assert platform.repository.references("refs/") == before
