from __future__ import annotations

import os
import subprocess
import sys

from synctest.cpu import tree_cpu

SPEND = "import time\nwhile time.process_time() < 0.3: pass\n"


def test_a_child_counts_while_it_runs_and_after_it_has_ended() -> None:
    before = tree_cpu(os.getpid())
    wait = SPEND + "print(flush=True)\ninput()\n"
    with subprocess.Popen(
        [sys.executable, "-c", wait], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert tree_cpu(os.getpid()) - before >= 0.3
        child.communicate(b"\n")
    # What has ended is counted in whole ticks of the clock.
    assert tree_cpu(os.getpid()) - before >= 0.25


def test_a_process_that_is_not_there_has_used_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    assert tree_cpu(child.pid) == 0.0
