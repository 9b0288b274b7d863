"""The reference of the format, `docs/format.md`: every file, key and code, from the schemas and the tables of codes."""

from collections.abc import Callable, Iterator
from typing import Any

from allotment_profiles.access.rules import REFUSALS
from allotment_profiles.catalog import codes as catalog
from allotment_profiles.documents import codes as documents
from allotment_profiles.model import codes as model
from allotment_profiles.model.limits import MAXIMUM_BYTES, MAXIMUM_DEPTH, MAXIMUM_FALLBACKS, MAXIMUM_PROBLEMS
from allotment_profiles.model.paths import Kind
from allotment_profiles.model.values.quantities import DURATION_UNITS, MEMORY_UNITS
from allotment_profiles.model.values.texts import NAME_PATTERN, PROFILE_ID_PATTERN
from allotment_profiles.reference.schema import KINDS, schema_of

PATHS: dict[Kind, str] = {
    "profile": "teams/<team>/profiles/<name>.yaml",
    "team": "teams/<team>/team.yaml",
    "data role": "data-roles/<name>.yaml",
    "policy": "policy.yaml",
}

EXAMPLES: dict[Kind, str] = {
    "profile": """\
title: Prison bulletin in R
description: RStudio with the packages of the monthly bulletin
purpose: Producing the monthly prison population bulletin
app: rstudio
image: registry.example.org/analysis/rstudio:2026-03
resources:
  cpu: {guarantee: 0.5, limit: 2}
  memory: {guarantee: 2 GiB, limit: 8 GiB}
options:
  size:
    title: Size
    default: normal
    choices:
      normal: {title: Normal}
      large: {title: Large, resources: {memory: {limit: 16 GiB}}}
environment: {TZ: Europe/London}
image_source: {repository: https://git.example.org/prison/rstudio-image, commit: 1f0c3a9}
checkout: {repository: https://git.example.org/prison/bulletin, ref: main, folder: bulletin}
storage: {home: 20 GiB, team: read-write}
data_roles: [nomis-read]
lifetime: {idle: 2 h, total: 12 h}
maintainers: {users: [kim]}
review_by: 2027-03-31
""",
    "team": """\
title: Prison analysis
members: {groups: [/moj/prison-analysis]}
leads: {groups: [/moj/prison-analysis/leads]}
deputies: {users: [sam]}
envelope: {cpu: 8, memory: 32 GiB, gpu: 1, gpu_kinds: [l4], images: [registry.example.org/analysis/*]}
budget: {sessions: 40, cpu: 120, memory: 480 GiB, gpu: 4}
user_budget: {sessions: 3}
""",
    "data role": """\
title: NOMIS tables, read only
owner: hmpps-data
purpose: Reading the curated NOMIS tables
sensitivity: official-sensitive
paperwork: https://wiki.example.org/dpia/123
granted_to:
  prison-analysis: {until: 2027-03-31, reason: The monthly bulletin is made from them}
binding: {aws_role: "arn:aws:iam::000000000000:role/nomis-read"}
""",
    "policy": """\
format: 1
ceilings: {cpu: 16, memory: 64 GiB, lifetime: 2 d}
registries: [registry.example.org/analysis/*]
repositories: [https://git.example.org/*]
gpu_kinds:
  l4: {title: NVIDIA L4, resource: nvidia.com/gpu, node_pool: gpus, hour: 0.9, ceiling: 2}
node_pools:
  gpus:
    title: Nodes with GPUs
    labels: {pool: gpus}
    tolerations: [{key: nvidia.com/gpu, effect: NoSchedule}]
tools:
  desktop: {title: Remote desktop, address: /desktop/, program: jupyter-remote-desktop-proxy}
prices: {currency: GBP, cpu_hour: 0.03, memory_gib_hour: 0.004}
user_budget: {sessions: 5}
rules: {envelope: soft, image_digest: advice}
automatic: {enabled: true, changes: [image-version, smaller, text]}
direct_push: hold
removal_share: 30
""",
}

PROBLEMS = {**catalog.PROBLEMS, **documents.PROBLEMS, **model.PROBLEMS}
"""Code of a problem of a file → meaning."""

_INTRODUCTION = f"""\
# The format of the profiles repository

<!-- Generated from the models by `python -m allotment_profiles.reference --write`. -->

Each kind of file also has a JSON Schema, for editors: `profiles/schemas/`, or `allotment schema`. `allotment check`
reports the problems of a repository.

## What is read

Files are YAML 1.2 in UTF-8: `no`, `on` and `1:30` are text. A file has at most {MAXIMUM_BYTES // 1024} KiB and is
nested at most {MAXIMUM_DEPTH} deep. Anchors, aliases, merge keys, tags, directives, duplicate keys, several documents
and characters that hide or reorder text are errors; at most {MAXIMUM_PROBLEMS} problems are reported for a file.
Unknown keys are errors. A link in the place of a file is an error. A `README`, `CODEOWNERS` or
`.gitkeep` beside the files is ignored; in a proposal, an administrator decides about it.

| written | meaning |
| --- | --- |
| `8 GiB` | an amount of memory; units: {", ".join(f"`{unit}`" for unit in MEMORY_UNITS)} |
| `0.5` | a number of CPUs, down to thousandths |
| `2 h` | a duration; units: {", ".join(f"`{unit}`" for unit in DURATION_UNITS)} |
| `2027-03-31` | a day; it lasts until its end, UTC |
| name | up to 40 lower-case letters, digits and hyphens, beginning and ending with a letter or a digit |
| image | `registry/name:tag` or `registry/name@sha256:…`, always with the registry |
| pattern for images | `registry/folder/*`: everything below the folder; `registry/name`: that image with any tag |

Two names of one kind that look alike (`rail-open` and `rail-0pen`, or names that differ only in case) are an error: the
later one does not apply.

## What applies

Only the history of the branch `main` and the clock decide what applies.

- If the newest version of a profile, a team or the policy is not valid, the last valid version applies, for the time in
  the policy's `last_good`; the newest {MAXIMUM_FALLBACKS} versions of each file are considered. A data role that is not
  valid gives no access.
- What takes access away applies at once, even in a file with errors: a deleted file, a revoked grant, a removed member.
- A commit that deletes `policy.yaml`, or more than ten files and more than the policy's `removal_share` of all files,
  is quarantined: the files still apply until a later commit on `main` has the line `Confirms-removal: <commit>` at the
  end of its message. A merge on the page asks for confirmation and adds that commit. A link in place of a file is its
  deletion. So is a move of a profile, unless all who could start it can start it at its new path, with the same data.
- A commit that was pushed to `main` without a review is shown as *not reviewed here*. With `direct_push: hold` in the
  policy, its files, but not its deletions, are quarantined until a reviewed commit changes the file or has the line
  `Confirms-push: <commit>`.

## How strict a rule is

| level | meaning |
| --- | --- |
| hard | an error |
| soft | an error, unless the profile accepts that code, as in `accepted: {{cpu-envelope: {{reason: …}}}}` |
| advice | a warning |

Every change of `accepted` needs the approval of an administrator, so that the history shows the reason and who accepted
it. Sessions beyond a team's envelope are soft errors; the policy's `rules` can make them hard, advice or allowed.

## How the format changes

`policy.yaml` has `format: 1`. Within format 1, keys and values are only added, always with a default that keeps the
meaning of existing files; the code of a problem or a refusal keeps its name and meaning. A change that would alter the
meaning of a valid file, or make it invalid, comes as format 2. A version of Allotment reads the newest format and the
one before, reports which files must change and how (`allotment check`), and never rewrites a file by itself. A policy
with an unknown format is not valid, so that an old hub keeps its last valid state.
"""


def reference() -> str:
    """Return the reference as Markdown."""
    parts = [_INTRODUCTION]
    for kind in KINDS.values():
        schema = schema_of(kind)
        parts += [
            f"## {kind.capitalize()}: `{PATHS[kind]}`\n",
            "```yaml\n" + EXAMPLES[kind] + "```\n",
            "| key | meaning | written as | default |\n| --- | --- | --- | --- |",
            "\n".join(_rows(schema, schema, "")) + "\n",
        ]
    parts += [
        "## Codes of problems\n\nStable, for programs: `allotment check`, the form and the API show them.\n",
        _codes(PROBLEMS),
        "## Codes of refused starts\n\nStable, for programs: at the end of the hub's message, and in the API. "
        "[Other refusals](codes.md) have codes, too.\n",
        _codes(REFUSALS),
    ]
    return "\n".join(parts)


def _codes(codes: dict[str, str]) -> str:
    return "| code | meaning |\n| --- | --- |\n" + "".join(f"| `{code}` | {codes[code]} |\n" for code in sorted(codes))


def _rows(root: dict[str, Any], part: dict[str, Any], prefix: str) -> Iterator[str]:
    for name, described in part.get("properties", {}).items():
        key = prefix + name
        inner = _target(root, described)
        meaning = described.get("description") or inner.get("description", "")
        default = f"`{_plain(described['default'])}`" if "default" in described else ""
        if name in part.get("required", ()):
            default = "required"
        yield f"| `{key}` | {meaning} | {_form(inner)} | {default} |"
        yield from _rows(root, inner, key + ".")
        # Keys that users choose: options, choices, teams.
        for named in inner.get("patternProperties", {}).values():
            yield from _rows(root, _target(root, named), f"{key}.<name>.")


def _target(root: dict[str, Any], described: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a value itself, behind a reference or an option of null."""
    for option in described.get("anyOf", ()):
        if option.get("type") != "null":
            described = option
    if "$ref" in described:
        target: dict[str, Any] = root["$defs"][described["$ref"].rsplit("/", 1)[1]]
        return target
    return described


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_plain(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_plain, value)) + "]"
    return '""' if value == "" else str(value).lower() if isinstance(value, bool) else str(value)


def _form(described: dict[str, Any]) -> str:
    """Return how a value is written, by the first keyword of its schema that the table knows."""
    kind = str(described.get("type", ""))
    upper = described.get("maximum", "")
    forms: dict[str, Callable[[Any], str]] = {
        "const": lambda value: f"`{_plain(value)}`",
        "enum": lambda values: ", ".join(f"`{_plain(value)}`" for value in values),
        "format": lambda name: "web address, `https://`" if name == "uri" else "day such as `2027-03-31`",
        "examples": lambda values: "such as " + " or ".join(f"`{_plain(value)}`" for value in values),
        "pattern": lambda pattern: (
            {NAME_PATTERN: "name", PROFILE_ID_PATTERN: "`team/name`"}.get(pattern)
            or f"text like `{pattern.replace('|', chr(92) + '|')}`"
        ),
        "maxItems": lambda most: f"list of at most {most}: {_form(described['items'])}",
        "maxProperties": lambda most: f"mapping of at most {most}",
        "minimum": lambda least: f"{'whole ' if kind == 'integer' else ''}number, {least} to {upper}",
        "maxLength": lambda most: f"text of at most {most} characters",
    }
    for keyword, form in forms.items():
        if keyword in described:
            return str(form(described[keyword]))
    return {"object": "mapping", "boolean": "`true` or `false`", "string": "text"}.get(kind, kind)
