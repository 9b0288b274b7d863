"""The names of the start form's fields, and the way back from a filled form to a request. Pure, and raises nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

PROFILE = "profile"


def option_field(profile_id: str, option: str) -> str:
    """Name the field of one option: all cards share one form, so the profile is part of the name."""
    return f"{profile_id}:{option}"


def request_of(form: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Give what the REST API would have been sent: `{"profile": …, "options": {…}}`, or `{}` where nothing was chosen.

    Fields of other cards are left out. Anything else goes into the options, to be decided (and refused) at the start:
    a link may say `?opt-profile=team/name&opt-size=large`.
    """
    profile = _single(form.get(PROFILE, ()))
    options: dict[str, Any] = {}
    for field, values in form.items():
        owner, colon, option = field.partition(":")
        if field in (PROFILE, "_xsrf") or (colon and owner != profile):
            continue
        options[option if colon else field] = _single(values)
    request: dict[str, Any] = {} if profile is None else {PROFILE: profile}
    if options:
        request["options"] = options
    return request


def _single(values: Sequence[Any]) -> Any:
    """Take the one value out of its list; several stay a list of texts, which no request allows."""
    texts = [value if isinstance(value, str) else "a file" for value in values]
    if not texts:
        return None
    return texts[0] if len(texts) == 1 else texts
