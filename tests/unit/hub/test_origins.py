"""Where sessions are served: a host for each user, and one for hub and service."""

import re
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyterhub import orm
from tornado.web import HTTPError
from traitlets.config import Config

from allotment_hub.cluster.hub_setup import configure_hub
from allotment_hub.origins import origin_settings, session_label
from allotment_hub.sign_ins import sign_in_only_at

LABEL = re.compile(r"(?!\d+$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
VALUES = {"publicUrl": "https://hub.example.org/jupyter/", "repository": {"url": "https://git.example.org/p.git"}}


@pytest.mark.parametrize("name", ["analyst", "a", "ada-lovelace", "r2d2", "x" * 63])
def test_a_plain_name_is_its_own_host(name: str) -> None:
    assert session_label(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-a",
        "a-",
        "a--b",
        "xn--bcher-kva",
        "1234",
        "a@example.org",
        "a.b",
        "a_b",
        "Ada",
        "bücher",
        "x" * 64,
        "/",
        "\n",
    ],
)
def test_another_name_gets_a_valid_label_of_its_own(name: str) -> None:
    label = session_label(name)
    assert LABEL.fullmatch(label)
    assert label != name
    assert session_label(label) != label, "nobody may choose the name that somebody else's host has"


@given(st.text(max_size=80), st.text(max_size=80))
def test_no_two_users_share_a_host(one: str, other: str) -> None:
    assert LABEL.fullmatch(session_label(one))
    assert (session_label(one).casefold() == session_label(other).casefold()) == (one == other)


def test_users_have_hosts_of_their_own_and_services_the_hubs() -> None:
    settings = origin_settings("https://hub.example.org/jupyter/", "sessions.example.net")
    hook = settings["subdomain_hook"]
    assert settings["public_url"] == "https://hub.example.org/jupyter/"
    assert settings["subdomain_host"] == "https://sessions.example.net"
    assert hook("ada", "hub.example.org", kind="user") == "ada.sessions.example.net"
    assert hook("allotment", "sessions.example.net", kind="service") == "hub.example.org"
    assert hook("anything", "sessions.example.net", kind="service") == "hub.example.org"


@pytest.mark.parametrize(
    ("public_url", "prefix", "domain"),
    [
        ("https://hub.example.org/", True, "https://sessions.example.net"),
        ("https://hub.example.org:8443/", True, "https://sessions.example.net:8443"),
        ("http://127.0.0.1:8000/", False, "http://sessions.example.net:8000"),
    ],
)
def test_cookies_have_the_host_prefix_where_they_are_secure(public_url: str, prefix: bool, domain: str) -> None:
    settings = origin_settings(public_url, "sessions.example.net")
    assert (settings["cookie_host_prefix_enabled"], settings["subdomain_host"]) == (prefix, domain)


def test_a_domain_whose_users_could_have_the_hubs_host_is_refused() -> None:
    with pytest.raises(ValueError, match=r"hub\.example\.org is below example\.org"):
        origin_settings("https://hub.example.org/", "example.org")
    assert origin_settings("https://hub.example.org/", "hub.example.org"), "below the hub's host is possible"


def hub_of(**jupyterhub: Any) -> Config:
    """Configure a hub as zero-to-jupyterhub does."""
    config = Config()
    config.JupyterHub.services = [{"name": "allotment", "api_token": "token"}]
    config.JupyterHub.update(jupyterhub)
    configure_hub(config, VALUES, "/jupyter/")
    return config


@pytest.mark.parametrize("given", ["sessions.example.net", "https://sessions.example.net"])
def test_on_a_cluster_zero_to_jupyterhubs_own_value_moves_sessions_and_nothing_else(given: str) -> None:
    config = hub_of(subdomain_host=given)
    assert config.JupyterHub.subdomain_host == "https://sessions.example.net"
    assert config.JupyterHub.subdomain_hook("ada", "hub.example.org", kind="user") == "ada.sessions.example.net"
    assert config.JupyterHub.template_vars == {"shared_origin": False}
    (service,) = config.JupyterHub.services
    assert service["oauth_redirect_uri"] == "/jupyter/services/allotment/oauth_callback"
    assert config.KubernetesProfileSpawner.service_url == "https://hub.example.org/jupyter/services/allotment/"
    # The proxy routes by host: sessions reach the service by the proxy's name in the cluster.
    assert config.KubernetesProfileSpawner.api_url == "http://proxy-public/jupyter/services/allotment/api/v1"
    assert config.Proxy.extra_routes == {"proxy-public/jupyter/services/allotment/": "http://allotment:10101"}


def test_on_a_cluster_with_one_host_pages_say_so_and_nothing_is_routed_by_host() -> None:
    config = hub_of(template_vars={"ours": 1})
    assert config.JupyterHub.template_vars == {"ours": 1, "shared_origin": True}
    assert "subdomain_hook" not in config.JupyterHub
    assert "extra_routes" not in config.Proxy


def test_a_hub_that_would_serve_a_session_at_its_own_host_does_not_start() -> None:
    with pytest.raises(SystemExit, match="subdomain_host: the hub's own host"):
        hub_of(subdomain_host="example.org")


async def test_nobody_signs_in_at_the_host_of_a_session() -> None:
    async def noted(_authenticator: Any, _handler: Any, user: dict[str, str]) -> dict[str, str]:
        return {**user, "noted": "yes"}

    config = hub_of(subdomain_host="sessions.example.net")
    db = orm.new_session_factory("sqlite:///:memory:")()
    request = SimpleNamespace(host="hub.example.org:443", protocol="https")
    here = SimpleNamespace(request=request, db=db, base_url="/", set_cookie=lambda *_, **__: None)
    there = SimpleNamespace(request=SimpleNamespace(host="ada.sessions.example.net"))
    hook = config.Authenticator.post_auth_hook
    assert await hook(None, here, {"name": "ada"}) == {"name": "ada"}
    with pytest.raises(HTTPError) as refusal:
        await hook(None, there, {"name": "ada"})
    assert refusal.value.status_code == 403
    noted_user = await sign_in_only_at("hub.example.org", noted, None, here, {"name": "ada"})
    assert noted_user == {"name": "ada", "noted": "yes"}
