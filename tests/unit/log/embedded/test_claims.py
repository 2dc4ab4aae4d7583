"""One at a time has a claim, and who dies with one has it no more."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from rtcdp.log.embedded.claims import try_claim

HOLDER = """
import sys, time
from pathlib import Path
from rtcdp.log.embedded.claims import try_claim
claim = try_claim(Path(sys.argv[1]), "ab")
print(claim is not None, flush=True)
time.sleep(60)
"""


def test_a_claim_ends_with_its_holder(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        assert try_claim(tmp_path, "ab") is None
        os.kill(holder.pid, signal.SIGKILL)
    claim = try_claim(tmp_path, "ab")
    assert claim is not None
    claim.close()
    claim.close()
    assert list(tmp_path.iterdir()) == []
