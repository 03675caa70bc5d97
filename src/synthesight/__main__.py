"""``python -m synthesight``: the command line."""

from synthesight.cli.main import main

main()
