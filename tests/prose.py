"""Words that this project does not use in prose, each with the reason: part of `make lint`.

Checked are the docstrings, comments and strings of ``src``, and the text of the documentation outside code blocks. The
list has only words that are always wrong; what is wrong in some sentences alone is for the reader.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = ("README.md", "CHANGELOG.md", "docs/**/*.md", ".github/**/*.md")

WORDS: dict[str, str] = {
    r"\btells? whether\b": 'predicates are "Return whether"',
    r"\b(nobody|somebody|anybody|everybody|whoever)\b": "name the code, the user or the object",
    r"\bfor people\b": '"human-readable"',
    r"\bof (ours|theirs)\b": '"of this package", or the owner\'s name',
    r"\bto be had\b": "available",
    r"\bstrangers?\b": "an unrecorded task or thread",
    r"\b(mend|mends|mended|mending)\b": "fix, or fall back",
    r"\bvery (same|thing|first|end)\b": "the same",
    r"\bin a circle\b": "in an await cycle, in a reference cycle",
    r"\bstraits\b": "what failed, and why",
    r"\b(is|are|was|were|be|been) (told|met)\b": "a function is called with, returns or logs; an object is seen",
    r"\b(is|are|was|were|be|been) (looked at|asked about)\b": "inspected, examined",
    r"\blooked into\b": "inspected",
    r"\bsays (nothing|what|how|who)\b": "states, shows, defines",
    r"\bever new\b": "new ones without end",
    r"\b(it|which|that|he|she) is no (?!longer\b|more\b|better\b|less\b)[a-z]": '"is not a"',
    r"[0-9] ?(ns|µs|ms|s|bytes?|KB|MB|kB|%) an? [a-z]": 'rates are "per"',
    r"\b(one|series|reports?|rows?|samples?) an? (second|scan|task|thread|site|loop|process|request|site|day|hour)\b": (
        'rates are "per"'
    ),
}
SUBJECTS: dict[str, str] = {
    r"(?:^|(?<=[.;] ))(What|Who|Of these)\b(?![^.]*\?)": "a sentence names its subject",
}
_IN_TEXT = {re.compile(word, re.IGNORECASE): reason for word, reason in WORDS.items()}
_IN_SENTENCES = {re.compile(word): reason for word, reason in SUBJECTS.items()}


def complaints(path: Path) -> Iterator[str]:
    """Yield a line for each word in a file that is on the list."""
    is_source = path.suffix == ".py"
    for line, text in _source_texts(path.read_text("utf-8")) if is_source else _paragraphs(path.read_text("utf-8")):
        rules = {**_IN_TEXT, **_IN_SENTENCES} if is_source else _IN_TEXT
        plain = re.sub(r"`[^`]*`", "`…`", " ".join(text.split()))
        for word, reason in rules.items():
            if (found := word.search(plain)) is not None:
                excerpt = plain[max(0, found.start() - 40) :][:110]
                yield f"{path.relative_to(ROOT)}:{line}: {found[0]!r}: {reason}: {excerpt}"


def _source_texts(source: str) -> Iterator[tuple[int, str]]:
    """Yield the strings that contain a space, and the comments, joined where they follow each other."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            for paragraph in re.split(r"\n\s*\n", node.value):
                yield node.lineno, paragraph
    comment, since, last = "", 0, 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        line = token.start[0]
        if line != last + 1:
            yield since, comment
            comment, since = "", line
        comment, last = f"{comment} {token.string.lstrip('# ')}", line
    yield since, comment


def _paragraphs(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a document outside code blocks."""
    in_block = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith("```"):
            in_block = not in_block
        elif not in_block:
            yield number, line


def main() -> int:
    """Print all complaints; return 1 if there are any."""
    files = [*sorted((ROOT / "src").rglob("*.py"))]
    files += [path for pattern in DOCUMENTS for path in sorted(ROOT.glob(pattern))]
    found = [complaint for path in files for complaint in complaints(path)]
    for complaint in found:
        print(complaint)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
