"""`python -m tgbulk` is `tgbulk`."""
from tgbulk.cli.main import main

main(prog_name="tgbulk")
