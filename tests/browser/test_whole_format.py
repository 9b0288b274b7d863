"""The complete format and the routing as people use them: pages with and without scripts, and the API."""

import re
from collections.abc import Iterator

import httpx
import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, BrowserContext, expect
from support.browsing import barriers, needs_browser, opened, signed_in, violations
from support.clones import Clone
from support.servers.deployment import Deployment, Person

pytestmark = pytest.mark.deployment(base_url="/plot/")

SERVICE = "services/allotment/"
FOLDER = "teams/housing-statistics/"
NOTEBOOK = "housing-statistics/notebook"
COPIES = [f"{FOLDER}profiles/copy-{number}.yaml" for number in range(14)]
POLICY = """
gpu_kinds:
  l4: {title: NVIDIA L4, resource: nvidia.com/gpu, hour: 0.9}
node_pools:
  large: {title: Large memory, labels: {pool: large}}
tools:
  desktop: {title: Remote desktop, address: /desktop/}
repositories: [https://git.example.org/*]
"""


@pytest.fixture(scope="module", autouse=True)
def everything(clone: Clone) -> None:
    """Let the policy have something of everything."""
    policy = clone.text("policy.yaml").replace("  gpu: 0  ", "  gpu: 2  ").replace("enabled: false", "enabled: true")
    team = clone.text(f"{FOLDER}team.yaml").replace("  cpu: 8\n", "  cpu: 8\n  gpu: 1\n  node_pools: [large]\n")
    notebook = clone.text(f"{FOLDER}profiles/notebook.yaml")
    clone.push(
        {
            "policy.yaml": policy + POLICY,
            f"{FOLDER}team.yaml": team + "deputies: {users: [dan]}\n",
            f"{FOLDER}profiles/maintained.yaml": notebook + "maintainers: {users: [analyst]}\n",
            f"{FOLDER}profiles/old.yaml": notebook
            + f"visibility: deprecated\nsuccessor: {NOTEBOOK}\nretired_from: 2026-01-31\n",
            f"{FOLDER}profiles/sketch.yaml": notebook + "visibility: draft\n",
        }
    )


@pytest.fixture(scope="module")
def without_scripts(chromium: Browser, allotment: Deployment) -> Iterator[BrowserContext]:
    """The lead, with a browser that runs no scripts."""
    with_scripts = signed_in(chromium, allotment, "lead")
    window = chromium.new_context(java_script_enabled=False, storage_state=with_scripts.storage_state())
    with_scripts.close()
    yield window
    window.close()


# -- a soft problem


@needs_browser
@pytest.mark.parametrize("tab", ["Form", "File"])
def test_a_reason_is_asked_for_what_an_administrator_may_accept_without_scripts(
    allotment: Deployment, without_scripts: BrowserContext, admin: Person, tab: str
) -> None:
    page = opened(without_scripts, allotment, f"{SERVICE}propose?from={NOTEBOOK}")
    if tab == "Form":
        page.get_by_label("CPU limit").fill("12")
    else:
        page.get_by_role("button", name="File", exact=True).click()
        editor = page.get_by_label(re.compile("^The file"))
        editor.fill(editor.input_value().replace("limit: 2}", "limit: 12}"))
    page.get_by_label("Reason").fill("The census")
    page.get_by_role("button", name="Propose", exact=True).click()
    expect(page.get_by_label("Ask an administrator to accept it")).to_be_checked()
    page.get_by_label("Why it should be accepted").fill("The census is larger this year")
    page.get_by_role("button", name="Propose", exact=True).click()
    expect(page.get_by_role("heading", name="Who has to approve")).to_be_visible()
    proposal = admin.service("GET", "proposals/" + page.url.rsplit("/", 1)[1]).json()
    assert "administrator" in [each["key"] for each in proposal["requirements"]]
    assert "cpu-envelope: {reason: The census is larger this year}" in proposal["files"][0]["content"]
    assert "# " in proposal["files"][0]["content"]  # what people wrote around the data
    found = {problem["code"]: problem["level"] for problem in proposal["problems"]}
    assert found["cpu-envelope"] == "advice"
    assert set(found.values()) == {"advice"}
    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("withdrawn").first).to_be_visible()
    page.close()


@needs_browser
def test_what_was_accepted_is_shown_with_who_accepted_it(
    allotment: Deployment, chromium: Browser, lead: Person, admin: Person
) -> None:
    settings = lead.service("GET", "profiles/transport-analysis/scratch").json()["settings"]
    settings["resources"]["cpu"]["limit"] = 12
    body = {"team": "transport-analysis", "name": "scratch", "profile": settings, "reason": "Maps"}
    refused = lead.service("POST", "proposals", json=body)
    assert (refused.status_code, refused.json()["problems"][0]["level"]) == (422, "soft")
    accept = [{"code": "cpu-envelope", "reason": "The maps are large", "until": "2030-12-31"}]
    proposal = lead.service("POST", "proposals", json={**body, "accept": accept}).json()
    looked_at = {"head": proposal["head"], "digest": proposal["digest"]}
    assert lead.service("POST", f"proposals/{proposal['id']}/approvals", json=looked_at).status_code == 403
    assert admin.service("POST", f"proposals/{proposal['id']}/approvals", json=looked_at).status_code == 201
    assert admin.service("POST", f"proposals/{proposal['id']}/merge", json=looked_at).status_code == 200
    window = signed_in(chromium, allotment, "analyst")
    page = opened(window, allotment, f"{SERVICE}profiles/transport-analysis/scratch")
    expect(page.get_by_role("heading", name="Accepted by an administrator")).to_be_visible()
    accepted = page.locator("section:has(#accepted)")
    expect(accepted).to_contain_text("The maps are large")
    expect(accepted).to_contain_text(re.compile(r"\badmin\b"))
    window.close()


# -- what nobody has to approve


@needs_browser
def test_a_maintainers_other_words_are_live_with_one_click(allotment: Deployment, chromium: Browser) -> None:
    window = signed_in(chromium, allotment, "analyst")
    page = opened(window, allotment, f"{SERVICE}propose?from=housing-statistics/maintained")
    # A note opens the section by itself.
    page.locator("details", has=page.locator("summary", has_text="Description")).evaluate(
        "each => { each.open = true }"
    )
    page.get_by_label("Purpose").fill("Said more clearly")
    page.get_by_label("Reason").fill("Clearer")
    expect(page.locator("#panel .allotment-ok")).to_contain_text("analyst")
    page.get_by_role("button", name="Propose", exact=True).click()
    page.wait_for_url("**/proposals/**")
    expect(page.locator("section:has(#approvals) .allotment-ok")).to_be_visible()
    expect(page.get_by_text("live", exact=True).first).to_be_visible()
    window.close()


# -- many files at once


@needs_browser
def test_a_removal_of_many_files_is_confirmed_where_it_is_merged(
    allotment: Deployment, chromium: Browser, clone: Clone, analyst: Person, admin: Person, lead: Person
) -> None:
    notebook = clone.text(f"{FOLDER}profiles/notebook.yaml")
    clone.push(dict.fromkeys(COPIES, notebook))
    files = [{"path": path, "content": None} for path in COPIES]
    proposal = analyst.service("POST", "proposals", json={"files": files, "reason": "Copies"}).json()
    looked_at = {"head": proposal["head"], "digest": proposal["digest"]}
    assert lead.service("POST", f"proposals/{proposal['id']}/approvals", json=looked_at).status_code == 201
    answer = lead.service("POST", f"proposals/{proposal['id']}/merge", json=looked_at)
    assert (answer.status_code, answer.json()["code"]) == (409, "removal-unconfirmed")
    assert "copy-3" in answer.json()["detail"]
    window = signed_in(chromium, allotment, "lead")
    page = opened(window, allotment, f"{SERVICE}proposals/{proposal['id']}")
    expect(page.locator(".allotment-do .alert code")).to_have_text(sorted(COPIES))
    page.get_by_label("Remove all of them").check()
    page.get_by_role("button", name="Merge").click()
    expect(page.get_by_text("live", exact=True).first).to_be_visible()
    window.close()
    assert analyst.service("GET", "health").json()["held"] == []
    gone = analyst.service("GET", "profiles/housing-statistics/copy-3").json()
    assert (gone["code"], gone["link"].rpartition("/")[2]) == ("profile-removed", proposal["id"])
    answer = analyst.page(f"{SERVICE}profiles/housing-statistics/copy-3")
    assert answer.status_code == 404
    assert f'href="{gone["link"]}"' in answer.text


@needs_browser
def test_a_pushed_removal_is_held_shown_and_confirmed_by_an_administrator(
    allotment: Deployment, chromium: Browser, clone: Clone, analyst: Person, admin: Person
) -> None:
    notebook = clone.text(f"{FOLDER}profiles/notebook.yaml")
    clone.push(dict.fromkeys(COPIES, notebook))
    commit = clone.push(dict.fromkeys(COPIES))
    (held,) = analyst.service("GET", "health").json()["held"]
    assert (held["commit"], held["reason"], held["files"]) == (commit, "removal", 14)
    assert "administrator" in held["release"]
    assert analyst.service("GET", "holds").json()["holds"] == []
    (shown,) = admin.service("GET", "holds").json()["holds"]
    assert (shown["paths"][3:4], shown["refusal"]) == ([sorted(COPIES)[3]], None)
    assert "proposals#held" in analyst.page(f"{SERVICE}profiles/housing-statistics/copy-3").text
    refused = analyst.service("POST", f"holds/{commit}/confirmation", json={"reason": "Yes"})
    assert (refused.status_code, refused.json()["code"]) == (403, "not-an-administrator")
    window = signed_in(chromium, allotment, "admin")
    page = opened(window, allotment, f"{SERVICE}proposals")
    expect(page.locator("#held")).to_be_visible()
    assert violations(page) == []
    page.get_by_label("Why it is right").fill("They were copies")
    page.get_by_role("button", name="Confirm the removal").click()
    expect(page.locator("#held")).to_have_count(0)
    window.close()
    health = analyst.service("GET", "health").json()
    assert health["held"] == []
    assert health["applied"]["rewound"] is False
    clone.git("pull", "--quiet", "--rebase")
    assert f"Confirms-removal: {commit}" in clone.git("log", "-1", "--format=%B")


# -- the form and the pages


@needs_browser
def test_the_form_writes_the_keys_that_a_lead_needs_often(
    allotment: Deployment, without_scripts: BrowserContext
) -> None:
    page = opened(without_scripts, allotment, f"{SERVICE}propose?from={NOTEBOOK}&copy=1")
    page.get_by_label("Name", exact=True).fill("with-everything")
    page.locator("summary", has_text="Program").click()
    page.get_by_label("Program").select_option("desktop")
    page.get_by_label("GPUs").fill("1")
    page.get_by_label("Kind of GPU").select_option("l4")
    page.get_by_label("Nodes").select_option("large")
    page.locator("summary", has_text="More").click()
    page.get_by_label("Size of the home folder").fill("12 GiB")
    page.get_by_label("The folder that the team shares").select_option("read-only")
    page.get_by_label("Code to check out: the repository").fill("https://git.example.org/housing/code")
    page.get_by_label("Folder for the code").fill("code")
    page.get_by_label("Environment variables").fill("TZ=Europe/London")
    page.get_by_label("/example/housing-statistics", exact=True).check()
    page.get_by_label("People who look after it").fill("analyst\nlead")
    page.get_by_label("Visibility").select_option("deprecated")
    page.get_by_label("What takes its place").fill(NOTEBOOK)
    page.get_by_label("No longer starts from").fill("2031-01-31")
    page.get_by_label("Reason").fill("Everything at once")
    page.get_by_role("button", name="File", exact=True).click()
    text = page.get_by_label(re.compile("^The file")).input_value()
    for line in (
        "app: desktop", "gpu_kind: l4", "node_pool: large", "home: 12 GiB", "team: read-only", "only:",
        "repository: https://git.example.org/housing/code", "visibility: deprecated", f"successor: {NOTEBOOK}",
        "retired_from: 2031-01-31", "analyst, lead", "TZ: Europe/London",
    ):  # fmt: skip
        assert line in text, line
    page.get_by_role("button", name="Propose", exact=True).click()
    expect(page.get_by_role("heading", name="Who has to approve")).to_be_visible()
    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("withdrawn").first).to_be_visible()
    page.close()


@needs_browser
def test_new_pages_have_no_serious_barrier(allotment: Deployment, lead_window: BrowserContext) -> None:
    paths = (
        "profiles", "profiles/housing-statistics/old", "profiles/housing-statistics/sketch",
        "profiles/transport-analysis/scratch", "teams/housing-statistics", "propose?from=housing-statistics/maintained",
        "propose?from=transport-analysis/scratch", "data-roles/housing-open", "proposals",
    )  # fmt: skip
    assert not barriers(lead_window, allotment, [SERVICE + path for path in paths])


def test_a_team_is_a_page_and_an_answer(analyst: Person) -> None:
    page = analyst.page(f"{SERVICE}teams/housing-statistics").text
    for said in ("you are a member", "/example/housing-statistics/leads", "dan", "Large memory", "at most 40 sessions"):
        assert said in page, said
    assert analyst.service("GET", "teams/housing-statistics").json()["deputies"]["users"] == ["dan"]
    assert f'{SERVICE}teams/housing-statistics"' in analyst.page(f"{SERVICE}profiles/{NOTEBOOK}").text
    assert analyst.page(f"{SERVICE}teams/nobody").status_code == 404


def test_a_draft_is_not_there_for_those_who_may_not_see_it(analyst: Person, lead: Person) -> None:
    for person, sees in ((analyst, False), (lead, True)):
        ids = [each["id"] for each in person.service("GET", "profiles").json()["profiles"]]
        assert ("housing-statistics/sketch" in ids) is sees
        assert person.service("GET", "profiles/housing-statistics/sketch").status_code == (200 if sees else 404)
        for page in ("profiles", "teams/housing-statistics", "data-roles/housing-open", "profiles.csv"):
            assert ("sketch" in person.page(SERVICE + page).text) is sees, page


def test_a_renamed_profile_is_one_line_with_what_it_costs_before_and_after(analyst: Person, clone: Clone) -> None:
    text = clone.text(f"{FOLDER}profiles/notebook-r.yaml")
    files = [
        {"path": f"{FOLDER}profiles/notebook-r.yaml", "content": None},
        {"path": f"{FOLDER}profiles/r-notebook.yaml", "content": text},
    ]
    proposal = analyst.service("POST", "proposals", json={"files": files, "reason": "A better name"}).json()
    assert [change["kind"] for change in proposal["changes"]] == ["renamed"]
    page = BeautifulSoup(analyst.page(f"{SERVICE}proposals/{proposal['id']}").text, "html.parser")
    assert [row.text for row in page.select(".allotment-changes th del")] == ["housing-statistics/notebook-r"]
    assert page.select("#cost")
    analyst.service("POST", f"proposals/{proposal['id']}/withdrawal")


def test_a_long_list_comes_in_parts_and_words_look_in_all_of_it(clone: Clone, analyst: Person) -> None:
    text = clone.text("teams/transport-analysis/profiles/scratch.yaml")
    many = [f"teams/transport-analysis/profiles/many-{number:03}.yaml" for number in range(230)]
    clone.push({path: text.replace("title: ", f"title: {path[-8:-5]} ", 1) for path in many})
    first = analyst.page(f"{SERVICE}profiles").text
    assert "1 to 200 of " in first
    assert "many-229" not in first
    assert "data-filter" not in first  # the rest of the rows is not here to be filtered
    second = analyst.page(f"{SERVICE}profiles?page=2").text
    assert "many-229" in second
    found = analyst.page(f"{SERVICE}profiles?q=many-229").text
    assert "1 of " in found
    assert "many-229" in found
    assert "many-228" not in found


# -- what machines look at


def test_the_bare_address_leads_below_the_base_url(allotment: Deployment) -> None:
    for path in ("/", "/?next=1"):
        answer = httpx.get(f"{allotment.origin}{path}")
        assert (answer.status_code, answer.headers["Location"]) == (302, allotment.url)
