"""A script under ``lossary diagnose`` does what it does under ``python``: output, exit code, random numbers."""

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest

from lossary.core import LossInputError
from lossary.diagnosis import Run
from lossary.diagnosis.script import diagnose_script, watch_script

TRAINING = """
import random, sys
import numpy as np
import torch
from torch import nn

torch.set_num_threads(1)
random.seed(1)
np.random.seed(2)
torch.manual_seed(3)
X = torch.randn(96, 5)
y = X.sum(1, keepdim=True)
model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(X, y), batch_size=16, shuffle=True)
for epoch in range(4):
    for x, target in loader:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), target)
        loss.backward()
        optimizer.step()
    print(epoch, repr(loss.item()))
print(torch.rand(2).tolist(), random.random(), np.random.rand(), sys.argv[1:], __name__, __file__)
"""
ENDINGS = {
    "returns": "",
    "raises": "def check(loss):\n    raise ArithmeticError(f'loss {loss:.3f}')\ncheck(0.5)\n",
    "exits": "sys.exit(3)\n",
}


def python(*arguments, cwd):
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=300, env=environment
    )


def script(folder, text):
    (folder / "train.py").write_text(text)
    return folder / "train.py"


def watched(path, *arguments):
    """Run in this process, probes off: what it printed, on both ways, and what came back."""
    out, err = io.StringIO(), io.StringIO()
    run = Run(probes=False)
    with redirect_stdout(out), redirect_stderr(err):
        code, error = watch_script(path, arguments, run)
    return out.getvalue(), err.getvalue(), code, error, run


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_script_is_untouched(ending, tmp_path):
    """Line for line what python prints, the traceback too, and the same exit code."""
    path = script(tmp_path, TRAINING + ENDINGS[ending])
    plain = python(path, "--lr", "0.1", cwd=tmp_path)
    out, err, code, _, run = watched(path, "--lr", "0.1")
    assert out == plain.stdout and "['--lr', '0.1'] __main__" in out
    assert err == plain.stderr and ("ArithmeticError: loss 0.500" in err) == (ending == "raises")
    assert code == plain.returncode == {"returns": 0, "raises": 1, "exits": 3}[ending]
    assert len(run.record.moments) == 24


def test_options_after_the_script_are_its_own_and_the_diagnosis_goes_to_stderr(tmp_path):
    script(tmp_path, TRAINING + ENDINGS["exits"])
    options = ["--json", "--help", "-v", "--", "x"]
    done = python("-m", "lossary", "diagnose", "--no-probes", "train.py", *options, cwd=tmp_path)
    assert done.stdout.splitlines()[-1].endswith(f"{options} __main__ {tmp_path / 'train.py'}")
    assert done.returncode == 3 and "lossary" not in done.stdout
    assert done.stderr.startswith("lossary diagnose ---") and "24, 24 steps" in done.stderr


def test_words_at_the_exit_are_printed_and_mean_failure(tmp_path):
    _, err, code, error, _ = watched(script(tmp_path, "raise SystemExit('no data')"))
    assert (err, code, error) == ("no data\n", 1, None)


def test_nothing_at_the_exit_is_success(tmp_path):
    assert watched(script(tmp_path, "import sys; sys.exit()"))[1:4] == ("", 0, None)


def test_an_interrupt_ends_the_script_alone(tmp_path):
    _, err, code, error, run = watched(script(tmp_path, TRAINING + "raise KeyboardInterrupt"))
    assert code == 130 and isinstance(error, KeyboardInterrupt) and err.rstrip().endswith("KeyboardInterrupt")
    assert len(run.record.moments) == 24


def test_the_script_s_own_hook_for_exceptions_is_called(tmp_path):
    before = sys.excepthook
    text = "import sys\nsys.excepthook = lambda kind, error, trace: print('mine', error)\n1 / 0\n"
    out, err, code, _, _ = watched(script(tmp_path, text))
    assert (out, err, code) == ("mine division by zero\n", "", 1)
    assert sys.excepthook is before


def test_no_other_hook_is_called(tmp_path, monkeypatch):
    """As the one that the command line's library sets."""
    monkeypatch.setattr(sys, "excepthook", lambda *raised: print("not the script's"))
    out, err, _, _, _ = watched(script(tmp_path, "1 / 0"))
    assert out == "" and err.endswith("ZeroDivisionError: division by zero\n")


def test_a_traceback_has_no_frame_of_the_watching(tmp_path):
    """An error inside a function that is listened to, and the error before it."""
    text = """
import torch
try:
    torch.nn.functional.mse_loss(torch.zeros(2), "text")
except Exception as error:
    raise RuntimeError("wrapped") from error
"""
    _, err, _, _, _ = watched(script(tmp_path, text))
    assert "wrapped" in err and "mse_loss" in err
    assert "diagnosis" not in err


def test_syntax_errors_look_as_they_do(tmp_path):
    path = script(tmp_path, "a = = 1\n")
    assert watched(path)[1] == python(path, cwd=tmp_path).stderr


def test_annotations_of_the_script_are_its_own(tmp_path):
    """Nothing of the future that the library asks for holds in the script."""
    out, _, _, _, _ = watched(script(tmp_path, "def f(x: int): ...\nprint(f.__annotations__['x'] is int)"))
    assert out == "True\n"


def test_everything_is_put_back(tmp_path):
    import torch

    before = sys.argv, sys.path[:], sys.modules["__main__"], torch.nn.functional.mse_loss, torch.Tensor.backward
    watched(script(tmp_path, TRAINING + "sys.path.append('nowhere'); sys.argv.append('x')"), "a")
    assert before == (
        sys.argv, sys.path[:], sys.modules["__main__"], torch.nn.functional.mse_loss, torch.Tensor.backward,
    )  # fmt: skip


def test_modules_beside_the_script_are_found(tmp_path):
    (tmp_path / "beside_the_script.py").write_text("VALUE = 5")
    out, _, code, _, _ = watched(script(tmp_path, "import beside_the_script; print(beside_the_script.VALUE)"))
    assert (out, code) == ("5\n", 0)


def test_json_alone_is_on_stdout_and_files_are_written(tmp_path):
    """What the script prints goes to stderr: from Python, from another process, and from the file descriptor."""
    text = "import os, subprocess\nprint('from python', flush=True)\nos.write(1, b'from below\\n')\n"
    script(tmp_path, text + "subprocess.run(['echo', 'from another'])\n" + TRAINING + "sys.exit(4)")
    done = python("-m", "lossary", "diagnose", "--no-probes", "--json", "--out", "r", "--report", "d/page.html",
                  "--language", "zh", "train.py", cwd=tmp_path)  # fmt: skip
    result = json.loads(done.stdout)
    assert result["looked_at"]["batches"] == 24 and result["looked_at"]["loss"] == "mse"
    assert done.returncode == 4
    for words in ("from python", "from below", "from another", "__main__"):
        assert words in done.stderr
    assert json.loads((tmp_path / "r" / "diagnosis.json").read_text()) == result
    assert 'lang="zh-Hans"' in (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    assert (tmp_path / "d" / "page.html").read_text(encoding="utf-8") == (tmp_path / "r" / "report.html").read_text(
        encoding="utf-8"
    )


def test_diagnose_script_gives_all_three(tmp_path, capsys):
    fault = TRAINING.replace("        optimizer.step()\n", "")
    found, code, error = diagnose_script(script(tmp_path, fault + "1 / 0"), probes=False)
    assert found.best.cause == "missing_step" and code == 1 and isinstance(error, ZeroDivisionError)
    assert "ZeroDivisionError: division by zero" in capsys.readouterr().err


def test_no_such_file():
    with pytest.raises(LossInputError, match=r"diagnose: `script` must be a Python file, got 'nowhere\.py'\."):
        watch_script("nowhere.py", (), Run())
