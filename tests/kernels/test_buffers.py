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
    assert LARGE.numel() * 4 <= buffers.kept() <= LARGE.numel() * 4.5
    assert buffers.gradient_like(LARGE[:-1]).data_ptr() == address, "nearly the same size"


def test_never_twice_at_a_time():
    one, other = buffers.gradient_like(LARGE), buffers.gradient_like(LARGE)
    one.fill_(1.0)
    other.fill_(2.0)
    assert float(one.min()) == 1.0


def test_bounded(monkeypatch):
    some = [buffers.gradient_like(LARGE) for _ in range(3)]
    monkeypatch.setattr(buffers, "KEPT", LARGE.numel() * 10)
    del some
    assert buffers.kept() <= buffers.KEPT < 3 * LARGE.numel() * 4


def test_what_is_no_longer_asked_for_goes_first(monkeypatch):
    large = buffers.gradient_like(LARGE)
    larger = buffers.gradient_like(torch.empty(2 * LARGE.numel()))
    monkeypatch.setattr(buffers, "KEPT", LARGE.numel() * 9)
    address = larger.data_ptr()
    del large, larger
    assert buffers.gradient_like(torch.empty(2 * LARGE.numel())).data_ptr() == address


def test_small_ones_are_ordinary():
    x = torch.empty(1000)
    gradient = buffers.gradient_like(x)
    del gradient
    assert buffers.kept() == 0
