"""What tests of several commands share."""

import pytest

from inception_jax import models
from tests.fake_network import FakeNetwork


@pytest.fixture(scope="module")
def fake_networks():
    """Every network is the fake one, of any number of classes and without an auxiliary head."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "create", lambda *_, num_classes=10, **__: FakeNetwork(num_classes, aux=False))
        yield
