"""KubeSpawner's own tests with our class in its place: `make kubespawner SOURCE=its/checkout`.

A plugin for pytest, in an environment of its own: it replaces the class before the tests are collected, and leaves out
what is about KubeSpawner's own list of profiles and about the options that it reads. A start of ours is refused without
a profile, so the decision alone is left out of it; all the rest is what runs in production. `--stock` runs all tests
with KubeSpawner's own class.
"""

import asyncio
import sys
from collections.abc import Iterator
from typing import Any

import jupyterhub.app
import kubespawner
import kubespawner.spawner
import pytest
from jupyterhub.app import JupyterHub
from kubernetes_asyncio.client import CoreV1Api

from allotment_spawner.hub.mixin import ProfileSpawnerMixin
from allotment_spawner.kubernetes.spawner import KubernetesProfileSpawner

_ASKED = 60
_PROFILES = "KubeSpawner's list of profiles, which nothing of ours uses"
LEFT_OUT = {
    "test_user_options_set_from_form": _PROFILES,
    "test_user_options_set_from_form_choices": _PROFILES,
    "test_user_options_set_from_form_unlisted_choice": _PROFILES,
    "test_user_options_set_from_form_invalid_regex": _PROFILES,
    "test_user_options_set_from_form_no_regex": _PROFILES,
    "test_kubespawner_override": _PROFILES,
    "test_user_options_api": _PROFILES,
    "test_default_profile": _PROFILES,
    "test_spawn_start_profile_list_override_namespace": _PROFILES,
    "test_spawn_start_profile_callback_override_namespace": _PROFILES,
    "test_profile_missing_defaults_populated": _PROFILES,
    "test_find_slug": _PROFILES,
    "test_find_slug_exception": _PROFILES,
    "test_unlisted_choice_non_string_override": _PROFILES,
    "test_empty_user_options_and_profile_options_api": _PROFILES,
    "test_profile_slug_and_option_slug_mixup": _PROFILES,
    "test_spawn_progress": "what is told of a pending start is in words of ours, in place of KubeSpawner's raw events",
}
"""Test → why it does not hold for our class."""


class Undecided(ProfileSpawnerMixin):
    """Stands behind our class and before KubeSpawner: starts without a profile."""

    async def start(self) -> Any:
        """Go on to KubeSpawner's own start."""
        return await super(ProfileSpawnerMixin, self).start()


class Ours(KubernetesProfileSpawner, Undecided):
    """Our class, with nothing decided."""


class InternalSslApp(JupyterHub):
    """Makes certificates outside of a running loop, as the tests do; JupyterHub 6.1 wants one."""

    def init_internal_ssl(self) -> None:
        """Make them inside of one."""

        async def make() -> None:
            super(InternalSslApp, self).init_internal_ssl()

        loop = asyncio.new_event_loop()  # asyncio.run() would take the tests' own loop away
        try:
            loop.run_until_complete(make())
        finally:
            loop.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the options of this plugin."""
    group = parser.getgroup("allotment")
    group.addoption("--stock", action="store_true", help="run with KubeSpawner's own class")
    group.addoption("--all-images", metavar="NAME", default="", help="run this image in every pod")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Put our class in the place of KubeSpawner's, and a loaded image in the place of those that are pulled."""
    options = early_config.known_args_namespace
    if not options.stock:
        kubespawner.KubeSpawner = kubespawner.spawner.KubeSpawner = Ours
    jupyterhub.app.JupyterHub = InternalSslApp
    if options.all_images:
        _replace_images(options.all_images)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Ask a session that just started more often than KubeSpawner's three times: a slow machine needs a minute."""
    theirs: Any = sys.modules.get("conftest")
    once = getattr(theirs, "_exec_python_in_pod", None)
    if once is None:
        return

    async def patiently(*arguments: Any, _retries: int = 0, **options: Any) -> Any:
        for _ in range(_ASKED if _retries else 0):
            try:
                return await once(*arguments, **options)
            except theirs.ExecError:
                await asyncio.sleep(1)
        return await once(*arguments, **options)

    theirs._exec_python_in_pod = patiently


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not for our class, with the reason."""
    for item in items:
        reason = LEFT_OUT.get(getattr(item, "originalname", item.name))
        if reason and not config.getoption("--stock"):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(trylast=True)
def pytest_report_header(config: pytest.Config) -> str:
    """Say which class runs."""
    return f"spawner: {kubespawner.KubeSpawner.__module__}.{kubespawner.KubeSpawner.__qualname__}"


def _replace_images(image: str) -> None:
    create = CoreV1Api.create_namespaced_pod

    def with_our_image(self: CoreV1Api, namespace: str, body: Any, **options: Any) -> Any:
        for container in _containers(body):
            if isinstance(container, dict):
                container["image"] = image
            else:
                container.image = image
        return create(self, namespace, body, **options)

    CoreV1Api.create_namespaced_pod = with_our_image


def _containers(pod: Any) -> Iterator[Any]:
    yield from pod.spec.containers or ()
    yield from pod.spec.init_containers or ()
