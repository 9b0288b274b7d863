"""The forge's own merge button, pressed on a real repository."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from support.fakes.platform import Platform
from support.hand_made import HandMade
from support.servers.git_server import git

from allotment_hub.forges.pull_requests.values import MergeStyle, PullRequest, PullRequestState


class Button:
    """The merge button of a forge: git in a clone."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self.platform = platform
        self.folder = folder / "clone"
        git(folder, "clone", "--quiet", str(platform.repository.path), str(self.folder))

    def press(self, head: str, style: MergeStyle, edited: Mapping[str, bytes] | None = None) -> PullRequest:
        """Merge a head into main; `edited` are files that are changed on the way, as in the editor for conflicts."""
        git(self.folder, "fetch", "--quiet", "origin", head)
        git(self.folder, "fetch", "--quiet", "origin")
        git(self.folder, "checkout", "--quiet", "-B", "main", "origin/main")
        if style is MergeStyle.MERGE:
            git(self.folder, "merge", "--quiet", "--no-ff", "--no-commit", head)
        elif style is MergeStyle.SQUASH:
            git(self.folder, "merge", "--quiet", "--squash", head)
        else:
            git(self.folder, "checkout", "--quiet", "-B", "main", head)
            git(self.folder, "rebase", "--quiet", "--force-rebase", "origin/main")
        for path, content in (edited or {}).items():
            (self.folder / path).write_bytes(content)
        git(self.folder, "add", "--all")
        if style is MergeStyle.REBASE:
            if edited:
                git(self.folder, "commit", "--quiet", "--amend", "--no-edit")
        else:
            git(self.folder, "commit", "--quiet", "--message", "Merge pull request #7")
        git(self.folder, "push", "--quiet", "origin", "main")
        merge = git(self.folder, "rev-parse", "HEAD")
        value = HandMade(self.platform, head).value
        return merged_value(value, merge, style)


def merged_value(value: PullRequest, merge: str, style: MergeStyle | None) -> PullRequest:
    """Let the forge say that a pull request is merged."""
    return replace(value, state=PullRequestState.MERGED, merge_commit=merge, merge_style=style)
