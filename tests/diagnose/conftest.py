"""The programs of the collection are run by tests, not collected as tests."""

import pytest
from torch.nn.modules import module

collect_ignore = ["programs"]


@pytest.fixture(autouse=True)
def no_hook_is_left():
    """A watch that a test did not end would listen to the modules of the tests after it."""
    yield
    module._global_forward_hooks.clear()
    module._global_forward_hooks_with_kwargs.clear()
