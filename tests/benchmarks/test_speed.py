"""The benchmark of speed: every case is right on small inputs, and each stage does what the page says of it."""

import json
import math
import time

import pytest
import torch
from benchmarks.speed.case import Case, Drawn, Peer, differentiated
from benchmarks.speed.catalogue import CASES, chosen
from benchmarks.speed.child import measure_memory, time_case, time_small
from benchmarks.speed.contenders import contenders as contenders_of
from benchmarks.speed.contenders import examined, loaded, reference
from benchmarks.speed.figures import absent, lost, standings, summary, troubles
from benchmarks.speed.floors import one_pass, products
from benchmarks.speed.measuring import timed, tracker
from benchmarks.speed.page import DOCS, END, START, rendered, write
from benchmarks.speed.run import joined, run
from benchmarks.speed.settings import Settings

TINY = 1e-4


def missing():
    raise ModuleNotFoundError("No module named 'nobody'")


def a_case(**other):
    return Case(**{
        "name": "made", "group": "made", "size": "10", "floor": one_pass,
        "draw": lambda by: Drawn((torch.randn(10),), (torch.randn(10),)),
        "loss": lambda x, t: ((x - t) ** 2).mean(), "eager": lambda x, t: (x - t).square().mean(), **other,
    })  # fmt: skip


def records_of(mode, case, **settings):
    records = []
    mode(case, Settings(**{"rounds": 2, "scale": TINY, **settings}), records.append)
    return records


def by_contender(records):
    found = {}
    for record in records:
        found.setdefault(record["contender"], {}).update(record)
    return found


# The cases -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in CASES if not name.endswith("@1e7")])
def test_ours_torchs_and_the_plain_expression_agree(name):
    case = CASES[name]
    torch.manual_seed(0)
    drawn = case.draw(TINY)
    for leaf in drawn.leaves:
        leaf.requires_grad_()
    true = reference(case, drawn)
    for function in filter(None, (case.loss, case.eager, case.builtin)):
        found = examined(differentiated(function), drawn, true, "")
        assert found["status"] == "same", found
    case.floor(drawn)()


def test_there_are_the_sizes_that_the_page_speaks_of():
    assert len(CASES) >= 35
    assert {case.draw(TINY).leaves[0].numel() for name, case in CASES.items() if "mse" in name} == {400, 1000}


def test_cases_are_named_by_how_they_begin():
    assert [case.name for case in chosen(["nll", "mse@4"])] == ["mse@4e6", "nll"]
    assert len(chosen([])) == len(CASES)
    with pytest.raises(ValueError, match="`--only` must name cases, got 'nonesuch'"):
        chosen(["nonesuch"])


# Stages --------------------------------------------------------------------------------------------------------------


def test_a_case_runs_through_every_stage(tmp_path):
    """In processes of their own, as it is done at full size."""
    said = []
    found = run(Settings(only=("iou",), rounds=2, scale=0.002, out=str(tmp_path)), lambda what, *_: said.append(what))
    ran = found["cases"]["iou"]["contenders"]
    assert {"lossary", "kernels off", "eager", "floor"} <= {who for who, c in ran.items() if "median_ms" in c}
    assert ran["torch.compile"]["status"] == "not run"
    assert not any(key.endswith("problem") for key in found["cases"]["iou"])
    assert found["small"]["iou"]["contenders"]["lossary"]["numbers"] == 48, "12 boxes"
    assert said[0] == "time: iou" and said[-1] == "done"
    assert json.loads((tmp_path / "speed.json").read_text()) == found
    assert "iou" in summary(found)
    if not found["about"]["memory"]:  # of 2000 boxes the gradient alone takes 32 kB
        assert ran["lossary"]["peak_bytes"] >= 32_000 and ran["eager"]["peak_bytes"] > ran["lossary"]["kept_bytes"]
    (tmp_path / "performance.md").write_text((DOCS / "performance.md").read_text())
    write(tmp_path, found)
    page = (tmp_path / "performance.md").read_text()
    assert "| iou | 1,000,000 |" in page and "a trial, no result" in page
    assert (tmp_path / "images" / "performance.svg").read_text().startswith("<svg")


def test_a_process_that_dies_costs_its_case_alone(tmp_path, monkeypatch):
    """Stands in for the kernel's out-of-memory killer: no Python is started at all."""
    monkeypatch.setattr("benchmarks.speed.run.tracker", lambda _: None)
    monkeypatch.setattr("sys.executable", "/bin/false")
    (tmp_path / "speed.jsonl").touch()
    found = run(Settings(only=("clip",), out=str(tmp_path)), lambda *_: None)
    assert found["about"]["memory"] == "not measured: no C compiler"
    assert list(troubles(found)) == ["clip: the measurement of time stopped, exit status 1: nothing said"]


def test_what_is_missing_failing_or_wrong_is_said():
    def fails(x, t):
        raise RuntimeError("no such kernel\nand more")

    case = a_case(
        builtin=lambda x, t: 1.001 * (x - t).square().mean(),
        peers={
            "nobody": Peer(missing), "broken": Peer(lambda: differentiated(fails)),
            "twice": Peer(lambda: differentiated(lambda x, t: 2 * (x - t).square().mean()), "no half"),
            "astray": Peer(lambda: differentiated(lambda x, t: (x - t).abs().mean())),
            "compiler": Peer(missing, compiles=True),
        },
    )  # fmt: skip
    found = by_contender(records_of(time_case, case))
    statuses = {who: record.get("status") for who, record in found.items() if who != "kernels off"}
    assert statuses == {
        "lossary": "same", "torch": "imprecise", "eager": "same", "torch.compile": "not run", "nobody": "missing",
        "broken": "failed", "twice": "another definition", "astray": "wrong", "compiler": "not run", "floor": None,
    }  # fmt: skip
    assert found["broken"]["note"] == "RuntimeError: no such kernel"
    assert found["torch"]["value_error"] == pytest.approx(1e-3, rel=0.01)
    assert "median_ms" in found["twice"] and "median_ms" not in found["broken"]


def test_a_gradient_is_checked_as_the_value_is():
    case = a_case(builtin=lambda x, t: (x - t).square().mean() + x.sum() - x.detach().sum())
    drawn = Drawn((torch.randn(10, requires_grad=True),), (torch.randn(10),))
    assert examined(differentiated(case.builtin), drawn, reference(case, drawn), "")["status"] == "wrong"
    late = next(c for c in contenders_of(case) if c.name == "torch.compile")
    assert loaded(late, compile=False) == (None, {"status": "not run", "note": "takes --compile"})


def test_every_step_has_its_turn_in_every_round(monkeypatch):
    """By a clock that a step sets forward: 1 s for the one, 3 s for the other."""
    clock = [0.0]
    monkeypatch.setattr(time, "process_time", lambda: clock[0])

    def takes(seconds):
        def step():
            clock[0] += seconds

        return step

    found = timed({"one": takes(1.0), "three": takes(3.0)}, rounds=4, seconds=math.inf)
    assert [found[name]["median_ms"] for name in ("one", "three")] == [1000.0, 3000.0]
    assert found["one"]["rounds"] == 4 and found["one"]["high_ms"] == found["one"]["low_ms"]
    assert timed({"one": takes(1.0)}, rounds=9, seconds=-1.0)["one"]["rounds"] == 3, "no more once time is up"


def test_the_small_inputs_are_small():
    found = by_contender(records_of(time_small, CASES["cross_entropy"]))
    assert set(found) == {"lossary", "eager", "torch"}
    assert found["lossary"]["numbers"] <= 100


def test_memory_is_measured_only_with_the_tracker():
    with pytest.raises(AttributeError, match="peak_memory_reset"):
        records_of(measure_memory, a_case())


def test_no_compiler_no_tracker(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert tracker(tmp_path) is None


def test_the_floor_reads_and_writes_what_it_must():
    """x + y into one buffer, and a third input that has no partner read for itself."""
    x, y = torch.ones(5000, requires_grad=True), torch.ones(5000)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        one_pass(Drawn((x,), (y, torch.ones(9000, dtype=torch.int64))))()
    assert {"aten::add", "aten::sum"} <= {event.key for event in profile.key_averages()}
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True) as profile:
        products(lambda _: [(2, 3, 4)])(Drawn((x,), ()))()
    (product,) = [event for event in profile.key_averages(group_by_input_shape=True) if event.key == "aten::mm"]
    assert product.input_shapes[:2] == [[2, 3], [3, 4]]


# Figures and page ----------------------------------------------------------------------------------------------------


def a_run(**contenders):
    """One stored case; a contender is (kind, status, milliseconds)."""
    records = [
        {"mode": "time", "case": "ssim", "contender": who, "kind": kind, "status": status, "note": "why",
         "value_error": 0.0, "gradient_error": 0.5, "median_ms": ms, "low_ms": ms, "high_ms": ms}
        for who, (kind, status, ms) in contenders.items()
    ]  # fmt: skip
    return joined(records, Settings(), memory=False)


OURS = {"lossary": ("lossary", "same", 10.0), "floor": ("floor", "", 5.0)}


def test_the_best_other_is_the_fastest_that_computes_the_same():
    found = a_run(**OURS, eager=("eager", "same", 20.0), monai=("peer", "imprecise", 8.0),
                  kornia=("peer", "wrong", 1.0), geomloss=("peer", "another definition", 2.0),
                  compile=("compiled", "same", 3.0))  # fmt: skip
    (standing,) = standings(found)
    assert (standing.best, standing.lead, standing.over_floor) == ("monai", 0.8, 2.0)
    assert [s.name for s in lost([standing])] == ["ssim"]
    assert "behind: ssim 0.80" in summary(found)
    assert "ssim: kornia is wrong, value off by 0e+00 and gradient by 5e-01" in list(troubles(found))


def test_a_wrong_result_of_ours_has_no_speed():
    found = a_run(**{**OURS, "lossary": ("lossary", "wrong", 1.0)}, eager=("eager", "same", 20.0))
    assert not list(standings(found))
    assert any("lossary is wrong" in sentence for sentence in troubles(found))


def test_a_tie_is_not_lost():
    (standing,) = standings(a_run(**OURS, eager=("eager", "same", 9.6)))
    assert lost([standing]) == []


def test_the_page_is_made_of_the_run():
    found = a_run(**OURS, eager=("eager", "same", 8.0), POT=("peer", "another definition", 2.0))
    found["cases"]["ssim"]["contenders"]["optax"] = {"kind": "peer", "status": "missing", "note": "no module"}
    assert absent(found) == {"optax (missing: no module)": ["ssim"]}
    page = rendered((DOCS / "performance.md").read_text(), found)
    assert "| ssim | 8×3×256×256 | 5 ± 0 | 10 ± 0 | – | – | 8 ± 0 | 2 ± 0² (POT) | – | 0.80 | 2.00 |" in page
    assert "- **ssim**: eager takes 0.80 of our time (8 and 10 ms)." in page
    assert "- optax (missing: no module): ssim." in page
    assert rendered(page, found) == page, "once more changes nothing"
    with pytest.raises(ValueError, match="must hold"):
        rendered(page.replace(END, ""), found)


def test_the_page_says_what_is_stored():
    page, stored = (DOCS / "performance.md").read_text(), DOCS / "performance.json"
    if stored.exists():
        assert rendered(page, json.loads(stored.read_text())) == page
    else:
        assert "No run is stored." in page.partition(START)[2]
