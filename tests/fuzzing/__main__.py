"""Let atheris look for bytes that the reader does not answer, guided by what they make it do.

    make fuzz SECONDS=600

The first byte chooses the kind of file. The corpus to start from is in `tests/data/fuzz`; what is found new lies in the
folder that is named, and a finding stands in `crash-…` or `timeout-…` of the folder where it runs.
"""

import sys

import atheris

with atheris.instrument_imports(include=["allotment_profiles", "yaml"]):
    from support.answers import assert_answered
    from support.folders import DATA

    from allotment_profiles.model import MODELS

KINDS = sorted(MODELS)


def one(data: bytes) -> None:
    """Read one file."""
    if data:
        assert_answered(KINDS[data[0] % len(KINDS)], data[1:])


def main() -> None:
    """Start with the arguments of libFuzzer; without any, look for a minute."""
    corpus = DATA / "fuzz"
    found = sys.argv[1:] or ["-max_total_time=60"]
    atheris.Setup([sys.argv[0], "-timeout=5", "-max_len=8192", *found, str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
