"""The programs of the collection are run by tests, not collected as tests."""

import gc

import pytest
from torch.nn.modules import module

collect_ignore = ["programs"]


@pytest.fixture(autouse=True)
def no_hook_is_left():
    """A run that a test drops is forgotten; else it would listen to the modules of the tests after it."""
    before = _hooks()
    yield
    gc.collect()
    assert _hooks() <= before


def _hooks():
    """The keys of all hooks on all modules, as torch looks for them."""
    return {
        (name, key)
        for name in vars(module)
        if name.startswith("_global_") and "hooks" in name
        for key in getattr(module, name)
    }
