"""An object store for the tests that need one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from simulators.object_store import ENVIRONMENT, ObjectStore, moto_python


@pytest.fixture(scope="session")
def running_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """moto's S3 server."""
    python = moto_python()
    if python is None:
        pytest.skip("needs an environment with moto[s3,server]; EDGEKD_MOTO_PYTHON names its python")
    store = ObjectStore(python, tmp_path_factory.mktemp("moto") / "log")
    store.make_bucket("cameras")
    yield store
    store.close()


@pytest.fixture
def store(running_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """A store that does not fail yet, and the environment in which pyarrow finds it."""
    for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": running_store.endpoint}.items():
        monkeypatch.setenv(name, value)
    yield running_store
    running_store.fail, running_store.delay_s = lambda method, path, number: 0, 0.0
