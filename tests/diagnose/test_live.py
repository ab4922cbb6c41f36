"""Findings while the run goes on: told once, at the right batch, and without a trace in the run."""

import pytest
import torch

from lossary.diagnosis import CAUSES, Cause, Run
from lossary.diagnosis.causes import Evidence
from lossary.diagnosis.live import Live


def training(lines, batches=70, *, step=True, spoiled=None, live=True):
    """Train under a live look; inputs are NaN from the batch ``spoiled`` on. The losses, as they were."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Dropout(0.1), torch.nn.Linear(8, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    run, look = Run(probes=False), Live(lines.append)
    run.on_start(model, torch.nn.functional.mse_loss, optimizer)
    losses = []
    for number in range(batches):
        if live:
            run._settle()
            look(run.record)
        x = torch.randn(16, 4) * (float("nan") if spoiled is not None and number >= spoiled else 1.0)
        y = x.sum(1, keepdim=True)
        output = model(x)
        loss = torch.nn.functional.mse_loss(output, y)
        run.on_batch((x, y), output, loss)
        optimizer.zero_grad()
        loss.backward()
        if step:
            optimizer.step()
        run.on_step_end(number, 0, model, optimizer)
        losses.append(loss.item())
    run.on_end()
    return losses


def test_a_cause_is_told_once_with_its_remedy():
    lines = []
    training(lines, step=False)
    assert len(lines) == 1, "though it is looked for at batches 4, 16 and 64"
    for words in ("missing_step", "98% sure at batch 4", "no optimizer took a step", "optimizer.step()"):
        assert words in lines[0]
    assert "\n" not in lines[0]


def made_up(name, at, explains=()):
    """A cause that is sure after so many batches only."""
    return Cause(
        name=name, group="loop", title=name, remedy="", confirm="", source="", explains=explains, live=True,
        rule=lambda seen: Evidence(0.95, name) if len(seen.moments) == at else None,
    )  # fmt: skip


def test_what_follows_from_a_told_cause_is_not_told(monkeypatch):
    monkeypatch.setitem(CAUSES, "root", made_up("root", 4, ("leaf",)))
    monkeypatch.setitem(CAUSES, "leaf", made_up("leaf", 16))
    monkeypatch.setitem(CAUSES, "other", made_up("other", 16))
    lines = []
    training(lines)
    assert [line.split()[1] for line in lines] == ["root", "other"]


def test_inputs_that_turn_bad_are_told_as_that():
    """And not as what follows from them: every loss is NaN, too."""
    lines = []
    training(lines, spoiled=10)
    assert [line.partition(" (")[2].partition(",")[0] for line in lines] == ["nan_inputs"]
    assert "at batch 16" in lines[0]


def test_a_sound_run_is_not_disturbed_in_words_or_numbers():
    lines = []
    assert training(lines) == training([], live=False)
    assert lines == []


@pytest.mark.parametrize(("seen", "looks"), [(range(1025), [4, 16, 64, 256, 1024]), ([0, 20, 21, 63, 64], [20, 64])])
def test_it_looks_less_and_less_often(seen, looks, monkeypatch):
    """Also where batches are gone by between two calls."""
    live, looked = Live(lambda line: None), []
    monkeypatch.setattr(live, "_sure", lambda record: looked.append(len(record.moments)) or [])
    for batches in seen:
        record = Run().record
        record.moments = [None] * batches
        live(record)
    assert looked == looks


def test_lines_go_to_standard_error(capsys):
    Live()._sink("a finding")
    assert capsys.readouterr() == ("", "a finding\n")
