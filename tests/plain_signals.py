"""A pytest plugin: signals as a terminal gives them. A test run in the background of a shell ignores Ctrl-C, and so would
every command that it starts."""
import signal

PLAIN = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL, signal.SIGQUIT: signal.SIG_DFL}

for number, handler in PLAIN.items():
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, handler)
