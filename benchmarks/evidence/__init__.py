"""Is the advice of ``recommend`` any good? Its first loss against the usual one and the best, on real data.

:mod:`.sets` lists the data sets with goals and metrics, :mod:`.trial` runs ``recommend`` and ``compare`` on them,
:mod:`.regret` does the arithmetic, :mod:`.page` writes ``docs/evidence.md``. ``python -m benchmarks.evidence``.
"""
