"""Run a command in which the kernel has no memfd_create: python without_memfd.py COMMAND ARGUMENT..."""
import ctypes
import os
import platform
import struct
import sys

#: The number of memfd_create(2).
NUMBERS = {"x86_64": 319, "aarch64": 279}
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER = 38, 22, 2
_ENOSYS, _ALLOW = 0x00050000 | 38, 0x7FFF0000


def forbid(number: int) -> None:
    """A seccomp filter of four instructions: load the number, compare, ENOSYS or allow (seccomp(2))."""
    program = b"".join(
        struct.pack("HBBI", *instruction)
        for instruction in ((0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, _ENOSYS), (0x06, 0, 0, _ALLOW))
    )
    code = ctypes.create_string_buffer(program, len(program))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    fprog = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code)))
    if libc.prctl(_PR_SET_SECCOMP, _FILTER, fprog, 0, 0):
        sys.exit(f"no filter: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    forbid(NUMBERS[platform.machine()])
    os.execvp(sys.argv[1], sys.argv[1:])
