"""The start page as a user gets it, rendered from real repositories."""

import datetime as dt
from pathlib import Path

import pytest
from bs4 import BeautifulSoup, Tag
from support.repositories import Content, ProfilesRepository, data_role, policy, profile, size_option, small, team
from support.start_pages import NOW, RED, SERVICE, chosen, ids, page

from allotment_profiles.access.deployments import Capabilities
from allotment_profiles.access.people import User
from allotment_profiles.store.standstill import Standstill
from allotment_profiles.store.watcher import empty_catalog
from allotment_spawner.start_page.form import request_of

SIZES = {"size": size_option("8 GiB")}


@pytest.fixture
def profiles(tmp_path: Path) -> ProfilesRepository:
    repository = ProfilesRepository(tmp_path)
    repository.commit(small())
    return repository


def red(**profiles: Content) -> dict[str, Content]:
    """Return files of the team red, by their profiles' names."""
    return {f"teams/red/profiles/{name}.yaml": content for name, content in profiles.items()}


def pressed(html: BeautifulSoup, profile_id: str) -> dict[str, list[str]]:
    """Give what a browser sends when the start button of a card is pressed: every card's fields, and the button."""
    form = {"_xsrf": ["secret"], "profile": [profile_id]}
    for field in html.select("input[type=radio][checked]"):
        form[str(field["name"])] = [str(field["value"])]
    for select in html.select("select"):
        chosen = select.select_one("option[selected]")
        assert isinstance(chosen, Tag)
        form[str(select["name"])] = [str(chosen["value"])]
    assert html.select_one(f'button[name=profile][value="{profile_id}"]')
    return form


def test_a_card_says_title_app_size_price_data_and_image(profiles: ProfilesRepository) -> None:
    profiles.commit({"policy.yaml": policy(prices={"currency": "GBP", "cpu_hour": 0.03, "memory_gib_hour": 0.01})})
    text = page(profiles.catalog()).get_text(" ", strip=True)
    for words in (
        "Team red", "Notebook", "Producing the monthly bulletin", "JupyterLab", "0.1\N{EN DASH}2 CPU",
        "256 MiB \N{EN DASH} 4 GiB",
        "£0.10 an hour", "Tables", "public", "registry.example.org/analysis/notebook:1", "What a laptop does not do.",
        profiles.head[:10],
    ):  # fmt: skip
        assert words in text


def test_text_of_a_profile_is_shown_as_it_is_written_and_never_interpreted(profiles: ProfilesRepository) -> None:
    hostile = "<img src=x onerror=alert(1)> {username.__class__} {{7*7}} {% raw %} ${7*7} \"' &amp;"
    option = {"q": {"title": hostile[:80], "default": "a", "choices": {"a": {"title": hostile[:80]}}}}
    files = red(
        notebook=profile(title=hostile[:80], description=hostile, options=option),
        broken="title: <script>alert(2)</script>\nextra<b>: 1\n",
    )
    data = data_role("blue", {"red": "2027-03-31"}, title=hostile[:80])
    profiles.commit({**files, "teams/red/team.yaml": team("red", title=hostile[:80]), "data-roles/tables.yaml": data})
    html = page(profiles.catalog(), choice={"profile": "red/notebook", "options": {"q": "a"}})
    assert not html.select("img, script, b")
    assert not [tag for tag in html.find_all(True) if any(name.startswith("on") for name in tag.attrs)]
    assert hostile in html.get_text()
    assert "49" not in html.get_text().replace(profiles.head[:10], "")


def test_the_last_choice_comes_first_with_its_options_and_not_a_second_time(profiles: ProfilesRepository) -> None:
    profiles.commit(red(notebook=profile(options=SIZES), other=profile()))
    html = page(profiles.catalog(), choice={"profile": "red/notebook", "options": {"size": "large"}})
    assert ids(html) == ["red/notebook", "red/other"]
    assert chosen(html) == ["large"]


def test_a_last_choice_that_names_an_option_or_a_profile_of_the_past_does_no_harm(profiles: ProfilesRepository) -> None:
    profiles.commit({"teams/red/profiles/notebook.yaml": profile(options=SIZES)})
    past = {"profile": "red/notebook", "options": {"size": "huge", "colour": "blue"}}
    assert chosen(page(profiles.catalog(), choice=past)) == ["normal"]
    gone = page(profiles.catalog(), choice={"profile": "red/gone", "options": {}})
    assert ids(gone) == ["red/notebook"]


def test_what_is_pressed_becomes_the_request_of_that_card_alone(profiles: ProfilesRepository) -> None:
    many = {
        "size": {**SIZES["size"], "choices": {f"c{n}": {"title": f"Choice {n}"} for n in range(6)}, "default": "c3"}
    }
    profiles.commit(red(notebook=profile(options=SIZES), other=profile(options=many)))
    html = page(profiles.catalog())
    assert request_of(pressed(html, "red/notebook")) == {"profile": "red/notebook", "options": {"size": "normal"}}
    assert request_of(pressed(html, "red/other")) == {"profile": "red/other", "options": {"size": "c3"}}


def test_what_cannot_be_started_says_why_who_decides_and_how_to_ask(profiles: ProfilesRepository) -> None:
    files = red(
        expired=profile(title="Expired", data_roles=["old"]), late=profile(title="Late", review_by="2026-01-02"),
        studio=profile(title="Studio", app="rstudio"),
    )  # fmt: skip
    profiles.commit({**files, "data-roles/old.yaml": data_role("blue", {"red": "2026-01-02"}, title="Old tables")})
    able = Capabilities("this laptop", frozenset({"volume"}), {"rstudio": "RStudio is not installed."})
    rows = {row.strong.get_text(): row for row in page(profiles.catalog(), able=able).select("li") if row.strong}
    said = {name: " ".join(row.get_text(" ", strip=True).split()) for name, row in rows.items()}
    links = {name: row.a["href"] for name, row in rows.items() if row.a}
    assert "2026-01-02" in said["Expired"]
    assert "/blue/leads" in said["Expired"]
    assert links["Expired"] == f"{SERVICE}data-roles/old/ask?team=red"
    assert "2026-01-02" in said["Late"]
    assert links["Late"] == f"{SERVICE}propose?from=red%2Flate"
    assert "RStudio is not installed." in said["Studio"]


def test_a_missing_grant_leads_to_the_data_role_that_misses_it(profiles: ProfilesRepository) -> None:
    wanting = profile(data_roles=["tables", "more"])
    profiles.commit({**red(notebook=wanting), "data-roles/more.yaml": data_role("blue", {})})
    (row,) = page(profiles.catalog()).select(".allotment-refused li")
    assert row.a is not None
    assert row.a["href"] == f"{SERVICE}data-roles/more/ask?team=red"


def test_a_file_that_does_not_read_is_flagged_on_the_card_of_its_last_good_version(
    profiles: ProfilesRepository,
) -> None:
    profiles.push({"teams/red/profiles/notebook.yaml": "title: [oops"})
    html = page(profiles.catalog(), now=profiles.time)
    (card,) = html.select("article")
    assert len(card.select(".allotment-notes li")) > 1
    assert "teams/red/profiles/notebook.yaml:" in card.get_text()
    assert html.select_one("button[value='red/notebook']")


def test_somebody_without_a_team_is_told_what_to_do(profiles: ProfilesRepository) -> None:
    html = page(profiles.catalog(), User("eve", frozenset({"/nowhere"})))
    assert not html.select("button")
    assert html.select_one(f"a[href='{SERVICE}profiles']")


def test_a_repository_that_was_never_read_is_said_and_only_administrators_see_the_cause() -> None:
    cause = "/secret/place has no branch main"
    for user, sees in ((RED, False), (User("root", frozenset(), admin=True), True)):
        (alert,) = page(empty_catalog(), user, error=cause).select(".alert-danger")
        assert (cause in alert.get_text()) is sees


def test_a_repository_that_cannot_be_read_any_more_keeps_the_offers_and_says_so(profiles: ProfilesRepository) -> None:
    html = page(profiles.catalog(), error="git rev-parse took more than 60 s")
    assert html.select_one(".alert-warning")
    assert "git rev-parse" not in html.get_text()
    assert html.select("button")


def test_a_policy_that_is_gone_is_told_as_what_it_is_and_one_that_is_held_stops_nothing(
    profiles: ProfilesRepository,
) -> None:
    removal = profiles.push({"policy.yaml": None})
    held = page(profiles.catalog())
    assert not held.select(".alert-danger")
    assert ids(held) == ["red/notebook"]
    profiles.commit({}, f"We mean it\n\nConfirms-removal: {removal}")
    gone = page(profiles.catalog())
    assert len(gone.select(".alert-danger")) == 1
    assert not gone.select(".alert-warning")
    assert ids(gone) == []


def test_a_locked_repository_is_said_with_the_time(profiles: ProfilesRepository) -> None:
    since = NOW - dt.timedelta(minutes=7)
    html = page(profiles.catalog(), standstill=Standstill("locked", since, "the reason of the standstill"))
    (alert,) = html.select(".alert-warning")
    said = " ".join(alert.get_text(" ").split())
    assert all(each in said for each in ("01 June, 11:53 UTC", "7 minutes", "the reason of the standstill"))
    assert ids(html) == ["red/notebook"]


@pytest.mark.parametrize(("count", "filtered"), [(8, False), (9, True)])
def test_many_profiles_can_be_filtered(profiles: ProfilesRepository, count: int, filtered: bool) -> None:
    files = {f"teams/red/profiles/n{number}.yaml": profile() for number in range(count - 1)}
    profiles.commit({**files})
    field = page(profiles.catalog()).select_one("#allotment-filter")
    assert (field is not None) is filtered
    assert field is None or field.find_parent("form") is None  # pressing Enter in it starts nothing


def test_what_a_link_chose_stands_first_and_says_that_nothing_has_started(profiles: ProfilesRepository) -> None:
    profiles.commit(red(notebook=profile(options=SIZES)))
    link = request_of({"profile": ["red/notebook"], "size": ["large"]})
    html = page(profiles.catalog(), choice=link, linked=True)
    first = html.select_one(".allotment-last")
    assert first is not None
    assert "Nothing has started" in first.text
    assert chosen(first) == ["large"]
    for odd in ({}, {"profile": ["no/such"]}, {"profile": ["a", "b"]}, {"size": ["x"]}, {"profile": [""]}):
        html = page(profiles.catalog(), choice=request_of(odd), linked=True)
        assert ids(html) == ["red/notebook"]
        assert html.select_one(".allotment-last") is None
