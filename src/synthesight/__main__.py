"""``python -m synthesight``: the command line."""

from synthesight.cli import main

main()
