"""`allotment-session` as people use it: in a terminal, with an editor and questions."""

import json
import shlex
import sys
from pathlib import Path

import pytest
from support.fakes.session_service import SessionService, answer
from support.processes import INTERRUPTIBLE
from support.session_command import Talk, on_terminal


@pytest.fixture
def talk(environment: dict[str, str], tmp_path: Path) -> Talk:
    """Run the command on a terminal, answer its questions in order, give its exit code and all that it wrote."""

    def run(
        *arguments: str, answers: tuple[str, ...] = (), editor: str = "false", interrupt_at: bytes = b""
    ) -> tuple[int, str]:
        command = [*INTERRUPTIBLE, sys.executable, "-m", "allotment_session", *arguments]
        variables = {**environment, "EDITOR": editor, "TERM": "dumb", "TMPDIR": str(tmp_path)}
        return on_terminal(command, variables, *answers, interrupt_at=interrupt_at)

    return run


def script(tmp_path: Path, *edits: str) -> str:
    """Write an editor that runs one of these sed programs after the other, one at each start."""
    for number, edit in enumerate(edits):
        (tmp_path / f"edit-{number}").write_text(edit)
    program = tmp_path / "my editor"
    program.write_text(
        "#!/bin/sh\nfor edit in "
        + shlex.quote(str(tmp_path))
        + '/edit-*; do sed -i -f "$edit" "$1"; rm "$edit"; exit; done\n'
    )
    program.chmod(0o700)
    return shlex.quote(str(program))


def test_the_file_is_edited_checked_explained_and_proposed_after_asking(
    talk: Talk, service: SessionService, tmp_path: Path
) -> None:
    editor = script(tmp_path, "s/limit: 4 GiB/limit: 16 GiB/")
    status, written = talk("propose", answers=("The join needs it", "y"), editor=editor)
    assert status == 0, written
    assert "Housing statistics" in written
    assert "limit: 16 GiB" in service.bodies["notebook"]["content"]
    assert service.proposals["notebook"]["reason"] == "The join needs it"
    assert not list(tmp_path.glob("allotment-*"))


def test_a_mistake_leads_back_into_the_editor(talk: Talk, service: SessionService, tmp_path: Path) -> None:
    editor = script(tmp_path, "s/limit: 4 GiB/limit: 16 GB/", "s/16 GB/16 GiB/")
    status, written = talk("propose", "--name", "big", "--reason", "x", answers=("y", "y"), editor=editor)
    assert status == 0, written
    assert "[memory-unit]" in written
    assert "limit: 16 GiB" in service.bodies["big"]["content"]


def test_a_text_that_is_given_up_is_kept_and_said_where(talk: Talk, service: SessionService, tmp_path: Path) -> None:
    editor = script(tmp_path, "s/limit: 4 GiB/limit: 16 GB/")
    status, written = talk("propose", "--reason", "x", answers=("n",), editor=editor)
    assert status == 1
    (kept,) = tmp_path.glob("allotment-*/profile.yaml")
    assert str(kept) in "".join(written.split("\r\n"))
    assert "16 GB" in kept.read_text()
    assert not service.proposals


def test_no_is_an_answer_and_nothing_is_the_same_as_no(talk: Talk, service: SessionService) -> None:
    for no in ("n", "", "perhaps"):
        assert talk("propose", "--set", "memory.limit=16GiB", "--reason", "x", answers=(no,))[0] == 0
    assert not service.proposals


def test_a_proposal_without_a_reason_is_not_sent(talk: Talk, service: SessionService) -> None:
    assert talk("propose", "--set", "memory.limit=16GiB", answers=("",))[0] == 2
    assert not service.proposals


def test_an_unchanged_file_is_not_proposed(talk: Talk, service: SessionService) -> None:
    assert talk("propose", editor="true")[0] == 0
    assert not [path for method, path in service.requests if method == "POST"]


@pytest.mark.parametrize("editor", ["false", "/not/there", "'"])
def test_an_editor_that_fails_ends_the_command(talk: Talk, editor: str) -> None:
    status, written = talk("propose", editor=editor)
    assert status == 2
    assert "Traceback" not in written


def test_a_file_from_the_service_is_harmless_on_a_terminal(talk: Talk, service: SessionService) -> None:
    service.profiles["housing-statistics/notebook"]["content"] = "title: \x1b[31mx\x1b]0;t\x07\n\tnext: \u202e1\n"
    status, written = talk("show", "--file")
    assert status == 0
    assert "\x1b" not in written
    assert "\u202e" not in written
    assert written.splitlines()[0] == "title: x"


def test_withdrawing_is_asked_first(talk: Talk, service: SessionService) -> None:
    service.proposals["p"] = {"id": "p", "state": "checked"}
    assert talk("withdraw", "p", answers=("n",))[0] == 0
    assert service.proposals["p"]["state"] == "checked"
    assert talk("withdraw", "p", answers=("y",))[0] == 0
    assert service.proposals["p"]["state"] == "withdrawn"


def test_a_refusal_after_editing_keeps_the_text(talk: Talk, service: SessionService, tmp_path: Path) -> None:
    service.instead = lambda method, _: answer(503, {"title": "Not now."}) if method == "POST" else None
    status, written = talk("propose", "--reason", "x", editor=script(tmp_path, "s/4 GiB/8 GiB/"))
    assert status == 4
    (kept,) = tmp_path.glob("allotment-*/profile.yaml")
    assert str(kept) in "".join(written.split("\r\n"))
    assert "8 GiB" in kept.read_text()


def test_ctrl_c_at_a_question_sends_nothing_and_keeps_the_text(
    talk: Talk, service: SessionService, tmp_path: Path
) -> None:
    editor = script(tmp_path, "s/4 GiB/8 GiB/")
    status, written = talk("propose", "--reason", "x", editor=editor, interrupt_at=b"[y/N]")
    assert status == 130
    assert "Traceback" not in written
    assert list(tmp_path.glob("allotment-*/profile.yaml"))
    assert not service.proposals


def test_what_runs_is_shown_with_its_evidence_before_it_is_asked_for_and_nothing_is_sent_without_consent(
    talk: Talk, service: SessionService
) -> None:
    service.session = {"user": "analyst", "profile": "housing-statistics/notebook", "memory": 4 * 1024**3}
    service.session["last"] = {"reason": "out-of-memory", "memory": 4 * 1024**3, "at": "2026-01-01T00:00:00Z"}
    status, written = talk("propose", "--running", answers=("", "n"))
    assert status == 0, written
    assert not service.proposals
    shown = written.index("What is sent about this session")
    assert shown < written.index("Reason: The last session ended for lack of memory, at a limit of 4 GiB.")
    assert written.index("memory limit") < shown < written.index("Propose housing-statistics/notebook?")
    status, written = talk("propose", "--running", answers=("The join of two quarters", "y"))
    assert status == 0, written
    assert service.bodies["notebook"]["reason"] == "The join of two quarters"
    assert service.bodies["notebook"]["profile"]["resources"]["memory"]["limit"] == "8 GiB"


def test_what_was_saved_is_shown_again_before_it_is_asked_for(
    talk: Talk, service: SessionService, tmp_path: Path
) -> None:
    request = {
        "team": "housing-statistics", "name": "big", "reason": "For the join", "content": "title: Big\n",
        "evidence": {"profile": "housing-statistics/notebook", "packages": [{"manager": "pip", "name": "polars"}]},
    }  # fmt: skip
    (tmp_path / "request.json").write_text(json.dumps(request))
    send = ("propose", "--send", str(tmp_path / "request.json"))
    status, written = talk(*send, answers=("", "n"))
    assert (status, service.proposals) == (0, {})
    for shown in ("memory limit", "pip polars", "Reason: For the join"):
        assert written.index(shown) < written.index("Propose housing-statistics/big?")
    assert talk(*send, answers=("", "y"))[0] == 0
    assert service.bodies["big"] == request
