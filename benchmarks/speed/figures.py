"""What the stored times say: who is fastest, by how much, and how far from the floor."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

BEHIND = 0.95
"""A case is lost where the best other takes less than this share of our time."""
COUNTED = ("same", "imprecise")

Found = Mapping[str, Any]


class Standing(NamedTuple):
    """One case in figures."""

    name: str
    ours: float
    """Milliseconds."""
    best: str
    """Name of the fastest other."""
    best_ms: float
    lead: float
    """The best other's time over ours: above 1 we are faster."""
    over_floor: float
    """Our time over the floor's."""
    compiled_lead: float | None
    """The time of torch.compile over ours, where it ran."""


def standings(found: Found) -> Iterator[Standing]:
    """The cases in which our result is right and something else ran."""
    for name, case in found["cases"].items():
        ran = {who: c for who, c in case["contenders"].items() if "median_ms" in c}
        ours, floor = ran.get("lossary"), ran.get("floor")
        if ours is None or floor is None or ours["status"] not in COUNTED:
            continue
        others = {who: c["median_ms"] for who, c in ran.items()
                  if c.get("kind") in ("torch", "eager", "peer") and c["status"] in COUNTED}  # fmt: skip
        if not others:
            continue
        best = min(others, key=others.__getitem__)
        mine, compiled = ours["median_ms"], ran.get("torch.compile")
        yield Standing(
            name, mine, best, others[best], others[best] / mine, mine / floor["median_ms"],
            compiled["median_ms"] / mine if compiled else None,
        )  # fmt: skip


def troubles(found: Found) -> Iterator[str]:
    """What went wrong, a sentence each: processes that died, and contenders whose result is not the expected one."""
    for name, case in found["cases"].items():
        yield from (f"{name}: the measurement of {key.removesuffix(' problem')} stopped, {text}"
                    for key, text in case.items() if key.endswith(" problem"))  # fmt: skip
        for who, contender in case["contenders"].items():
            if contender.get("status") in ("imprecise", "wrong"):
                yield (f"{name}: {who} is {contender['status']}, value off by {contender['value_error']:.0e} and "
                       f"gradient by {contender['gradient_error']:.0e}")  # fmt: skip
            elif contender.get("status") == "failed":
                yield f"{name}: {who} failed, {contender['note']}"


def absent(found: Found) -> dict[str, list[str]]:
    """Contenders that are missing or were not run, with their cases."""
    missing: dict[str, list[str]] = {}
    for name, case in found["cases"].items():
        for who, contender in case["contenders"].items():
            if contender.get("status") in ("missing", "not run"):
                missing.setdefault(f"{who} ({contender['status']}: {contender['note']})", []).append(name)
    return missing


def lost(all_of_them: list[Standing]) -> list[Standing]:
    """The cases that another wins, the worst first."""
    return sorted((s for s in all_of_them if s.lead < BEHIND), key=lambda s: s.lead)


def summary(found: Found) -> str:
    """The whole run in lines."""
    all_of_them = list(standings(found))
    lines = ["processor time of the best other over that of lossary, and that of lossary over the floor"]
    lines += [
        f"  {s.name:32} {s.lead:6.2f} ({s.best}, {s.best_ms:.3g} ms)  {s.over_floor:7.2f}  {s.ours:9.3f} ms"
        for s in all_of_them
    ]
    if all_of_them:
        leads = [s.lead for s in all_of_them]
        worst = min(all_of_them, key=lambda s: s.lead)
        lines.append(
            f"  median {statistics.median(leads):.2f}, worst {worst.lead:.2f} ({worst.name}); over the floor "
            f"{statistics.median(s.over_floor for s in all_of_them):.2f} in the median"
        )
        lines.append("  behind: " + (", ".join(f"{s.name} {s.lead:.2f}" for s in lost(all_of_them)) or "none"))
        compiled = [s.compiled_lead for s in all_of_them if s.compiled_lead is not None]
        if compiled:
            lines.append(f"  torch.compile over lossary: median {statistics.median(compiled):.2f}")
    lines += [f"  ! {sentence}" for sentence in troubles(found)]
    lines += [f"  absent: {who}: {len(cases)} cases" for who, cases in absent(found).items()]
    for name, case in found["small"].items():
        times = {who: 1e3 * c["median_ms"] for who, c in case["contenders"].items()}
        lines.append(f"  small {name:26} " + ", ".join(f"{who} {time:.1f} us" for who, time in times.items()))
    return "\n".join(lines)
