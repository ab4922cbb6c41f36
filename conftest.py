"""Settings of all tests and of the examples in docstrings."""

import pytest
import torch

torch.set_num_threads(1)  # the workers share the cores


@pytest.fixture(autouse=True)
def _torch_in_examples(doctest_namespace):
    doctest_namespace["torch"] = torch
