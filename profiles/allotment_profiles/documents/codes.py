"""Codes of the problems that reading one file finds: YAML, keys, and the types of values."""

from allotment_profiles.model.limits import MAXIMUM_BYTES, MAXIMUM_DEPTH, MAXIMUM_VALUES

PROBLEMS = {
    "alias": "an alias (`*name`); write the value itself",
    "anchor": "an anchor (`&name`); write the value itself",
    "character": "a control character, or one that hides or reorders text",
    "directive": "a YAML directive (`%`)",
    "documents": "several YAML documents in one file",
    "duplicate-key": "a key occurs twice",
    "empty": "an empty file",
    "encoding": "the file is not UTF-8",
    "key": "a key that is not text",
    "list": "a list was expected",
    "mapping": "a mapping of keys to values was expected",
    "merge-key": "a merge key (`<<`); write the keys themselves",
    "missing": "a required key is missing",
    "nesting": f"nested more than {MAXIMUM_DEPTH} deep",
    "not-a-mapping": "the file as a whole is not a mapping of keys to values",
    "not-offered": "not one of the possible values",
    "number": "a number with too many digits",
    "pattern": "not written in the required form",
    "syntax": "not YAML",
    "tag": "a YAML tag (`!name`)",
    "too-few": "too few entries",
    "too-large": f"the file has more than {MAXIMUM_BYTES // 1024} KiB",
    "too-large-number": "a number above what is possible",
    "too-long": "a text that is too long",
    "too-many": "too many entries",
    "too-short": "a text that is too short",
    "too-small": "a number below what is possible",
    "unknown-key": "a key that does not exist here",
    "values-many": f"the file has more than {MAXIMUM_VALUES} keys and entries",
    "whole-number": "a whole number was expected",
    "yes-or-no": "`true` or `false` was expected",
}
"""Code → meaning; the reference of the format lists them."""
