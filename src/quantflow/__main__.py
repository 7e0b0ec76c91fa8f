"""``python -m quantflow``."""

from quantflow.cli.main import main

main()
