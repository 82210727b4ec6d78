"""What another user's process or interpreter leaves for the command to read: bounded, and never followed elsewhere."""

import os
import sys

import pytest

from opentelemetry.instrumentation.concurrency.cli import diff, interpreter
from opentelemetry.instrumentation.concurrency.cli.failures import CommandError
from opentelemetry.instrumentation.concurrency.cli.files import write_file
from opentelemetry.instrumentation.concurrency.cli.remote_script import _outcome


def test_result_of_attach_is_read(tmp_path):
    """One word, or the sentence that says what failed."""
    (tmp_path / "result").write_text("done")
    assert _outcome(tmp_path / "result") == "done"


@pytest.mark.parametrize("what", ["link", "pipe", "directory", "missing", "endless"])
def test_result_of_attach_other_than_a_file_is_not_read(tmp_path, what):
    """The process owns the directory: a link to a secret, a pipe that nobody writes to, a file without end."""
    result = tmp_path / "result"
    if what == "link":
        (tmp_path / "secret").write_text("secret")
        result.symlink_to(tmp_path / "secret")
    elif what == "pipe":
        os.mkfifo(result)
    elif what == "directory":
        result.mkdir()
    elif what == "endless":
        with result.open("wb") as file:
            file.truncate(1 << 40)
    outcome = _outcome(result)
    assert len(outcome) <= 4096
    assert "secret" not in outcome
    assert outcome != "done"


def test_output_of_another_interpreter_is_bounded(monkeypatch):
    """It may be another user's program under the name of Python."""
    monkeypatch.setattr(interpreter, "MAX_ANSWER_BYTES", 10)
    program = "import sys; print('x' * 1000); sys.stderr.write('\\xff' * 1000); sys.exit(3)"
    code, output, complaint = interpreter._run([sys.executable, "-I", "-c", program], 20.0, {})
    assert (code, output) == (3, "x" * 10)
    assert len(complaint.encode()) <= 20


@pytest.mark.parametrize("use", [lambda name: diff._taken(name, 1, 1), lambda name: write_file(name, print)])
def test_file_name_that_cannot_be_encoded_is_an_error(use):
    with pytest.raises(CommandError, match=r"can't be (read|written)"):
        use("snapshot\ud800")
