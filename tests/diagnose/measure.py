"""How well diagnosis does on the collection: named first, among the first three, and false alarms.

``python -m tests.diagnose.measure [--held-out | --fresh | --unseen] [--only NAME] [--script] [--no-probes] [--quiet]``
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from lossary.diagnosis import Diagnosis, Run
from lossary.diagnosis.script import diagnose_script
from tests.diagnose.collection import FOLDER, Program, add_parts, programs, run


@dataclass
class Score:
    """What was named for one version of a program."""

    program: Program
    repaired: bool
    named: tuple[str, ...]
    words: tuple[str, ...]

    @property
    def faulty(self) -> bool:
        """Whether something is wrong with it."""
        return bool(self.program.causes) and not self.repaired

    def place(self) -> int:
        """At which place a right cause is named; 99 where it is not."""
        return next((i for i, name in enumerate(self.named, 1) if name in self.program.causes), 99)


def observed(program: Program, *, repaired: bool = False, probes: bool = True) -> Diagnosis:
    """The diagnosis of one version in the observer form."""
    observer = Run(probes=probes, seconds=6.0)
    outcome = run(program, observer, repaired=repaired)
    observer.ended_by(None, outcome.error, None)
    return observer.diagnose()


def from_outside(program: Program, *, repaired: bool = False, probes: bool = True) -> Diagnosis:
    """The diagnosis of one version that runs as a script, which tells nothing."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        path = Path(folder) / f"{program.name}.py"
        path.write_text(program.source(repaired=repaired))
        (Path(folder) / "nobody.py").write_text((FOLDER / "nobody.py").read_text())
        return diagnose_script(path, probes=probes, seconds=6.0)[0]


def score(program: Program, *, repaired: bool = False, probes: bool = True, script: bool = False) -> Score:
    """What the observer form names, or the script form."""
    found = (from_outside if script else observed)(program, repaired=repaired, probes=probes)
    return Score(program, repaired, tuple(s.cause for s in found.causes), tuple(s.words for s in found.causes))


def summary(scores: Sequence[Score]) -> str:
    """Shares of right names and of false alarms."""
    faulty = [s for s in scores if s.faulty]
    sound = [s for s in scores if not s.faulty]
    first = sum(s.place() == 1 for s in faulty)
    third = sum(s.place() <= 3 for s in faulty)
    alarms = sum(bool(s.named) for s in sound)
    look_alikes = [s for s in sound if s.program.healthy]
    of_these = sum(bool(s.named) for s in look_alikes)
    return (
        f"{len(faulty)} faulty: named first {first / max(len(faulty), 1):.1%}, among three "
        f"{third / max(len(faulty), 1):.1%}; {len(sound)} sound ({len(look_alikes)} look-alikes): false alarms "
        f"{alarms / max(len(sound), 1):.1%} ({alarms}), of look-alikes {of_these}"
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.diagnose.measure", description=__doc__.partition("\n")[0])
    add_parts(parser)
    parser.add_argument("--only", help="text that the program's name must contain")
    parser.add_argument("--script", action="store_true", help="watch from outside, as `lossary diagnose` does")
    parser.add_argument("--no-probes", action="store_true", help="without trials")
    parser.add_argument("--quiet", action="store_true", help="only the figures, no names of programs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    scores = []
    for program in programs(options.folder, only=options.only):
        for repaired in (False, True) if program.causes else (False,):
            each = score(program, repaired=repaired, probes=not options.no_probes, script=options.script)
            scores.append(each)
            wrong = each.place() != 1 if each.faulty else bool(each.named)
            if not options.quiet and (wrong or options.only):
                label = ", ".join(program.causes) if each.faulty else "repaired" if repaired else "healthy"
                print(
                    f"{'WRONG' if wrong else 'right'} {program.name} [{label}] -> {', '.join(each.named) or 'nothing'}"
                )
                for words in each.words[:2]:
                    print(f"      {words}", flush=True)
    print(summary(scores))


if __name__ == "__main__":
    main()
