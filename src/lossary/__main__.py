"""``python -m lossary`` is the command line."""

from .cli import main

main()
