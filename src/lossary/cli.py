"""The command line: parses, calls, prints. It holds no logic of its own."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from lossary.core import LossError, LossInputError
from lossary.version import __version__

app = typer.Typer(
    name="lossary",
    help="Everything about a loss function, for PyTorch.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON and nothing else.")]
Out = Annotated[Path | None, typer.Option(help="Folder for result.json.")]


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


@app.command()
def compare(
    data: Annotated[
        str,
        typer.Argument(
            help="A CSV, TSV, Parquet or NPZ file, or a bundled set: breast_cancer, diabetes, digits, iris, wine."
        ),
    ],
    target: Annotated[
        str | None, typer.Option(help="Column to predict; several, separated by commas, for multi-label.")
    ] = None,
    losses: Annotated[
        str | None,
        typer.Option(help="Losses, separated by commas: huber,mse,quantile:q=0.9; or recommended. Else usual ones."),
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="regression, binary, multi-class, ordinal or multi-label; else inferred.")
    ] = None,
    metric: Annotated[str | None, typer.Option(help="Metric to stop, tune and rank by: rmse, auroc, ...")] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="package.module:factory or file.py:factory, called with the numbers of features and outputs."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the report.  [default: lossary-report/DATA]")] = None,
    repeats: Annotated[int, typer.Option(help="Repeats of the cross-validation.")] = 2,
    folds: Annotated[int, typer.Option(help="Folds of the cross-validation.")] = 5,
    budget: Annotated[int, typer.Option(help="Trainings of each loss on each split, for tuning.")] = 8,
    epochs: Annotated[int, typer.Option(help="Epochs of a training, at most.")] = 100,
    patience: Annotated[int, typer.Option(help="Epochs without improvement before it stops.")] = 15,
    batch_size: Annotated[int, typer.Option(help="Samples in a batch.")] = 32,
    seed: Annotated[int, typer.Option(help="Seed of splits, weights and batches.")] = 0,
    engine: Annotated[str | None, typer.Option(help="batched or sequential; else the faster one that fits.")] = None,
    language: Annotated[str, typer.Option(help="Language of the report: en or zh.")] = "en",
    json_output: Json = False,
) -> None:
    """Which loss is best for these data, by how much, and is it luck?

    Trains one model with each loss, fairly: the same splits, weights, batches and tuning budget. Writes report.html,
    result.json and trials.csv, and keeps every finished training in trials.sqlite, so that the same command goes on
    where a killed one stopped.
    """
    from lossary.comparison import Plan
    from lossary.comparison import compare as run
    from lossary.report import progress, show_comparison, write_comparison

    if language not in ("en", "zh"):
        raise LossInputError(f"compare: `--language` must be en or zh, got {language!r}.")
    plan = Plan(repeats=repeats, folds=folds, budget=budget, epochs=epochs, patience=patience, batch_size=batch_size,
                seed=seed)  # fmt: skip
    factory = None if model is None else _load(model, "compare: `--model`")
    folder = _writable(out or Path("lossary-report") / Path(data).stem, "compare")
    chosen = None if losses is None else losses.split(",")
    if losses == "recommended":
        advice = _recommendation(data, target, task, ())
        chosen, task = list(advice.losses), advice.comparison_task or task
    with progress(Console(stderr=True)) as report:
        result = run(
            data,
            target.split(",") if target and "," in target else target,
            losses=chosen,
            task=task,
            metric=metric,
            model=factory,
            plan=plan,
            engine=engine,
            ledger=folder / "trials.sqlite",
            command=shlex.join(["lossary", *sys.argv[1:]]),
            on_progress=report,
        )
    page = write_comparison(result, folder, language=language)
    if json_output:
        print(result.to_json())
        return
    console = Console()
    show_comparison(result, console)
    console.print(f"Report: {page}", soft_wrap=True, highlight=False)


@app.command()
def check(
    loss: Annotated[
        str, typer.Argument(help="package.module:Name or file.py:Name of a loss; or the name of a catalogued one.")
    ],
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", help="Domain and shape of an argument, once for each: --input 'Logit n c'."),
    ] = None,
    example: Annotated[
        str | None, typer.Option(help="file.py:name of example tensors, or of a function of a torch.Generator.")
    ] = None,
    perfect: Annotated[str | None, typer.Option(help="Likewise, with a perfect prediction.")] = None,
    task: Annotated[str | None, typer.Option(help="regression, segmentation, ...: implies claims.")] = None,
    claims: Annotated[
        str | None,
        typer.Option(help="Claims, separated by commas: finite,nonnegative,empty=zero. Usual ones where not given."),
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option(help="Range of a hyperparameter, or its values: gamma=0.5..5, mode=a,b.")
    ] = None,
    told: Annotated[
        str | None, typer.Option(help="file.py:name of a dictionary with any keywords of lossary.check.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of all draws.")] = 0,
    thorough: Annotated[bool, typer.Option("--thorough", help="Four times the draws; up to a minute.")] = False,
    ranks: Annotated[int | None, typer.Option(help="Processes to simulate for data parallelism.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds.  [default: 10, thorough 60]")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for report.html and result.json.")] = None,
    json_output: Json = False,
) -> None:
    """Does a loss keep its word? Searches for inputs at which it does not.

    Exit code 0: nothing refuted; 1: something was, shown with code to paste; 2: bad input.
    """
    from lossary.checks import check as examine
    from lossary.checks import check_contained, parse_told
    from lossary.report import progress, show_check, write_check

    folder = None if out is None else _writable(out, "check")
    found = _loss(loss)
    keywords = parse_told(inputs=inputs, claims=claims, params=param, task=task)
    for name, reference in (("example", example), ("perfect", perfect)):
        if reference is not None:
            keywords[name] = _load(reference, f"check: `--{name}`")
    if told is not None:
        keywords = {**_load(told, "check: `--told`"), **keywords}
    keywords |= {"seed": seed, "thorough": thorough, "ranks": ranks, "seconds": timeout}
    with progress(Console(stderr=True)) as on_progress:
        report = check_contained(
            lambda advance: examine(found, progress=advance, **keywords),
            name=loss, seconds=timeout or (60.0 if thorough else 10.0), on_progress=on_progress,
        )  # fmt: skip
    page = None if folder is None else write_check(report, folder)
    if json_output:
        print(report.to_json())
    else:
        console = Console()
        show_check(report, console)
        if page is not None:
            console.print(f"Report: {page}", soft_wrap=True, highlight=False)
    raise typer.Exit(0 if report.holds else 1)


@app.command()
def recommend(
    data: Annotated[str, typer.Argument(help="A CSV, TSV, Parquet or NPZ file, or a bundled set, as for compare.")],
    target: Annotated[
        str | None,
        typer.Option(
            help="Column to predict, or an array of an NPZ file; several columns, separated by commas, for labels, "
            "low,high, time,event, x1,y1,x2,y2, pairs, triplets, tokens."
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="What the target is, if its values don't tell: count, ordinal, interval, survival, segmentation, "
            "detection, pairs, triplets, metric-learning, sequences, ..."
        ),
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="For a target to rank: the column that says which list a grade belongs to.")
    ] = None,
    goal: Annotated[
        list[str] | None,
        typer.Option(help="What counts: median, quantile=0.9, probabilities, ranking, speed, ..."),
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show which rule went by which figure.")] = False,
    out: Out = None,
    json_output: Json = False,
) -> None:
    """Which loss fits these data, and why? Advice from figures; compare puts it to the trial."""
    from lossary.report import show_recommendation

    folder = None if out is None else _writable(out, "recommend")
    result = _recommendation(data, target, task, goal or (), group)
    if not _given_as_json(result.to_json(), folder, printed=json_output):
        show_recommendation(result, Console(), explain=explain)


@app.command(context_settings={"allow_interspersed_args": False})  # what follows the script is the script's
def diagnose(
    script: Annotated[str, typer.Argument(help="A Python script that trains; run as it is.", show_default=False)] = "",
    arguments: Annotated[list[str] | None, typer.Argument(help="The script's own arguments and options.")] = None,
    probes: Annotated[bool, typer.Option(help="Settle doubts by trials on a copy, after the script.")] = True,
    seconds: Annotated[float, typer.Option(help="What these may take together.")] = 10.0,
    report: Annotated[Path | None, typer.Option(help="HTML file for the report.")] = None,
    language: Annotated[str, typer.Option(help="Language of the report: en or zh.")] = "en",
    list_causes: Annotated[bool, typer.Option("--list", help="List all causes that are looked for.")] = False,
    explain: Annotated[str | None, typer.Option(help="Show one cause: how it is told, and what to change.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for diagnosis.json and report.html.")] = None,
    json_output: Json = False,
) -> None:
    """Why does my loss not fall? Runs a script, watches what it trains, and names causes with evidence and remedy.

    Options stand before the script; what follows it is its own. Its output, random numbers and exit code are unchanged.
    The diagnosis goes to standard error; with --json to standard output, and the script's output to standard error.
    """
    import lossary.report as rendering
    from lossary.diagnosis import Run
    from lossary.diagnosis.script import stdout_as_stderr, watch_script

    if list_causes or explain is not None:
        if not _given_as_json(rendering.causes_as_data(explain), None, printed=json_output):
            rendering.show_causes(Console()) if explain is None else rendering.show_cause(explain, Console())
        return
    if not seconds > 0:
        raise LossInputError(f"diagnose: `--seconds` must be positive, got {seconds:g}.")
    if language not in ("en", "zh"):
        raise LossInputError(f"diagnose: `--language` must be en or zh, got {language!r}.")
    if report is not None and report.is_dir():
        raise LossInputError(f"diagnose: `--report` must be a file, got the folder {str(report)!r}.")
    for path, option in ((out, "--out"), (report and report.parent, "--report")):
        if path is not None:
            _writable(path, "diagnose", option)
    run = Run(probes=probes, seconds=seconds, live=True)
    with stdout_as_stderr() if json_output else nullcontext():
        code, _ = watch_script(script, arguments or (), run)
        sys.stdout.flush()
        found = run.diagnose()
    console = Console(stderr=True)
    if json_output:
        print(found.to_json())
    else:
        console.rule("lossary diagnose", align="left", characters="-")
        rendering.show_diagnosis(found, console)
    name = Path(script).name
    pages = [] if out is None else [rendering.write_diagnosis(found, out, name=name, language=language)]
    if report is not None:
        html = rendering.diagnosis_page(found, name=name, language=language)
        pages.append(rendering.write_files(report.parent, {report.name: html}))
    for page in pages:
        console.print(f"Report: {page}", soft_wrap=True, highlight=False)
    raise typer.Exit(code)


@app.command("list")
def list_losses(
    task: Annotated[str | None, typer.Option(help="Only losses for this task.")] = None,
    out: Out = None,
    json_output: Json = False,
) -> None:
    """All losses, or those for one task."""
    from lossary.catalogue import find, to_dict
    from lossary.report import show_catalogue

    folder = None if out is None else _writable(out, "list")
    found = find(task=task)
    if not found:
        known = ", ".join(sorted({t for d in find() for t in d.card.tasks}))
        raise LossInputError(f"list: `--task` must be one of {known}; got {task!r}.")
    if not _given_as_json([to_dict(d) for d in found], folder, printed=json_output):
        show_catalogue(found, Console())


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Name of the loss, here or elsewhere: huber, MAE, 'Generalized Dice'.")],
    out: Out = None,
    json_output: Json = False,
) -> None:
    """One loss: formula, source, shapes, bounds, claims, an example."""
    from lossary.catalogue import get, to_dict
    from lossary.report import show_loss

    folder = None if out is None else _writable(out, "show")
    definition = get(name)
    if not _given_as_json(to_dict(definition), folder, printed=json_output):
        show_loss(definition, Console())


@app.command()
def info(out: Out = None, json_output: Json = False) -> None:
    """What is installed here, and whether losses run through compiled kernels, and if not, why not."""
    from lossary.kernels import status
    from lossary.report import show_status

    folder = None if out is None else _writable(out, "info")
    if not _given_as_json(status().to_json(), folder, printed=json_output):
        show_status(status(), Console())


def main() -> None:
    """Entry point: bad input is one sentence on standard error and exit code 2."""
    try:
        app()
    except LossError as error:
        named = str(error).startswith(("check:", "compare:", "diagnose:", "info:", "list:", "recommend:", "show:"))
        print(f"lossary {error}" if named else error, file=sys.stderr)
        raise SystemExit(2) from None


def _given_as_json(content: Any, folder: Path | None, *, printed: bool) -> bool:
    """Write ``result.json``, if there is a folder, and print the same, if that is wanted; whether it was printed."""
    from lossary.report import write_files

    text = content if isinstance(content, str) else json.dumps(content, indent=2, ensure_ascii=False)
    if folder is not None:
        write_files(folder, {"result.json": text + "\n"})
    if printed:
        print(text)
    return printed


def _recommendation(
    data: str, target: str | None, task: str | None, goals: Sequence[str], group: str | None = None
) -> Any:
    """What is recommended for the data that compare would read."""
    from lossary.comparison import read_source
    from lossary.recommendation import recommend as run

    columns: str | list[str] | None = target.split(",") if target and "," in target else target
    groups = None
    try:
        if group is None or Path(data).suffix == ".npz":  # an archive has its lists as an array, not as a column
            source = read_source(data, columns)
            groups = None if group is None else read_source(data, group).target
            features, y = source.features, source.target
        else:
            wanted = columns if isinstance(columns, list) else [columns or "target"]
            source = read_source(data, [*wanted, group])
            features, y, groups = source.features, source.target[wanted], source.target[group]
    except LossError as error:  # the reader is compare's, and says so
        raise type(error)(str(error).replace("compare:", "recommend:", 1)) from None
    return run(features, y, task=task, goals=goals, group=groups)


def _loss(reference: str) -> Any:
    """A loss by ``module:name``, or a catalogued one by its name."""
    if ":" in reference:
        return _load(reference, "check: the loss")
    from lossary.catalogue import get

    return get(reference).function


def _load(reference: str, owner: str) -> Any:
    """What ``package.module:name`` or ``file.py:name`` refers to; ``owner`` opens the sentence if it is nothing."""
    where, colon, name = reference.rpartition(":")
    if not colon or not where:
        raise LossInputError(f"{owner} must read package.module:name or file.py:name, got {reference!r}.")
    try:
        if where.endswith(".py"):
            spec = importlib.util.spec_from_file_location(Path(where).stem, where)
            if spec is None or spec.loader is None or not Path(where).exists():
                raise ImportError(f"no file {where!r}")
            module = importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = module  # so that what it defines can be pickled and its source found
            spec.loader.exec_module(module)
        else:
            sys.path.insert(0, str(Path.cwd()))
            module = importlib.import_module(where)
        return getattr(module, name)
    except (ImportError, AttributeError) as error:
        raise LossInputError(
            f"{owner} must name something that can be imported, got {reference!r}: {error}."
        ) from error


def _writable(folder: Path, owner: str, option: str = "--out") -> Path:
    """The folder, once it is sure that it can be made or written; it is made when there is something to keep."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        what = "a folder" if option == "--out" else "in a folder"
        raise LossInputError(f"{owner}: `{option}` must be {what} that can be written, got {str(folder)!r}.")
    return folder
