"""Large gradients come from memory that is used again, small ones don't."""

import gc

import pytest
import torch

from lossary.kernels import buffers, release

LARGE = torch.empty(buffers.LARGE // 4 + 5)


@pytest.fixture(autouse=True)
def empty():
    gc.collect()
    release()
    yield
    release()


def test_used_again():
    first = buffers.gradient_like(LARGE)
    address = first.data_ptr()
    assert first.shape == LARGE.shape and first.dtype == LARGE.dtype and first.is_contiguous()
    view = first[:10]
    del first
    assert buffers.kept() == 0, "a view still needs it"
    del view
    assert buffers.kept() == LARGE.numel() * 4
    assert buffers.gradient_like(LARGE).data_ptr() == address


def test_never_twice_at_a_time():
    one, other = buffers.gradient_like(LARGE), buffers.gradient_like(LARGE)
    one.fill_(1.0)
    other.fill_(2.0)
    assert float(one.min()) == 1.0


def test_bounded(monkeypatch):
    monkeypatch.setattr(buffers, "KEPT", LARGE.numel() * 4)
    some = [buffers.gradient_like(LARGE) for _ in range(3)]
    del some
    assert buffers.kept() == LARGE.numel() * 4


def test_small_ones_are_ordinary():
    x = torch.empty(1000)
    gradient = buffers.gradient_like(x)
    del gradient
    assert buffers.kept() == 0
