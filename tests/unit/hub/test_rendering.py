"""What people wrote is text everywhere: in HTML, in a spreadsheet, in a difference."""

import csv
import dataclasses
import datetime as dt
import io
from typing import Any

import pytest
from bs4 import BeautifulSoup

from allotment_hub.http.problem import ProblemDetails
from allotment_hub.pages.difference import files_of
from allotment_hub.pages.export import as_csv
from allotment_hub.pages.page import Frame
from allotment_hub.pages.rendering import elapsed, templates
from allotment_hub.services.drafts.draft_proposal import DraftProposal
from allotment_hub.services.drafts.panel import Panel
from allotment_profiles.model.problems import Problem
from allotment_profiles.model.values.dates import relative_day, relative_time
from allotment_profiles.review.changes import Change
from allotment_profiles.store.standstill import Standstill

HOSTILE = "\"><script>alert(1)</script>{{ 7 * 7 }}{% raw %}' onfocus=x {username.__class__}"
FRAME = Frame(
    prefix="/base/services/allotment/", hub="/base/hub/", active="propose", version="1", user=HOSTILE, admin=False,
    xsrf="token", nonce="nonce", shared_origin=False,
)  # fmt: skip


def test_hostile_text_of_an_error_stays_text() -> None:
    details = ProblemDetails(title=HOSTILE, status=400, detail=HOSTILE, code=HOSTILE, remedy=HOSTILE, decides=HOSTILE)
    html = templates().get_template("error.html").render(frame=FRAME, details=details, back="")
    page = BeautifulSoup(html, "html.parser")
    assert page.h1 is not None
    assert page.h1.get_text(strip=True) == HOSTILE
    assert not [script for script in page.find_all("script") if not script.get("src")]
    assert not [element for element in page.find_all(True) if element.has_attr("onfocus")]


def test_every_page_says_since_when_main_cannot_move() -> None:
    since = dt.datetime(2026, 6, 1, 11, 53, tzinfo=dt.UTC)
    stopped = Standstill("git-server", since, "the profiles cannot be fetched from the git server: it is away")
    details = ProblemDetails(title="Title", status=400, detail="", code="x", remedy="", decides="")
    frames = (FRAME, dataclasses.replace(FRAME, standstill=stopped))
    moving, stands = (
        BeautifulSoup(
            templates().get_template("error.html").render(frame=frame, details=details, back=""), "html.parser"
        )
        for frame in frames
    )
    assert "Main cannot move" not in moving.get_text()
    (alert,) = (each for each in stands.select(".alert") if "Main cannot move" in each.get_text())
    assert stopped.why in alert.get_text()
    assert alert.select_one("time")


def test_hostile_text_of_a_problem_stays_text_in_elements_and_attributes() -> None:
    problem = Problem(HOSTILE, "x", HOSTILE, HOSTILE)
    panel = Panel(None, problems=(problem,), by_field={HOSTILE: [problem]})
    html = templates().get_template("panel.html").render(frame=FRAME, panel=panel, draft=DraftProposal())
    page = BeautifulSoup(html, "html.parser")
    assert page.find("script") is None
    slot = page.find(attrs={"data-problem-for": True})
    assert slot is not None
    assert slot["data-problem-for"] == HOSTILE


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "\r=1"])
def test_no_cell_of_the_export_can_be_a_formula(text: str) -> None:
    rows = list(
        csv.DictReader(io.StringIO(as_csv([{"id": text, "data_roles": [text], "title": 'a "b", c'}]), newline=""))
    )
    assert rows[0]["id"] == f"'{text}"
    assert rows[0]["data_roles"] == f"'{text}"
    assert rows[0]["title"] == 'a "b", c'


def test_a_difference_is_told_apart_by_files_and_numbered_lines() -> None:
    text = (
        "diff --git a/teams/a/team.yaml b/teams/a/team.yaml\nindex 1..2 100644\n--- a/teams/a/team.yaml\n"
        "+++ b/teams/a/team.yaml\n@@ -1,2 +1,2 @@\n title: A\n-x: 1\n+x: 2\n\\ No newline at end of file\n"
        'diff --git "a/od\\"d b/x" "b/od\\"d b/x"\nnew file mode 100644\n--- /dev/null\n'
        "+++ b/x\n@@ -0,0 +1 @@\n+++ <b>\n"
    )
    first, second = files_of(text)
    assert (first.path, first.added, first.removed) == ("teams/a/team.yaml", 1, 1)
    assert first.lines[-1].kind == "note"
    assert [(line.kind, line.before, line.after, line.text) for line in first.lines[:-1]] == [
        ("hunk", None, None, "@@ -1,2 +1,2 @@"),
        ("same", 1, 1, "title: A"),
        ("removed", 2, None, "x: 1"),
        ("added", None, 2, "x: 2"),
    ]
    assert second.path == 'od\\"d b/x'
    assert [line.text for line in second.lines if line.kind == "added"] == ["++ <b>"]


def test_a_long_difference_names_every_file_and_says_which_lines_are_missing() -> None:
    head = "diff --git a/{0} b/{0}\n"
    long = head.format("a") + "--- a/a\n+++ b/a\n@@ -0,0 +1,9000 @@\n" + "+x\n" * 9000
    gone = head.format("b") + "deleted file mode 100644\n--- a/b\n+++ /dev/null\n@@ -1 +0,0 @@\n-deleted file mode\n"
    first, second = files_of(long + gone)
    assert (first.path, first.is_gone, first.added + 3, first.added + first.unshown) == ("a", False, 5000, 9000)
    assert (second.path, second.is_gone, second.lines, second.unshown) == ("b", True, (), 5)
    assert [(each.is_gone, each.removed, each.unshown) for each in files_of(gone)] == [(True, 1, 0)]


def test_times_are_told_as_people_do() -> None:
    now = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
    told = [relative_time(now - dt.timedelta(seconds=s), now) for s in (-5, 5, 59, 60, 7300, 86400 * 40, -3700)]
    assert told == ["just now", "just now", "just now", "1 minute ago", "2 hours ago", "1 month ago", "in 1 hour"]
    today = now.date()
    days = [relative_day(today + dt.timedelta(days=d), today) for d in (0, 1, -1, 12, 400, -45)]
    assert days == ["today", "tomorrow", "yesterday", "in 12 days", "in 1 year", "1 month ago"]
    assert elapsed(dt.datetime.now(dt.UTC)).striptags() == "since just now"
    assert elapsed(dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5)).striptags() == "5 minutes"


def page_of(template: str, **values: Any) -> BeautifulSoup:
    return BeautifulSoup(templates().get_template(template).render(frame=FRAME, **values), "html.parser")


def test_an_advice_is_a_note_and_no_problem() -> None:
    advice = Problem("", "nobody-to-approve", "Nobody can approve it", "Ask them to sign in", level="advice")
    wrong = Problem("", "title", "The title is empty", "Write one")
    for problems, headings in (([advice], ["Note"]), ([wrong, advice], ["Problems", "Note"])):
        page = page_of("panel.html", panel=Panel(None, problems=tuple(problems)), draft=DraftProposal())
        assert [heading.text for heading in page.select("h3")] == headings


def test_the_values_of_a_new_file_stand_under_after() -> None:
    new = Change("added", "a", "profile red/a", "title", "title", None, "Notebook", "new")
    macro = templates().get_template("parts.html").make_module({}).change_table
    cells = BeautifulSoup(macro([new]), "html.parser").select("tbody tr:last-child td")
    assert [cell.get_text(strip=True) for cell in cells] == ["Title", "nothing", "Notebook"]
    whole = dataclasses.replace(new, field="", after=None)
    cells = BeautifulSoup(macro([whole, new]), "html.parser").select("tbody tr:last-child td")
    assert [cell.get_text(strip=True) for cell in cells] == ["Title", "", "Notebook"]


def test_a_list_without_entries_says_so_and_has_no_table() -> None:
    page = page_of("data_roles.html", rows=[])
    assert page.table is None
    assert "There are none yet" in page.get_text()


def test_the_bar_needs_no_font_for_its_icons() -> None:
    page = page_of("data_roles.html", rows=[])
    for place in ("#dark-theme-toggle", "#logout"):
        (icon,) = page.select(f"{place} svg")
        assert icon.path is not None
        assert icon["aria-hidden"] == "true"
    assert not page.select(".fa")
