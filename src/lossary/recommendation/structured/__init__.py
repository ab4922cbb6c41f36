"""Targets of which one sample's is more than a number, a class or a set of labels: intervals, times with censoring,
masks, boxes, pairs, triplets, identities, ranked lists and sequences of tokens.

:mod:`.targets` tells them, :mod:`.measures` measures them, and :mod:`.recipes` knows which losses can be trained on
them, and how. Their rules are in ``table_structured.py``.
"""
