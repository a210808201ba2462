"""`python -m scripts` is `tgbulk`."""
from scripts.cli import main

main(prog_name="tgbulk")
