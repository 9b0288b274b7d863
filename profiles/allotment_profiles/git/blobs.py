"""Write the contents of many files with one git process."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from allotment_profiles.git.process import GitProcess, input_errors


def write_blobs(process: GitProcess, contents: Mapping[str, bytes]) -> dict[str, str]:
    """Write a blob for each content, and return their ids by the same keys. Raise GitError."""
    if len(contents) <= 1:
        command = ("hash-object", "-w", "--stdin")
        return {key: process.run(*command, stdin=data).stdout.decode().strip() for key, data in contents.items()}
    with input_errors("hash-object"), tempfile.TemporaryDirectory(prefix="allotment-blobs-") as folder:
        paths = [Path(folder, str(number)) for number in range(len(contents))]
        for path, data in zip(paths, contents.values(), strict=True):
            path.write_bytes(data)
        names = "".join(f"{path}\n" for path in paths).encode()
        # Without filters: a repository may have attributes that would change what is written.
        output = process.run("hash-object", "-w", "--no-filters", "--stdin-paths", stdin=names).stdout
    return dict(zip(contents, output.decode().split(), strict=True))
