"""The programs of the collection are run by tests, not collected as tests."""

collect_ignore = ["programs"]
