"""Processes in a container: other numbers, another /tmp, found through ``/proc/PID/root``."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from services import FAST, OFFLINE, QUEUE_SERVICE, clean_environment, run_command

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.geteuid() != 0 or shutil.which("unshare") is None,
    reason="needs root and unshare",
)

CONTAINER = ["unshare", "--mount", "--pid", "--fork", "--mount-proc"]


def test_process_in_a_container_is_found_by_its_host_pid(tmp_path):
    """Its socket is in a file system that only it sees, under the number that only it knows."""
    (tmp_path / "service.py").write_text(QUEUE_SERVICE)
    try:
        subprocess.run([*CONTAINER, "true"], check=True, capture_output=True, timeout=20)
    except subprocess.CalledProcessError:
        pytest.skip("namespaces are not allowed here")
    instrument = Path(sys.executable).with_name("opentelemetry-instrument")
    start = f"mount -t tmpfs none /mnt && exec {instrument} {sys.executable} {tmp_path}/service.py 25"
    inside = clean_environment("/mnt/agents", **OFFLINE, **FAST)
    outside = clean_environment(tmp_path / "elsewhere")
    container = subprocess.Popen([*CONTAINER, "sh", "-c", start], env=inside, stdout=subprocess.PIPE, text=True)
    try:
        assert container.stdout.readline().strip() == "ready"
        (child,) = Path(f"/proc/{container.pid}/task/{container.pid}/children").read_text().split()
        deadline = time.monotonic() + 20
        while (done := run_command("stack", child, environment=outside)).returncode and time.monotonic() < deadline:
            time.sleep(0.2)
        assert "25 @ 0x" in done.stdout, done.stderr
        assert not Path("/mnt/agents").exists()
        doctor = run_command("doctor", child, environment=outside).stdout
        assert "The process is in a container" in doctor and "The agent answers" in doctor
    finally:
        subprocess.run(["kill", "-9", child], check=False)
        container.wait(20)
        container.stdout.close()
