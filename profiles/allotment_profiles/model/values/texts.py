"""Types of text in files: names, titles, groups, images. Each rejects text that could do harm."""

import datetime
import functools
import json
import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, StringConstraints, WithJsonSchema

from allotment_profiles.model.base import cached
from allotment_profiles.model.problems import invalid, quoted

NAME_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$"
PROFILE_ID_PATTERN = f"{NAME_PATTERN[:-1]}/{NAME_PATTERN[1:]}"
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
# A host of one word needs a port, or it would be a folder on Docker Hub.
_HOST = re.compile(r"(localhost|[a-z0-9-]+(\.[a-z0-9-]+)+)(:[0-9]{1,5})?|[a-z0-9-]+:[0-9]{1,5}", re.ASCII)
_IMAGE_PART = re.compile(r"[a-z0-9]+([._-]+[a-z0-9]+)*", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)

_LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?", re.ASCII)
_LABEL_KEY = re.compile(
    r"([a-z0-9]([a-z0-9.-]{0,200}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", re.ASCII
)
_PROGRAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}", re.ASCII)
_URL_PATH = re.compile(r"/([A-Za-z0-9_][A-Za-z0-9_.~-]{0,63}/?){0,8}", re.ASCII)
_WEB_ADDRESS = re.compile(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[\x21-\x7e]*)?", re.ASCII)
_REPOSITORY = re.compile(r"https://[a-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9_][A-Za-z0-9_.~-]{0,99}){0,10}", re.ASCII)
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}", re.ASCII)
_LOOKALIKES = str.maketrans({"0": "o", "1": "l"})

# Characters that reverse or hide text, so that a reviewer reads something else than what applies.
BIDIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
INVISIBLE = frozenset("\u115f\u1160\u3164\uffa0")  # blank Hangul letters
JOINERS = frozenset("\u200c\u200d")  # required by some scripts and by emoji


def harmful_character(text: str, allowed: str = "") -> str | None:
    """Return the first character of a text that is not allowed in a file, as `U+202E`, or None."""
    if text.isascii() and text.isprintable():
        return None  # fast path for nearly every text
    for character in text:
        if character in allowed:
            continue
        if (
            character in BIDIRECTIONAL
            or character in INVISIBLE
            or (unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and character not in JOINERS)
        ):
            return f"U+{ord(character):04X}"
    return None


def one_line(value: object) -> str:
    """Return text on one line. Raise a problem for anything else."""
    if isinstance(value, str) and value.isascii() and value.isprintable():
        return value  # fast path for nearly every text
    return _safe_text(value, allowed="")


def _lines(value: object) -> str:
    return _safe_text(value, allowed="\n\t")


def _safe_text(value: object, allowed: str) -> str:
    if not isinstance(value, str):
        raise invalid("text", f"{quoted(value)} is not text.", "Put the text in quotation marks.")
    harmful = harmful_character(value, allowed)
    if harmful:
        message = f"The text contains the character {harmful}, which is not allowed."
        raise invalid("text-character", message, "Remove it.")
    return value


def is_name(text: str) -> bool:
    """Whether a text can be the name of a team, a profile, a data role or an option."""
    return _NAME.fullmatch(text) is not None


@functools.lru_cache(maxsize=4096)
def skeleton(name: str) -> str:
    """Return the skeleton of a name. Names with the same skeleton look alike."""
    flat = name.lower().translate(_LOOKALIKES).replace("rn", "m").replace("vv", "w")
    return re.sub(r"-{2,}", "-", flat) if "--" in flat else flat


def is_profile_id(text: str) -> bool:
    """Whether a text has the form `team/name`."""
    team, slash, name = text.partition("/")
    return bool(slash) and is_name(team) and is_name(name)


def _name(value: object) -> str:
    if not isinstance(value, str) or _NAME.fullmatch(value) is None:
        remedy = "Use up to 40 lower-case letters, digits and hyphens, beginning and ending with a letter or a digit."
        raise invalid("name", f"{quoted(value)} is not a name.", remedy)
    return value


def _date(value: object) -> datetime.date:
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value
    remedy = "Write year, month and day: 2027-03-31."
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        raise invalid("date", f"{quoted(value)} is not a date.", remedy)
    try:
        return datetime.date.fromisoformat(value)
    except ValueError as error:
        raise invalid("date", f"{quoted(value)} is not a day of the calendar.", remedy) from error


def _image(value: object) -> str:
    remedy = "Write registry/name:tag, or better registry/name@sha256:…"
    text = one_line(value)
    if len(text) > 400:
        raise invalid("image", "The image's name is longer than 400 characters.", remedy)
    scheme, separator, _ = text.partition("://")
    if separator:
        raise invalid("image", f"{quoted(text)} begins with {scheme}://", "Leave that out: begin with the registry.")
    rest, at, digest = text.partition("@")
    if at and not _DIGEST.fullmatch(digest):
        remedy = "A digest is sha256: and 64 hexadecimal digits."
        raise invalid("image-digest", f"{quoted(digest)} is not a digest.", remedy)
    head, slash, last = rest.rpartition("/")
    name, colon, tag = last.partition(":")
    parts = [*head.split("/"), name] if slash else [name]
    if colon and not _TAG.fullmatch(tag):
        raise invalid("image-tag", f"{quoted(tag)} is not a tag.", remedy)
    if len(parts) < 2 or not _HOST.fullmatch(parts[0]):
        raise invalid("image-registry", f"{quoted(text)} does not begin with a registry.", remedy)
    if not all(_IMAGE_PART.fullmatch(part) for part in parts[1:]):
        raise invalid("image", f"{quoted(text)} is not the name of an image.", remedy)
    if not colon and not at:
        raise invalid("image-tag", f"{quoted(text)} has neither a tag nor a digest.", remedy)
    return text


def image_name(reference: str) -> str:
    """Return the name of an image without tag and digest, to compare it with registries and envelopes."""
    rest = reference.partition("@")[0]
    head, slash, last = rest.rpartition("/")
    return head + slash + last.partition(":")[0]


@functools.lru_cache(maxsize=4096)
def image_matches(reference: str, pattern: str) -> bool:
    """Whether a pattern (a name, also with tag or digest, or a prefix that ends with `/*`) allows an image."""
    if pattern.endswith("/*"):
        return image_name(reference).startswith(pattern[:-1])
    return pattern in (reference, image_name(reference))


def repository_matches(address: str, pattern: str) -> bool:
    """Whether a pattern allows a git repository. A pattern is an address, or a prefix that ends with `/*`."""
    return address.startswith(pattern[:-1]) if pattern.endswith("/*") else address == pattern


def is_group(text: str) -> bool:
    """Whether a text can be the name of a group or a user: what a provider sends, and JupyterHub stores."""
    return 0 < len(text) <= 255 and text == text.strip() and harmful_character(text) is None


def in_line(name: str) -> str:
    """Return the name of a group or a user for a line of several; in quotation marks if it looks like several."""
    return json.dumps(name, ensure_ascii=False) if any(part in name for part in (",", '"', " with ")) else name


def listed(names: Iterable[str]) -> str:
    """Return the names of groups and users in one line."""
    return ", ".join(map(in_line, names))


def _is_image_pattern(text: str) -> bool:
    folder, is_folder, rest = text.partition("/*")
    host, *parts = (folder if is_folder else image_name(text)).split("/")
    return _HOST.fullmatch(host) is not None and not rest and all(map(_IMAGE_PART.fullmatch, parts))


def _is_revision(text: str) -> bool:
    is_safe = ".." not in text and "//" not in text and not text.endswith(("/", ".", ".lock"))
    return is_safe and _REVISION.fullmatch(text) is not None


def _valid(code: str, is_valid: Callable[[str], object], what: str, remedy: str) -> BeforeValidator:
    """Return a validator for text on one line that has to fulfil a condition."""

    def validate(value: object) -> str:
        text = one_line(value)
        if not is_valid(text):
            raise invalid(code, f"{quoted(value)} is not {what}.", remedy)
        return text

    return BeforeValidator(cached(validate))


def _matching(code: str, pattern: re.Pattern[str], what: str) -> BeforeValidator:
    return _valid(code, pattern.fullmatch, what, f"It has to match {pattern.pattern}")


def _profile_id(value: object) -> str:
    if not isinstance(value, str) or not is_profile_id(value):
        raise invalid("profile-id", f"{quoted(value)} does not name a profile.", "Write team/name.")
    return value


Name = Annotated[str, BeforeValidator(_name), WithJsonSchema({"type": "string", "pattern": NAME_PATTERN})]
# StringConstraints comes first: in this order pydantic checks the length without calling Python again.
Title = Annotated[str, StringConstraints(min_length=1, max_length=80, strip_whitespace=True), BeforeValidator(one_line)]
Line = Annotated[str, StringConstraints(max_length=300), BeforeValidator(one_line)]
Lines = Annotated[str, StringConstraints(min_length=1, max_length=2000), BeforeValidator(_lines)]
Group = Annotated[
    str,
    _valid("group", is_group, "a group", "Write the full name of the group, as JupyterHub has it."),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 255}),
]
Image = Annotated[str, BeforeValidator(cached(_image)), WithJsonSchema({"type": "string", "maxLength": 400})]
ImagePattern = Annotated[
    str,
    _valid(
        "image-pattern",
        _is_image_pattern,
        "a pattern for images",
        "Write registry/folder/* for everything in a folder, or registry/name for one image.",
    ),
    WithJsonSchema({"type": "string", "maxLength": 400}),
]
WebAddress = Annotated[
    str,
    _valid(
        "web-address",
        lambda text: len(text) <= 500 and _WEB_ADDRESS.fullmatch(text),
        "a web address",
        "Write an address that begins with https://",
    ),
    WithJsonSchema({"type": "string", "format": "uri", "pattern": "^https://"}),
]
Date = Annotated[
    datetime.date,
    BeforeValidator(cached(_date)),
    PlainSerializer(datetime.date.isoformat),
    WithJsonSchema({"type": "string", "format": "date", "examples": ["2027-03-31"]}),
]
ProfileId = Annotated[
    str, BeforeValidator(_profile_id), WithJsonSchema({"type": "string", "pattern": PROFILE_ID_PATTERN})
]
Repository = Annotated[
    str,
    _valid(
        "repository",
        lambda text: len(text) <= 500 and _REPOSITORY.fullmatch(text),
        "the address of a git repository",
        "Write https://host/folder/name, without a user and a query. No part may begin with a dot.",
    ),
    WithJsonSchema({"type": "string", "pattern": "^https://"}),
]
RepositoryPattern = Annotated[
    str,
    _valid(
        "repository-pattern",
        lambda text: len(text) <= 500 and _REPOSITORY.fullmatch(text.removesuffix("/*")),
        "a pattern for git repositories",
        "Write https://host/* or https://host/folder/* for all repositories below, or one address.",
    ),
    WithJsonSchema({"type": "string", "pattern": "^https://"}),
]
GitRevision = Annotated[
    str,
    _valid("revision", _is_revision, "a branch, tag or commit", "Write for example main or v1.2."),
    WithJsonSchema({"type": "string", "maxLength": 200}),
]
UrlPath = Annotated[
    str,
    _valid(
        "url-path",
        lambda text: ".." not in text and _URL_PATH.fullmatch(text),
        "the path of a URL",
        "Write for example /desktop/.",
    ),
    WithJsonSchema({"type": "string", "pattern": "^/"}),
]
Label = Annotated[
    str, _matching("label", _LABEL, "the value of a label"), WithJsonSchema({"type": "string", "maxLength": 63})
]
LabelKey = Annotated[
    str, _matching("label-key", _LABEL_KEY, "the key of a label"), WithJsonSchema({"type": "string", "minLength": 1})
]
ProgramName = Annotated[
    str, _matching("program", _PROGRAM, "the name of a program"), WithJsonSchema({"type": "string", "maxLength": 64})
]
