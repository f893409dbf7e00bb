"""`python -m web` is `strada`."""

from web.cli import main

main()
