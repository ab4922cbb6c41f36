"""The programs of the collection are run by tests, not collected as tests."""

import gc

import pytest
from torch.nn.modules import module

collect_ignore = ["programs"]


@pytest.fixture(autouse=True)
def no_hook_is_left():
    """A run that a test drops is forgotten; else it would listen to the modules of the tests after it."""
    yield
    gc.collect()
    assert not module._has_any_global_hook()
