"""The version of this package, as setup.cfg has it; to look it up among what is installed takes a twentieth of a start."""

VERSION = "0.1.0"
