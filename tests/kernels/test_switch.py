"""Turning kernels on and off, what is said about it, and what happens where they can't be compiled."""

import json
import logging
import subprocess
import sys

import pytest
import torch

import lossary
from lossary.kernels import compiled, dispatch, enabled, status

SCRIPT = """
import torch, lossary
x = torch.zeros(100_000, requires_grad=True)
print("Fused" in type(lossary.mse_loss(x, torch.ones(100_000)).grad_fn).__name__, lossary.kernels.status().reason)
"""


def fused(n=100_000):
    x = torch.zeros(n, requires_grad=True)
    return "Fused" in type(lossary.mse_loss(x, torch.ones(n)).grad_fn).__name__


def test_from_which_size_on():
    with enabled():
        assert fused(1 << 16) and not fused((1 << 16) - 1)
        with enabled(smallest=100):
            assert fused(100) and not fused(99)
        with enabled(False):
            assert not fused()
        assert fused()


@pytest.mark.parametrize(("setting", "words"), [("0", "False turned off"), ("1", "True used for")])
def test_the_environment_decides(setting, words):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, env={"LOSSARY_KERNELS": setting}, check=True
    )
    assert done.stdout.startswith(words)


def test_without_numba(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with enabled():
        assert not fused()
        assert not status().active and "pip install" in status().reason


def test_a_kernel_that_does_not_compile(monkeypatch):
    """It is said once, and the loss is computed all the same."""

    def refuse(*arguments):
        raise dispatch.CompilationError("mse_loss: no such luck")

    monkeypatch.setattr(compiled.Loop, "__call__", refuse)
    monkeypatch.setattr(dispatch, "FAILED", {})
    with enabled():
        with pytest.warns(RuntimeWarning, match="no such luck"):
            assert not fused()
        assert not fused()
    assert dispatch.FAILED == {"mse_loss": "mse_loss: no such luck"}


def test_the_cost_of_the_first_call_is_told_once(monkeypatch, caplog):
    monkeypatch.setattr(compiled, "_told", False)
    with caplog.at_level(logging.WARNING, "lossary.kernels"):
        compiled._tell("mse_loss", 1.2)
        compiled._tell("l1_loss", 1.2)
    assert len(caplog.records) == 1 and "1.2 s" in caplog.text


def test_info():
    for arguments in ([], ["--json"]):
        done = subprocess.run(
            [sys.executable, "-m", "lossary", "info", *arguments], capture_output=True, text=True, check=True
        )
    found = json.loads(done.stdout)
    assert found["active"] and found["versions"]["torch"] == torch.__version__ and "mse_loss" in found["losses"]
