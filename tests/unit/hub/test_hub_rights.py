"""What the service may do in the hub, on a laptop and on a cluster, and that nobody else may do it."""

from traitlets.config import Config

from allotment_hub.cluster.hub_setup import configure_hub
from allotment_hub.hub_rights import CUSTOM_SCOPES, HUB_HANDLERS, roles
from allotment_profiles.scopes import (
    IDENTITIES_SCOPE,
    REFRESH_SCOPE,
    REVIEW_SCOPE,
    SIGN_INS_SCOPE,
    STOP_SCOPE,
    TRIAL_SCOPE,
)

VALUES = {"publicUrl": "https://hub.example.org/", "repository": {"url": "https://git.example.org/p.git"}}


def test_only_the_service_may_stop_sessions_and_it_may_not_review() -> None:
    holders = {scope: {role["name"] for role in roles() if scope in role["scopes"]} for scope in CUSTOM_SCOPES}
    assert holders == {
        REVIEW_SCOPE: {"user"},
        REFRESH_SCOPE: {"allotment"},
        SIGN_INS_SCOPE: {"allotment"},
        IDENTITIES_SCOPE: {"allotment"},
        STOP_SCOPE: {"allotment"},
        TRIAL_SCOPE: {"allotment"},
    }


def test_the_service_has_no_scope_of_the_hub_that_changes_something() -> None:
    (service,) = (role for role in roles() if role["name"] == "allotment")
    assert set(service["scopes"]) - CUSTOM_SCOPES.keys() == {"list:users", "read:users", "read:groups"}


def test_a_cluster_s_hub_has_the_scopes_and_the_calls_of_a_laptop_beside_its_own() -> None:
    config = Config()
    config.JupyterHub.services = [{"name": "allotment"}]
    config.JupyterHub.extra_handlers = [("/own", "own.Handler")]
    configure_hub(config, VALUES, "/")
    assert {("/own", "own.Handler"), *HUB_HANDLERS} <= set(config.JupyterHub.extra_handlers)
    assert config.JupyterHub.custom_scopes.keys() >= CUSTOM_SCOPES.keys()
    assert [role for role in roles() if role not in config.JupyterHub.load_roles] == []
