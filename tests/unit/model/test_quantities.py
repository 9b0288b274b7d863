"""Amounts are written and read without loss."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from allotment_profiles.model.values import quantities as q


@given(st.integers(1, q.MAXIMUM_MEMORY))
def test_every_amount_of_memory_survives_writing_and_reading(size: int) -> None:
    assert q.parse_memory(q.format_memory(size)) == size


@given(st.integers(1, q.MAXIMUM_CPU))
def test_every_number_of_cpus_survives_writing_and_reading(milli: int) -> None:
    assert q.parse_cpu(q.cpu_number(milli)) == milli
    assert q.parse_cpu(q.format_cpu(milli)) == milli


@given(st.integers(1, q.MAXIMUM_DURATION))
def test_every_duration_survives_writing_and_reading(seconds: int) -> None:
    assert q.parse_duration(q.format_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (8 * 2**30, "8 GiB"),
        (2**29, "512 MiB"),
        (3 * 2**29, "1.5 GiB"),
        (2**40, "1 TiB"),
        (1024, "1 KiB"),
        (1, "0.000977 KiB"),
    ],
)
def test_memory_is_written_in_the_unit_that_people_would_use(size: int, text: str) -> None:
    assert q.format_memory(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(7200, "2 h"), (86400, "24 h"), (172800, "2 d"), (90, "90 s"), (5400, "90 min")]
)
def test_durations_are_written_in_the_unit_that_people_would_use(seconds: int, text: str) -> None:
    assert q.format_duration(seconds) == text


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.booleans(), st.lists(st.integers()), st.binary()))
def test_anything_else_is_refused_with_a_remedy_and_never_an_accident(value: object) -> None:
    for parse, largest in (
        (q.parse_memory, q.MAXIMUM_MEMORY), (q.parse_cpu, q.MAXIMUM_CPU), (q.parse_duration, q.MAXIMUM_DURATION),
    ):  # fmt: skip
        try:
            amount = parse(value)
        except PydanticCustomError as error:
            remedy = (error.context or {}).get("remedy")
        else:
            remedy = "none is needed" if 0 < amount <= largest else ""
        assert remedy


@pytest.mark.parametrize(
    "text", ["١٢ GiB", "1_000 GiB", "1e3 GiB", "0x10 GiB", "8 gib", "8 GB", "8", "GiB", "", "8 GiB 2", "٣"]
)
def test_only_plain_digits_and_known_units_count(text: str) -> None:
    with pytest.raises(PydanticCustomError):
        q.parse_memory(text)
    if text != "8":
        with pytest.raises(PydanticCustomError):
            q.parse_cpu(text)
