"""Tells in the terminal of `allotment up` what the programs say only in their logs and in the health."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from allotment_hub.configuration import ForgeConfiguration

_LOOK_SECONDS = 5.0


async def tell_whether_decided(
    client: httpx.AsyncClient, health: str, report: Callable[[str], None], seconds: float = _LOOK_SECONDS
) -> None:
    """Report, until cancelled, when nothing is decided because of the log of records, and when it is again."""
    told = ""
    while True:
        try:
            broken = (await client.get(health)).json()["records"]["broken"]
            why = broken["why"] if broken else ""
        except (httpx.HTTPError, ValueError, LookupError, TypeError):
            why = told  # it starts or ends, and is asked again
        if why != told:
            report(_undecided(why) if why else "The log of records is good again: proposals are decided.")
            told = why
        await asyncio.sleep(seconds)


def _undecided(why: str) -> str:
    return (
        f"NOTHING IS DECIDED: {why}. Sessions start, but nothing is proposed, approved or merged. If this folder is new"
        " and the repository is not, stop this, copy `keys` of the folder of before over `keys` here, and start again."
        ' Otherwise see "The log of records is broken" in docs/operations.md.'
    )


def nobodys_acts(options: Mapping[str, Mapping[str, Any]], forge: ForgeConfiguration) -> str:
    """Return what to tell where people sign in with the forge, and the hub does not know that; else nothing."""
    name = str(options.get("JupyterHub", {}).get("authenticator_class", "")).lower()
    of_class = forge.kind if forge.kind != "gitea" and forge.kind in name else ""
    provider = options.get("CheckedIdentity", {}).get("provider") or of_class
    host = urlsplit(forge.url).netloc.lower()
    hosts = {
        urlsplit(str(each["authorize_url"])).netloc.lower() for each in options.values() if "authorize_url" in each
    }
    if host not in hosts or provider == forge.kind:
        return ""
    return (
        f"People sign in with {host}, but what they do there on pull requests is nobody's: add"
        f" CheckedIdentity: {{provider: {forge.kind}}} to the file."
    )
