"""Files made to do harm, each with the code that it is refused with: for the tests and for the measures."""

# A profile without mistakes.
PROFILE = b"""\
title: Notebook
purpose: Testing
app: jupyterlab
image: registry.example.org/analysis/notebook:1
resources:
  cpu: {guarantee: 0.5, limit: 2}
  memory:
    guarantee: 1 GiB
    limit: 4 GiB
options:
  size:
    title: Size
    default: normal
    choices:
      normal: {title: Normal}
environment: {TZ: Europe/London}
data_roles: [tables]
lifetime: {idle: 2 h, total: 12 h}
review_by: 2027-03-31
"""


def changed(old: str, new: str) -> bytes:
    """Replace one part of the profile."""
    assert PROFILE.count(old.encode()) == 1, old
    return PROFILE.replace(old.encode(), new.encode())


def nines() -> bytes:
    """Write the well-known file of a few lines that unfolds to gigabytes."""
    lines = ["a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"{b}: &{b} [" + ", ".join([f"*{a}"] * 9) + "]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    return "\n".join(lines).encode()


def bomb() -> bytes:
    """Write sixty lists, each of the one before twice."""
    return b"a0: &a0 [x]\n" + b"".join(b"a%d: &a%d [*a%d, *a%d]\n" % (i, i, i - 1, i - 1) for i in range(1, 60))


HOSTILE = {
    "60 KB of brackets": (b"[" * 60_000, "nesting"),
    "60 KB of braces": (b"{" * 60_000, "nesting"),
    "200 KB of brackets": (b"[" * 200_000, "too-large"),
    "60 KB of brackets behind as many in quotation marks": (
        b'a: "' + b"]" * 30_000 + b'"\nb: ' + b"[" * 30_000, "nesting",
    ),
    "brackets with closing ones in quotation marks between": (b'a: ["]",' + b'["]",' * 12_000, "nesting"),
    "lists in lists by hyphens": (b"a:\n " + b"-  " * 20_000 + b"x", "nesting"),
    "keys in keys": (b"a:\n ? " + b"? " * 30_000, "nesting"),
    "mappings in mappings by indentation": (b"\n".join(b" " * i + b"a:" for i in range(340)), "nesting"),
    "lists in lists, one level too many": (b"a:\n  " + b"- " * 24 + b"x", "nesting"),
    "a hundred lists in lists": (b"a:\n  " + b"- " * 100 + b"x", "nesting"),
    "twenty-five mappings by indentation": (b"\n".join(b" " * i + b"a:" for i in range(25)) + b" {}", "nesting"),
    "two levels a column": (b"".join(b" " * i + b"a:\n" + b" " * i + b"-\n" for i in range(13)), "nesting"),
    "an alias bomb": (bomb(), "anchor"),
    "an alias bomb that multiplies by nine": (nines(), "anchor"),
    "a merge bomb": (b"a: &a {b: 1}\nc: {<<: *a}\n", "anchor"),
    "a document that holds itself": (b"a: &a [*a]", "anchor"),
    "a byte order mark": (b"\xef\xbb\xbf" + PROFILE, "character"),
    "a NUL": (PROFILE + b"# \0", "character"),
    "a lone carriage return": (b"title: a\rapp: b", "character"),
    "an escape sequence of a terminal": (b"title: \x1b[31mred", "character"),
    "turned text": ("title: \u202eevil".encode(), "character"),
    "hidden text": ("title: a\U000e0041".encode(), "character"),
    "UTF-16": ("title: a".encode("utf-16"), "encoding"),
    "no UTF-8": (b"title: caf\xe9", "encoding"),
    "half a character": (b"title: \xf0\x9f", "encoding"),
    "a surrogate": (b"title: \xed\xa0\x80", "encoding"),
    "nothing": (b"", "empty"),
    "white space": (b"\n \n", "empty"),
    "a comment": (b"# nothing yet\n", "empty"),
    "null": (b"~", "empty"),
    "a list": (b"- a\n- b\n", "not-a-mapping"),
    "a word": (b"hello", "not-a-mapping"),
    "10 MB": (b"a: b\n" * 2_000_000, "too-large"),
    "a number of 200,000 digits": (b"a: " + b"9" * 200_000, "too-large"),
    "a number of 60,000 digits": (b"title: " + b"9" * 60_000, "too-long"),
    "7,000 unknown keys": (b"".join(b"k%d: 1\n" % i for i in range(7000)), "values-many"),
    "1,900 unknown keys": (b"".join(b"k%d: 1\n" % i for i in range(1900)), "unknown-key"),
    "7,000 entries": (b"data_roles: [" + b"a," * 7000 + b"]", "values-many"),
    "64 KiB of letters that are no ASCII": (b"title: " + "ä".encode() * 32_000, "too-long"),
    "an amount made for a slow regular expression": (changed("4 GiB", "1" * 30_000 + "x"), "memory-unit"),
    "an image made for a slow regular expression": (changed("analysis/notebook:1", "a-" * 20_000 + "!"), "image"),
    "an address made for a slow regular expression": (
        PROFILE + b"image_source: {commit: abcdef0, repository: 'https://" + b"a." * 20_000 + b"!'}", "web-address",
    ),
}  # fmt: skip
