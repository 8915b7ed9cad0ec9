"""What a job makes of signals."""

import os
import signal

import pytest

from labelbench_plus.sweep.scheduled import Notice, give_notice, listen_to_scheduler


@pytest.mark.parametrize("again", [signal.SIGUSR2, signal.SIGTERM])
def test_the_first_notice_is_the_only_one(again):
    """A second one would cut off the wait for the workers: how their attempts ended could not be written down."""
    before = {each: signal.getsignal(each) for each in (signal.SIGUSR2, signal.SIGTERM)}
    try:
        listen_to_scheduler(lambda: give_notice("preempted"), lambda: give_notice("cancelled"))
        with pytest.raises(Notice, match="preempted"):
            os.kill(os.getpid(), signal.SIGUSR2)
        os.kill(os.getpid(), again)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
