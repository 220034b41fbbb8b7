"""``python -m dicomnode``, and the command ``dicomnode``."""

import gc
import signal
import sys


def main() -> None:
    """Run a command."""
    if "serve" in sys.argv[1:2]:
        # To import all that a node needs takes seconds. A SIGHUP meanwhile would end the process;
        # it waits until `serve` has its handler, and then counts as a reload.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    # What is imported stays: to look for garbage in it, again and again, costs a tenth of a start.
    gc.disable()
    from dicomnode.commands import app

    gc.freeze()
    gc.enable()
    app()


if __name__ == "__main__":
    main()
