"""The command line: what it prints, what it writes, how it fails, and that a killed run goes on."""

import contextlib
import csv
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import unittest.mock

import pytest

from lossary import catalogue
from lossary.cli import main

QUICK = ["--repeats", "1", "--folds", "3", "--budget", "2", "--epochs", "4"]


def lossary(*arguments, cwd, check=None, own_process=False):
    """Run the command; in this process unless said otherwise, for starting Python and torch takes seconds."""
    command = ["lossary", *map(str, arguments)]
    if own_process:
        done = subprocess.run(
            [sys.executable, "-m", *command], capture_output=True, text=True, cwd=cwd, timeout=300, check=False
        )
    else:
        done = _here(command, cwd)
    if check is not None:
        assert done.returncode == check, done.stderr
    return done


def _here(command, cwd):
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        unittest.mock.patch.object(sys, "argv", command),
        unittest.mock.patch.object(sys, "path", ["", *sys.path]),
    ):
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
    return subprocess.CompletedProcess(command, code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """One real comparison, looked at by several tests."""
    folder = tmp_path_factory.mktemp("run")
    losses = ["--losses", "cross_entropy,nll,softmax_focal"]
    done = lossary("compare", "iris", *QUICK, *losses, cwd=folder, check=0, own_process=True)
    return folder, done


def test_compare_prints_the_verdict_and_writes_the_report(run):
    folder, done = run
    report = folder / "lossary-report" / "iris"
    assert {path.name for path in report.iterdir()} >= {"report.html", "result.json", "trials.csv", "trials.sqlite"}
    result = json.loads((report / "result.json").read_text())
    assert result["verdict"]["headline"] in " ".join(done.stdout.split())
    assert "report.html" in done.stdout
    assert "\x1b[" not in done.stdout + done.stderr, "plain when piped"
    with (report / "trials.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 3 * 3 * 2
    assert "lossary compare iris" in result["environment"]["command"]


def test_the_same_command_again_trains_nothing(run):
    folder, _ = run
    done = lossary(
        "compare", "iris", *QUICK, "--losses", "cross_entropy,nll,softmax_focal", "--json", cwd=folder, check=0
    )
    assert json.loads(done.stdout)["new_trials"] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.csv", "--target", "y"], "nowhere.csv"),
        (["data.csv", "--target", "prise"], "price"),
        (["data.csv"], "target"),
        (["data.csv", "--target", "same"], "same"),
        (["data.csv", "--target", "price", "--losses", "hubber,mse"], "did you mean huber"),
        (["data.csv", "--target", "price", "--losses", "huber:delta=0,mse"], "`delta` must be a number above 0"),
        (["data.csv", "--target", "price", "--folds", "1"], "`folds` must be at least 2"),
        (["data.csv", "--target", "price", "--folds", "50"], "50"),
        (["data.csv", "--target", "price", "--metric", "auroc"], "`metric` must be one of"),
        (["data.csv", "--target", "price", "--model", "nowhere:f"], "`--model` must name something"),
        (["data.csv", "--target", "price", "--out", "data.csv"], "`--out` must be a folder"),
        (["data.csv", "--target", "price", "--language", "fr"], "`--language` must be en or zh"),
        (["empty.csv", "--target", "y"], "empty"),
        (["hole.csv", "--target", "y"], "hole"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence_and_exit_code_2(arguments, words, tmp_path):
    rows = [f"{i},{i % 7},{i * 1.5},1" for i in range(40)]
    (tmp_path / "data.csv").write_text("\n".join(["a,b,price,same", *rows]))
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "hole.csv").write_text("\n".join(["hole,x,y", *[f",{i},{i * 2.5}" for i in range(40)]]))
    before = {path.name for path in tmp_path.iterdir()}
    done = lossary("compare", *arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and words in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == before, "nothing half-written is left behind"


def test_a_model_from_a_file(tmp_path):
    (tmp_path / "net.py").write_text(
        "import torch\ndef make(inputs, outputs):\n    return torch.nn.Linear(inputs, outputs)\n"
    )
    lossary("compare", "iris", *QUICK, "--model", "net.py:make", "--out", "r", cwd=tmp_path, check=0)
    assert "net:make" in json.loads((tmp_path / "r" / "result.json").read_text())["environment"]["model"]


def test_a_killed_run_goes_on_where_it_stopped(tmp_path):
    """kill -9 in the middle; the same command then trains exactly what is missing."""
    arguments = ["compare", "diabetes", "--repeats", "1", "--folds", "5", "--epochs", "60", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "lossary", *arguments],
        cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    ledger = tmp_path / "lossary-report" / "diabetes" / "trials.sqlite"
    deadline = time.monotonic() + 120
    while count(ledger) < 5 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = count(ledger)
    assert kept >= 5
    done = lossary(*arguments, cwd=tmp_path, check=0)
    result = json.loads(done.stdout)
    total = len(result["trials"])
    assert total == 4 * 5 * 8
    assert result["new_trials"] == total - kept > 0
    assert count(ledger) == total


def count(ledger):
    if not ledger.exists():
        return 0
    try:
        with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=5) as connection:
            return connection.execute("SELECT count(*) FROM trials").fetchone()[0]
    except sqlite3.OperationalError:  # not set up yet
        return 0


def test_list_and_show(tmp_path):
    listed = json.loads(lossary("list", "--json", cwd=tmp_path, check=0).stdout)
    assert {entry["name"] for entry in listed} == {d.name for d in catalogue.find()}
    shown = lossary("show", "MAE", cwd=tmp_path, check=0).stdout
    assert "l1_loss" in shown and "Laplace" in shown
    assert lossary("show", "hubber", cwd=tmp_path).returncode == 2
    assert "regression" in lossary("list", "--task", "cooking", cwd=tmp_path, check=2).stderr


def test_list_and_show_write_what_they_print(tmp_path):
    for arguments in (["list", "--task", "regression"], ["show", "huber"]):
        printed = lossary(*arguments, "--json", "--out", arguments[0], cwd=tmp_path, check=0).stdout
        assert json.loads((tmp_path / arguments[0] / "result.json").read_text()) == json.loads(printed)
        refused = lossary(*arguments, "--out", f"{arguments[0]}/result.json", cwd=tmp_path, check=2).stderr
        assert refused.startswith(f"lossary {arguments[0]}: `--out` must be a folder")


def test_every_verb_takes_json_and_out():
    from typer.main import get_command

    from lossary.cli import app

    for name, verb in get_command(app).commands.items():
        assert {"--json", "--out"} <= {option for parameter in verb.params for option in parameter.opts}, name


def test_help_and_version(tmp_path):
    assert "compare" in lossary("--help", cwd=tmp_path, check=0).stdout
    assert lossary("--version", cwd=tmp_path, check=0).stdout.strip()


MINE = """
import torch

def naive(probs, target):
    return -(target * probs.log() + (1 - target) * (1 - probs).log()).mean()

def draw(generator):
    return torch.rand(6, generator=generator), torch.randint(2, (6,), generator=generator).float()

TOLD = {"example": draw, "claims": {"finite", "permutation"}}
"""


def test_check_finds_a_fault_in_a_file_and_writes_its_report(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    told = ["--input", "Probability n", "--input", "Binary n", "--claims", "finite", "--out", "out"]
    done = lossary("check", "mine.py:naive", *told, cwd=tmp_path, check=1)
    assert "does not keep its word: finite" in done.stdout and "torch.tensor" in done.stdout
    assert (tmp_path / "out" / "report.html").exists()
    found = json.loads((tmp_path / "out" / "result.json").read_text())["findings"][0]
    assert found["claim"] == "finite" and found["verdict"] == "refuted"


def test_check_takes_examples_dictionaries_and_names(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    for words in (["--example", "mine.py:draw"], ["--told", "mine.py:TOLD"]):
        done = lossary("check", "mine.py:naive", *words, "--json", cwd=tmp_path, check=1)
        report = json.loads(done.stdout)
        assert "finite" in {f["claim"] for f in report["findings"] if f["verdict"] == "refuted"}
        assert "Probability" in report["taken_for"][0]
    assert "nothing refuted" in lossary("check", "huber", cwd=tmp_path, check=0).stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mine.py:naive"], "`inputs` or `example` must say"),
        (["mine.py:nothing", "--input", "Real n"], "check: the loss must name something"),
        (["mine.py:naive", "--input", "Reel n"], "`--input` must begin with"),
        (["mine.py:naive", "--input", "Real n", "--claims", "fast"], "'fast'"),
        (["hubber"], "did you mean huber"),
    ],
)
def test_check_refuses_nonsense(arguments, words, tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    done = lossary("check", *arguments, cwd=tmp_path, check=2)
    assert words in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_recommend_says_which_loss_and_why(tmp_path):
    done = lossary("recommend", "breast_cancer", "--goal", "probabilities", "--out", "out", cwd=tmp_path, check=0)
    assert "bce_with_logits" in done.stdout.splitlines()[0] and "probabilities" in done.stdout
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert result["ranking"][0]["loss"].startswith("bce_with_logits") and result["profile"]["kind"] == "binary"
    explained = lossary("recommend", "breast_cancer", "--explain", cwd=tmp_path, check=0).stdout
    assert len(explained) > len(done.stdout)
    for arguments, words in ((["nowhere.csv"], "nowhere.csv"), (["iris", "--goal", "fame"], "fame")):
        refused = lossary("recommend", *arguments, cwd=tmp_path, check=2)
        assert refused.stderr.startswith("lossary recommend:") and words in refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1


def test_recommend_takes_structured_targets(tmp_path):
    import numpy as np

    rng = np.random.default_rng(0)
    rows = [f"{i},{rng.integers(1, 50)},{i % 2},{i % 6},{rng.integers(0, 3)}" for i in range(60)]
    (tmp_path / "table.csv").write_text("\n".join(["x,time,event,query,grade", *rows]))
    masks = (rng.random((4, 8, 8)) > 0.8).astype(int)
    np.savez(tmp_path / "images.npz", X=rng.random((4, 1, 8, 8)), y=masks)
    np.savez(tmp_path / "lists.npz", X=rng.random((60, 2)), grade=np.arange(60) % 3, query=np.arange(60) // 6)
    for arguments, kind in [
        (["table.csv", "--target", "time,event", "--task", "survival"], "censored"),
        (["table.csv", "--target", "grade", "--group", "query"], "lists"),
        (["lists.npz", "--target", "grade", "--group", "query"], "lists"),
        (["images.npz"], "mask"),
    ]:
        result = json.loads(lossary("recommend", *arguments, "--json", cwd=tmp_path, check=0).stdout)
        assert result["profile"]["kind"] == kind
    for arguments, words in [
        (["table.csv", "--target", "time,x", "--task", "survival"], "must hold the event"),
        (["table.csv", "--target", "grade", "--group", "quary"], "'query'"),
        (["table.csv", "--target", "grade", "--task", "ranking"], "`group` must say"),
    ]:
        refused = lossary("recommend", *arguments, cwd=tmp_path, check=2).stderr
        assert refused.startswith("lossary recommend:") and words in refused and len(refused.splitlines()) == 1


def test_compare_takes_what_is_recommended(tmp_path):
    lossary("compare", "iris", *QUICK, "--losses", "recommended", "--out", "r", cwd=tmp_path, check=0)
    entries = json.loads((tmp_path / "r" / "result.json").read_text())["entries"]
    assert len(entries) >= 2
