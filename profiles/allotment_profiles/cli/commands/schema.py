"""`allotment schema`: JSON Schemas, for editors."""

import json

import click


@click.command()
@click.argument("kind", type=click.Choice(["profile", "team", "data-role", "policy"]), required=False)
def schema(kind: str | None) -> None:
    """Print the JSON Schema of a KIND of file; without KIND, all of them in one object."""
    from allotment_profiles.reference.schema import KINDS, schema_of

    answer = schema_of(KINDS[kind]) if kind else {name: schema_of(file_kind) for name, file_kind in KINDS.items()}
    click.echo(json.dumps(answer, indent=2))
