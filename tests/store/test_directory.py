"""The directory in the store: a SCIM storage by the library's own contract, and the roster that is made of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from scim2_models import ScimProvider
from scim2_server.storage import ScimStorage
from scim2_server.testing import ScimStorageContract
from sqlalchemy import Engine

from kgate.store.scim import PROVIDER, DirectoryStorage


class TestTheStorage(ScimStorageContract):
    @pytest.fixture
    def provider(self) -> ScimProvider:
        return PROVIDER

    @pytest.fixture
    def storage(self, engine: Engine) -> Iterator[ScimStorage]:
        ids = itertools.count(1)
        with engine.begin() as connection:
            yield DirectoryStorage(connection, 1_790_000_000.0, lambda: f"id-{next(ids):08d}")
