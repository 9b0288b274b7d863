"""From what a browser or a link sends to what the hub's API would have been sent."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allotment_spawner.start_page.form import option_field, request_of


def test_fields_of_other_cards_are_left_out() -> None:
    form = {
        "_xsrf": ["token"],
        "profile": ["red/notebook"],
        option_field("red/notebook", "size"): ["large"],
        option_field("red/other", "size"): ["small"],
    }
    assert request_of(form) == {"profile": "red/notebook", "options": {"size": "large"}}


def test_a_form_without_a_pressed_button_chooses_nothing() -> None:
    assert request_of({"_xsrf": ["token"], option_field("red/other", "size"): ["small"]}) == {}


def test_a_link_may_name_options_plainly() -> None:
    assert request_of({"profile": ["red/notebook"], "size": ["large"]}) == {
        "profile": "red/notebook",
        "options": {"size": "large"},
    }


@pytest.mark.parametrize("form", [{"profile": ["a/b", "c/d"]}, {"profile": ["a/b"], "x": ["1", "2"]}])
def test_a_value_that_is_sent_twice_stays_twice_and_is_refused_later(form: dict[str, list[str]]) -> None:
    assert any(
        isinstance(value, list) for value in [*request_of(form).values(), *request_of(form).get("options", {}).values()]
    )


@given(st.dictionaries(st.text(), st.lists(st.one_of(st.text(), st.binary(), st.dictionaries(st.text(), st.text())))))
def test_no_form_raises(form: dict[str, Any]) -> None:
    assert isinstance(request_of(form), dict)
