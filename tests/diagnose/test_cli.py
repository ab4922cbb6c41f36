"""The command line of diagnose, as far as it needs no script; with scripts: ``test_script.py``."""

import json
import sys

import pytest
from typer.testing import CliRunner

from lossary.cli import app
from lossary.diagnosis import CAUSES


def invoked(*arguments):
    done = CliRunner().invoke(app, ["diagnose", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_list_names_every_cause():
    lines = invoked("--list").splitlines()
    for cause in CAUSES.values():
        assert any(line.startswith(f"{cause.name} ") for line in lines), cause.name
    assert "the optimizer never steps" in " ".join(invoked("--list").split())


def test_causes_as_json():
    rows = json.loads(invoked("--list", "--json"))
    assert {row["name"] for row in rows} == set(CAUSES)
    assert all(row["title"] and row["remedy"] and row["confirm"] and row["source"] for row in rows)
    assert json.loads(invoked("--json", "--explain", "dead_relu")) == next(r for r in rows if r["name"] == "dead_relu")


def test_explain_shows_one():
    text = invoked("--explain", "missing_step")
    cause = CAUSES["missing_step"]
    assert text.startswith("The optimizer never steps (missing_step)")
    assert cause.remedy in text and cause.source in text and "parameters_not_in_optimizer" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.py"], "`script` must be a Python file, got 'nowhere.py'"),
        ([], "`script` must be a Python file, got ''"),
        (["--explain", "missing_steps"], "did you mean 'missing_step'?"),
        (["--seconds", "0", "train.py"], "`--seconds` must be positive, got 0"),
        (["--language", "fr", "train.py"], "`--language` must be en or zh, got 'fr'"),
        (["--report", ".", "train.py"], "`--report` must be a file"),
        (["--report", "train.py/page.html", "train.py"], "`--report` must be in a folder that can be written"),
        (["--out", "train.py", "train.py"], "`--out` must be a folder that can be written"),
    ],
)
def test_nonsense_is_refused_before_the_script_runs(arguments, words, tmp_path, monkeypatch, capsys):
    from lossary import cli

    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text("print('it ran')")
    monkeypatch.setattr(sys, "argv", ["lossary", "diagnose", *arguments])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    shown = capsys.readouterr()
    assert stopped.value.code == 2 and shown.out == ""
    assert shown.err.startswith("lossary diagnose: ") and words in shown.err and shown.err.count("\n") == 1


def test_an_option_that_is_none_of_ours_is_refused_before_the_script(tmp_path):
    (tmp_path / "train.py").write_text("print('it ran')")
    done = CliRunner().invoke(app, ["diagnose", "--jsn", str(tmp_path / "train.py")])
    assert done.exit_code == 2 and "it ran" not in done.output and "No such option" in done.output


def test_a_script_that_trains_nothing(tmp_path):
    (tmp_path / "train.py").write_text("print('it ran')")
    done = CliRunner().invoke(app, ["diagnose", str(tmp_path / "train.py")])
    assert (done.stdout, done.exit_code) == ("it ran\n", 0)
    assert "No loss was seen: nothing can be said." in done.stderr and "\x1b" not in done.stderr
