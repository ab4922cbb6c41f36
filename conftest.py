"""Settings of all tests and of the examples in docstrings."""

import pytest
import torch

collect_ignore_glob = ["tests/oracles/record*.py", "tests/typing/*.py"]  # scripts, which have no examples to run

torch.set_num_threads(1)  # the workers share the cores


@pytest.fixture(autouse=True)
def _torch_in_examples(doctest_namespace):
    doctest_namespace["torch"] = torch
