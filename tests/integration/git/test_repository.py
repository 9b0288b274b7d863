"""The repository over the git command line: exact, atomic, and deaf to options in disguise."""

import datetime as dt
import itertools
import subprocess
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from support.repositories import MAIN, START, ProfilesRepository

from allotment_profiles.git import process
from allotment_profiles.git.commits import Person
from allotment_profiles.git.objects import ObjectReader
from allotment_profiles.git.process import GitError, GitMissingError, GitProcess, GitTimeoutError, GitUnavailableError
from allotment_profiles.git.repository import NO_OBJECT, LoggedCommit, RefMovedError, RefUpdate, Repository

SMUGGLED = [
    "--output={}",
    "-o{}",
    "--upload-pack=touch {}",
    "--exec=touch {}",
    "--help",
    "-h",
    "--all",
    "^main",
    "main..main",
]


@pytest.mark.parametrize("text", SMUGGLED)
def test_an_option_is_no_revision(profiles: ProfilesRepository, tmp_path: Path, text: str) -> None:
    profiles.commit({"README.md": "x"})
    trap = tmp_path / "trap"
    revision = text.format(trap)
    repository = profiles.repository
    assert repository.resolve(revision) is None
    for call in (
        repository.tree, lambda text: next(repository.log(text)), repository.first_parents,
        lambda text: repository.file(text, "x"),
        lambda text: repository.difference(text, profiles.head, ["x"]),
        lambda text: repository.merge_base(profiles.head, text),
        lambda text: repository.is_ancestor(text, profiles.head),
        lambda text: repository.changed_tree(text, []), lambda text: repository.write_tree(text, {}),
        lambda text: repository.update_references([RefUpdate(MAIN, text, profiles.head)]),
    ):  # fmt: skip
        with pytest.raises(GitError):
            call(revision)
    assert repository.objects([revision, profiles.head]).keys() == {profiles.head}
    assert not trap.exists()


@pytest.mark.parametrize(
    "revision", ["", "a\0b", "x" * 100_000, "\ud800", "no-such-branch", "main:README.md", "HEAD\nmain"]
)
def test_what_names_no_commit_is_none(profiles: ProfilesRepository, revision: str) -> None:
    profiles.commit({"README.md": "x"})
    assert profiles.repository.resolve(revision) is None


def test_branches_tags_and_short_ids_name_commits(profiles: ProfilesRepository) -> None:
    commit = profiles.commit({"README.md": "x"})
    assert {profiles.repository.resolve(name) for name in ("main", "HEAD", MAIN, commit[:10], commit)} == {commit}


def test_a_reference_that_others_move_pack_or_remove_is_where_they_left_it(
    profiles: ProfilesRepository, counted: list[str]
) -> None:
    first, second = profiles.commit({"a": "1"}), profiles.commit({"a": "2"})
    ours, others, side = profiles.repository, Repository(profiles.path), "refs/heads/propose/a"
    assert ours.resolve(MAIN) == second
    others.update_references([RefUpdate(MAIN, first, second), RefUpdate(side, second, NO_OBJECT)])
    counted.clear()
    assert (ours.resolve(MAIN), ours.references_named([MAIN, side])) == (first, {MAIN: first, side: second})
    assert counted == [], "known commits are read without git"
    GitProcess(profiles.path).run("pack-refs", "--all", "--prune")
    assert (ours.resolve(MAIN), ours.references_named([side, MAIN])) == (first, {side: second, MAIN: first})
    others.update_references([RefUpdate(side, NO_OBJECT, second)])
    assert (ours.resolve(side), ours.references_named([side, MAIN])) == (None, {MAIN: first})
    (profiles.path / "packed-refs").unlink()
    assert (ours.resolve(side), ours.references_named([side])) == (None, {})


def test_the_lock_of_a_reference_is_none(profiles: ProfilesRepository) -> None:
    commit = profiles.commit({"a": "1"})
    (profiles.path / f"{MAIN}.lock").write_text(f"{commit}\n")
    assert profiles.repository.resolve(f"{MAIN}.lock") is None
    assert profiles.repository.resolve(f"refs/heads/../heads/../{MAIN}") is None


def test_small_objects_are_read_once_and_memory_is_bounded(profiles: ProfilesRepository, counted: list[str]) -> None:
    small, large = b"small", b"x" * 100_000
    many = {f"{number}.txt": b"%d" % number * 10_000 for number in range(200)}
    head = profiles.commit({"small": small, "large": large, **many})
    blobs = {path: entry.blob for path, entry in profiles.repository.tree(head).items()}
    repository = Repository(profiles.path)

    def processes(*paths: str) -> int:
        counted.clear()
        found = repository.objects([blobs[path] for path in paths])
        assert {path: found[blobs[path]] for path in paths} == {
            path: {"small": small, "large": large, **many}[path] for path in paths
        }
        return len(counted)

    assert [processes("small", "large"), processes("small"), processes("large")] == [1, 0, 1]
    assert repository.objects([blobs["large"], blobs["small"]], maximum=5) == {blobs["small"]: small}
    processes(*many)
    assert [processes("199.txt"), processes("small")] == [0, 1], "what was read longest ago is dropped"


def test_a_commit_without_changes_has_the_tree_of_its_base(profiles: ProfilesRepository, counted: list[str]) -> None:
    base = profiles.commit({"a": "1", "b/c": "2"})
    counted.clear()
    assert profiles.repository.write_tree(base, {}) == profiles.repository.changed_tree(base, [])
    assert profiles.repository.tree(profiles.commit()) == profiles.repository.tree(base)


@pytest.mark.parametrize(
    "name", [f"{MAIN}\ndelete {MAIN}", "--all", "main", "refs/heads/a b", "refs/", "refs/heads/\0", "HEAD"]
)
def test_only_the_names_of_references_are_moved(profiles: ProfilesRepository, name: str) -> None:
    commit = profiles.commit({"README.md": "x"})
    with pytest.raises(GitError):
        profiles.repository.update_references([RefUpdate(name, commit, NO_OBJECT)])
    assert profiles.repository.references("refs/") == {MAIN: commit}


def test_references_move_together_or_not_at_all(profiles: ProfilesRepository) -> None:
    first = profiles.commit({"a": "1"})
    second = profiles.commit({"a": "2"})
    other = "refs/heads/propose/a"
    with pytest.raises(RefMovedError):
        profiles.repository.update_references([RefUpdate(other, first, NO_OBJECT), RefUpdate(MAIN, first, first)])
    assert profiles.repository.references("refs/") == {MAIN: second}
    with pytest.raises(RefMovedError):
        profiles.repository.update_references([RefUpdate(other, first, NO_OBJECT), RefUpdate(MAIN, second, NO_OBJECT)])
    assert profiles.repository.references("refs/") == {MAIN: second}
    profiles.repository.update_references([RefUpdate(other, first, NO_OBJECT), RefUpdate(MAIN, first, second)])
    assert profiles.repository.references("refs/") == {MAIN: first, other: first}
    profiles.repository.update_references([RefUpdate(other, NO_OBJECT, first), RefUpdate(MAIN, first, first)])
    assert profiles.repository.references("refs/") == {MAIN: first}


def test_the_files_of_one_change_are_written_over_another_commit(profiles: ProfilesRepository) -> None:
    base = profiles.commit({"a": "1\n", "b": "1\n", "c d": "1\n"})
    ours = profiles.commit({"a": "2\n"})
    theirs = profiles.commit(
        {"b": None, "c d": "3\n", "e": "3\n"}, branch="refs/heads/propose/b", parents=[base], base=base
    )
    repository = profiles.repository
    tree = repository.changed_tree(ours, repository.changes(base, theirs))
    merged = repository.write_commit(
        tree, [ours, theirs], "Merge", author=Person("a", "a"), committer=Person("a", "a"), time=START
    )
    assert [repository.file(merged, path) for path in ("a", "b", "c d", "e")] == [b"2\n", None, b"3\n", b"3\n"]
    assert repository.merge_base(ours, theirs) == base


def test_many_files_are_written_with_one_process_and_exactly_as_they_are(
    profiles: ProfilesRepository, counted: list[str]
) -> None:
    config = profiles.path / "config"
    config.write_text(config.read_text() + "[core]\n\tautocrlf = true\n")
    files: dict[str, str | bytes] = {f"{number}.txt": b"%d\r\n\xff\n" % number for number in range(30)}
    files |= {"empty": b"", "same": files["7.txt"], ".gitattributes": "* text ident\n"}
    head = profiles.commit(files)
    assert counted.count("hash-object") == 2  # all files, and the commit
    repository = profiles.repository
    assert {path: repository.file(head, path) for path in files} == {**files, ".gitattributes": b"* text ident\n"}


def test_files_that_cannot_be_stored_on_their_way_to_git_are_an_error_of_git(
    profiles: ProfilesRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    for files in ({"a": b"1", "b": b"2"}, {"a": b""}):
        with pytest.raises(GitUnavailableError, match="its input"):
            profiles.repository.write_tree(None, files)


def test_a_folder_that_is_no_repository_is_an_error_even_inside_of_one(
    profiles: ProfilesRepository, tmp_path: Path
) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    inner = tmp_path / "inner"
    inner.mkdir()
    with pytest.raises(GitError):
        Repository(inner).references("refs/")


@pytest.mark.parametrize("spoil", ["HEAD", "objects"])
def test_a_spoilt_repository_is_an_error_and_no_accident(profiles: ProfilesRepository, spoil: str) -> None:
    commit = profiles.commit({"a": "1"})
    if spoil == "HEAD":
        (profiles.path / "HEAD").write_text("nonsense")
    else:
        for file in profiles.path.glob("objects/??/*"):
            file.chmod(0o600)
            file.write_bytes(b"nonsense")
    with pytest.raises(GitError):
        profiles.repository.tree(commit)


def test_the_users_configuration_and_environment_steer_nothing(
    profiles: ProfilesRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = profiles.commit({"a": "1\n"})
    trap = tmp_path / "trap"
    (tmp_path / ".gitconfig").write_text(
        f"[core]\n pager = touch {trap}\n fsmonitor = touch {trap}\n[diff]\n external = touch {trap}\n"
    )
    for name, value in {
        "HOME": str(tmp_path), "GIT_DIR": "/nonexistent", "GIT_EXTERNAL_DIFF": f"touch {trap}",
        "GIT_PAGER": f"touch {trap}",
        "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.bare", "GIT_CONFIG_VALUE_0": "nonsense",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    second = profiles.commit({"a": "2\n"})
    assert "+2" in profiles.repository.difference(commit, second, ["a"])
    assert not trap.exists()


def test_names_and_messages_cannot_forge_a_commit(profiles: ProfilesRepository) -> None:
    hostile = Person("Eve\nparent 0000> <x", "e@x>\ncommitter Root <root@x> 0 +0000")
    commit = profiles.commit({"a": "1"}, "Subject \ud800\0\n\nReason: none", author=hostile)
    (read,) = profiles.repository.commits([commit])
    assert read.parents == ()
    assert read.author == Person("Eveparent 0000 x", "e@xcommitter Root root@x 0 +0000")
    assert read.signed_by == "allotment@localhost"
    assert read.trailers() == {"Reason": ["none"]}


def logged(profiles: ProfilesRepository, head: str, until: str | None = None) -> list[LoggedCommit]:
    return list(itertools.chain.from_iterable(profiles.repository.log(head, until=until)))


def test_the_paths_of_a_commit_cannot_forge_history(profiles: ProfilesRepository) -> None:
    reviewed = profiles.commit({"a": "1"})
    path = f"x\x01{reviewed}\nteams/red/team.yaml"
    pushed = profiles.push({path: "x", f"{reviewed}": "y", "teams/a b\n.yaml": "z"})
    changed = {commit.id: [change.path for change in commit.changes] for commit in logged(profiles, pushed)}
    assert changed == {pushed: sorted([path, reviewed, "teams/a b\n.yaml"]), reviewed: ["a"]}
    assert [commit.id for commit in logged(profiles, pushed, until=reviewed)] == [pushed]


def test_a_path_that_ends_with_a_line_break_is_no_other_path(profiles: ProfilesRepository) -> None:
    before = profiles.commit({"policy.yaml": "x"})
    after = profiles.push({"policy.yaml\n": "y"})
    assert [change.path for change in profiles.repository.changes(before, after)] == ["policy.yaml\n"]
    assert [change.path for change in logged(profiles, after)[-1].changes] == ["policy.yaml\n"]


@pytest.mark.parametrize("seconds", ["99999999999999999999", "253402300800", "0", "18446744073709551615"])
def test_an_impossible_time_is_the_end_of_the_calendar(profiles: ProfilesRepository, seconds: str) -> None:
    first = profiles.commit({"a": "1"})
    (commit,) = profiles.repository.commits([first])
    raw = f"tree {commit.tree}\nparent {first}\nauthor a <a> {seconds} +0000\ncommitter a <a> {seconds} +0000\n\nx\n"
    done = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin", "--literally"], cwd=profiles.path, input=raw.encode(),
        capture_output=True, check=True,
    )  # fmt: skip
    forged = done.stdout.decode().strip()
    (read,) = profiles.repository.commits([forged])
    assert read.time.tzinfo is dt.UTC
    later = profiles.commit({"a": "2"}, parents=[forged], base=first)
    assert len(logged(profiles, later)) == 3


def program(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> GitProcess:
    """Put a program in git's place."""
    (folder / "git").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return GitProcess(folder)


def test_many_tiny_objects_take_no_more_memory_than_few_large_ones(tmp_path: Path) -> None:
    reader = ObjectReader(GitProcess(tmp_path))
    tracemalloc.start()
    for number in range(50_000):
        reader.keep(f"{number:040x}", b"%07d" % number)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert 1 << 20 < kept < 5 << 20


def test_a_git_that_takes_too_long_can_still_remove_its_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = program(monkeypatch, tmp_path, "touch lock; trap 'rm lock; exit 1' TERM; sleep 60 & wait")
    with pytest.raises(GitTimeoutError):
        slow.run("fetch", seconds=0.5)
    assert not (tmp_path / "lock").exists()


def test_a_git_that_ignores_the_time_limit_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE_SECONDS", 0.5)
    deaf = program(monkeypatch, tmp_path, "trap '' TERM; echo $$ > pid; while true; do sleep 60; done")
    with pytest.raises(GitTimeoutError):
        deaf.run("fetch", seconds=0.5)
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_what_git_inherits_does_not_include_variables_of_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TRACE", "1")
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    output = program(monkeypatch, tmp_path, "env").run("x").stdout.decode()
    assert "GIT_TRACE=" not in output
    assert "GIT_DIR=" not in output


def test_a_missing_git_and_a_missing_folder_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GitError) as raised:
        GitProcess(tmp_path / "gone").run("version")
    assert not isinstance(raised.value, GitMissingError)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(GitMissingError):
        GitProcess(tmp_path).run("version")
