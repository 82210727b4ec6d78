"""What the documentation site needs beyond the pages, which also have to read well on GitHub: hooks of mkdocs.yml.

Links to files outside the site lead to the repository, links named after a page get its title, and the notes for the
tests in the first lines of code blocks become titles or disappear.
"""

import logging
import re
from pathlib import Path

log = logging.getLogger("mkdocs.hooks.site")

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
_FENCE = re.compile(r"^```(\w+) (.+)$", re.M)
_FILE_NAME = re.compile(r"\[([\w/-]+\.md)\](?=\(([^)#\s]+))")
_LINK = re.compile(r"(?<=\]\()(?!https?:|#|mailto:)([^)#\s]+)(#[^)\s]*)?(?=\))")


def on_page_markdown(markdown, *, page, config, files):
    """Return the text of a page as MkDocs understands it."""
    place = DOCS / page.file.src_uri
    markdown = _FILE_NAME.sub(lambda name: f"[{_title(place.parent / name[2]) or name[1]}]", markdown)
    markdown = _FENCE.sub(lambda fence: _first_line(fence[1], fence[2]), markdown)
    return _LINK.sub(lambda link: _link(link, place, config.repo_url, files), markdown)


def on_page_content(html, **_):
    """Docstrings announce a block of code by two colons, which Markdown would show."""
    return html.replace("<p>::</p>\n", "").replace("::</p>", ":</p>")


def _first_line(language, options):
    name = re.fullmatch(r"file: (\S+)", options)
    return f'```{language} title="{name[1]}"' if name else f"```{language}"


def _title(page):
    """Return the heading of a page, which a reader of the site prefers to the name of its file."""
    found = re.match(r"# (.+)", page.read_text("utf-8")) if page.suffix == ".md" and page.is_file() else None
    return found[1] if found else ""


def _link(link, place, repository, files):
    """Return the address in the repository if the file is not a page of the site."""
    target = (place.parent / link[1]).resolve()
    page = files.get_file_from_path(target.relative_to(DOCS).as_posix()) if target.is_relative_to(DOCS) else None
    if page is not None and page.inclusion.is_included():
        return link[0]
    if not target.is_relative_to(ROOT) or not target.exists():
        log.warning("%s links to %s, which does not exist", place.name, link[1])
        return link[0]
    kind = "tree" if target.is_dir() else "blob"
    return f"{repository}/{kind}/main/{target.relative_to(ROOT).as_posix()}{link[2] or ''}"
