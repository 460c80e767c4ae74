"""`python -m huafeng` is the command `huafeng`."""

from huafeng.cli import main

main()
