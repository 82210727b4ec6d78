"""Stack texts cut to a limit: the innermost frames stay, and the cut is marked."""

import pytest

from opentelemetry.instrumentation.concurrency.diagnose.introspection.fingerprint import NamedFrame
from opentelemetry.instrumentation.concurrency.report.stack_text import stack_text

FRAMES = [NamedFrame(f"shop.layer_{number}", f"/app/shop/{number}.py", number, True) for number in range(1, 6)]
ENTRIES = [f'  File "/app/shop/{number}.py", line {number}, in shop.layer_{number}\n' for number in range(1, 6)]
WHOLE = "".join(ENTRIES).rstrip("\n")
SIZE = len(ENTRIES[0])


def test_stack_text_within_the_limit_is_whole():
    assert stack_text(FRAMES, limit_bytes=5 * SIZE) == WHOLE


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_stack_text_over_the_limit_keeps_innermost_and_marks(kept):
    mark = f"  ... {5 - kept} outer frames cut\n"
    text = stack_text(FRAMES, limit_bytes=kept * SIZE + len(mark))
    assert text == (mark + "".join(ENTRIES[5 - kept :])).rstrip("\n")


def test_stack_text_one_byte_short_cuts_another_frame():
    mark = "  ... 2 outer frames cut\n"
    text = stack_text(FRAMES, limit_bytes=3 * SIZE + len(mark) - 1)
    assert text.splitlines()[0] == "  ... 3 outer frames cut"
    assert len(text.splitlines()) == 3


def test_stack_text_one_frame_cut_is_singular():
    mark = "  ... 1 outer frame cut\n"
    assert stack_text(FRAMES, limit_bytes=5 * SIZE - 1).startswith(mark)


@pytest.mark.parametrize("limit", [0, 1, 10, SIZE])
def test_stack_text_never_exceeds_the_limit(limit):
    text = stack_text(FRAMES, limit_bytes=limit)
    assert len(text.encode()) <= limit
    assert text == "  ... 5 outer frames cut"[:limit]


def test_stack_text_counts_bytes_of_utf_8():
    frames = [NamedFrame("shop.größe", "/app/shop/größe.py", 1, True)] * 3
    text = stack_text(frames, limit_bytes=140)
    assert len(text.encode()) <= 140
    assert "cut" in text


def test_stack_text_with_source_shows_the_line(tmp_path):
    path = tmp_path / "shop.py"
    path.write_text("async def ask():\n    await reply\n")
    frame = NamedFrame("shop.ask", str(path), 2, True)
    assert stack_text([frame], limit_bytes=1000, with_source=True).splitlines()[1] == "    await reply"
    assert len(stack_text([frame], limit_bytes=1000).splitlines()) == 1


def test_stack_text_with_source_reads_python_files_only(tmp_path):
    path = tmp_path / "shop.key"
    path.write_text("secret\n")
    frame = NamedFrame("shop.ask", str(path), 1, True)
    assert "secret" not in stack_text([frame], limit_bytes=1000, with_source=True)
