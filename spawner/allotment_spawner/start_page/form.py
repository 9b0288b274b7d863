"""The field names of the start form, and the conversion of a submitted form to a request. Pure; raises nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

PROFILE = "profile"


def option_field(profile_id: str, option: str) -> str:
    """Return the field name of an option. All cards share one form, so the name contains the profile."""
    return f"{profile_id}:{option}"


def request_of(form: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return the equivalent body for the REST API: `{"profile": …, "options": {…}}`, or `{}` if nothing was chosen.

    Fields of other cards are ignored. All others become options, which the start accepts or refuses: a link may be
    `?opt-profile=team/name&opt-size=large`.
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
    """Unpack a list of one value. Several values stay a list, which no request allows."""
    texts = [value if isinstance(value, str) else "a file" for value in values]
    if not texts:
        return None
    return texts[0] if len(texts) == 1 else texts
