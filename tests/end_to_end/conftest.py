"""One whole Allotment for the tests that change nothing which another test relies on."""

from collections.abc import Iterator

import pytest
from support.deployment import Deployment, Person


@pytest.fixture(scope="session")
def allotment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment under a base URL, from the starter."""
    with Deployment(tmp_path_factory.mktemp("allotment") / "state", base_url="/plot/").started() as deployment:
        yield deployment


@pytest.fixture(scope="module")
def analyst(allotment: Deployment) -> Person:
    return allotment.sign_in("analyst")


@pytest.fixture(scope="module")
def lead(allotment: Deployment) -> Person:
    return allotment.sign_in("lead")


@pytest.fixture(scope="module")
def admin(allotment: Deployment) -> Person:
    return allotment.sign_in("admin")
