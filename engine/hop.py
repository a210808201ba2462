"""The frames of the data way: fetch -> process (Page), process -> write (Block), write -> fetch (Have, Gone).

A payload waits in the slot that the frame names, or travels as a parcel (a descriptor beside the frame) when it is larger.
"""
from dataclasses import dataclass

from engine.frame import frame


@frame
@dataclass(slots=True)
class Page:
    """A payload for a worker, in `frames`."""

    seq: int
    slot: int
    length: int
    #: the sender's own number of what this belongs to (a chat of the run)
    stream: int
    #: what the payload is; the stages' own numbers
    kind: int
    #: the part of its stream to which it belongs, where it begins and below what it ends (0: open); the stages' own measure
    segment: int
    mark: int
    ceiling: int
    parcel: bool = False
    #: whose it is, where that matters; the stages' own numbers
    origin: int = 0


@frame
@dataclass(slots=True)
class Block:
    """What a worker made of a page: the receipt at the start of the slot in `blocks`, the body behind it or in a parcel."""

    seq: int
    slot: int
    stream: int
    kind: int
    receipt: int
    body: int
    segment: int
    mark: int
    parcel: bool = False
    origin: int = 0


@frame
@dataclass(slots=True)
class Have:
    """Write is done with the block of this page: its receipt can be read, its slot and its worker can be forgotten."""

    seq: int
    slot: int
    receipt: int
    #: the receiver's answer, for kinds that ask something
    answer: int = 0


@frame
@dataclass(slots=True)
class Gone:
    """No block of this worker will come any more."""

    worker: int


@frame
@dataclass(slots=True)
class Attach:
    """Control: a new worker; its channel comes along as a descriptor."""

    worker: int
