"""The frames of the data way: fetch -> process (Page), process -> write (Block), write -> fetch (Ack, WorkerGone).

A payload waits in the slot that the frame names; a larger one travels as an overflow, a descriptor beside the frame.
"""
from dataclasses import dataclass

from tgbulk.engine.frame import frame


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
    range_start: int
    first: int
    bound: int
    overflow: bool = False
    #: whose it is, and what it is about, where that matters; the stages' own numbers
    origin: int = 0
    subject: int = 0


@frame
@dataclass(slots=True)
class Block:
    """What a worker made of a page: the receipt at the start of the slot in `blocks`, the body behind it or its overflow."""

    seq: int
    slot: int
    stream: int
    kind: int
    receipt: int
    body: int
    range_start: int
    first: int
    overflow: bool = False
    origin: int = 0
    subject: int = 0


@frame
@dataclass(slots=True)
class Ack:
    """Write is done with the block of this page: once its receipt, or the reply in its place, is read, the slot is free."""

    seq: int
    slot: int
    receipt: int
    overflow: bool = False


@frame
@dataclass(slots=True)
class WorkerGone:
    """No block of this worker will come any more."""

    worker: int


@frame
@dataclass(slots=True)
class Attach:
    """Control: a new worker; its channel comes along as a descriptor."""

    worker: int
