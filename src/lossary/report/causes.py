"""The table of causes in the guide to diagnosing, in Markdown, from :data:`lossary.diagnosis.CAUSES`."""

from __future__ import annotations

from collections.abc import Iterator

from lossary.diagnosis import CAUSES, Cause

from .descriptions import citations

BEGIN = "<!-- The table of causes begins: python -m lossary.report.causes docs/diagnosing.md -->"
_HEADER = "| Name | What is wrong | What to change | What confirms it | Source |"
END = "<!-- The table of causes ends -->"
_GROUPS = {
    "loop": "The loop",
    "loss": "The loss",
    "data": "The data",
    "step": "The steps",
    "network": "The network",
    "progress": "The course of the loss",
    "game": "Games and embeddings",
}


def causes() -> str:
    """All causes, by what they lie in.

    >>> "| `missing_backward` |" in causes()
    True
    """
    return "\n\n".join(_sections())


def renewed(page: str) -> str:
    """A page with the table between its two marks written anew.

    Args:
        page: The page's text.

    Raises:
        ValueError: if the marks aren't there.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page must have the lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{causes()}\n\n{END}{after}"


def _sections() -> Iterator[str]:
    for group, title in _GROUPS.items():
        rows = [_row(cause) for cause in CAUSES.values() if cause.group == group]
        if rows:
            yield f"### {title}"
            yield "\n".join([_HEADER, "| --- | --- | --- | --- | --- |", *rows])


def _row(cause: Cause) -> str:
    change = "<br>".join(f"`{line}`" for line in cause.remedy.splitlines())
    source = "".join(f"[{text}]({_escaped(to)})" if to else text for text, to in citations(cause.source))
    cells = [f"`{cause.name}`", cause.title, change, cause.confirm, source]
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def _escaped(address: str) -> str:
    return address.replace("(", "%28").replace(")", "%29")


if __name__ == "__main__":
    import sys
    from pathlib import Path

    path = Path(sys.argv[1])
    path.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")
