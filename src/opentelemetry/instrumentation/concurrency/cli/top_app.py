"""The screen of ``top``, on Textual."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Input, Static

from ..census.snapshot import CreationSite
from ..render.grouped_text import grouped_text
from .failures import CommandError
from .terminal import short_duration
from .top_rows import COLUMNS, Rows, key_of

if TYPE_CHECKING:
    from .sources import ProcessSource


class TopApp(App[None]):
    """A live table of creation sites.

    Args:
        source: The process.
        interval_s: Between two looks.

    Attributes:
        failure: Why it ended, if the process went away; empty if the user did.
    """

    CSS = "#head { height: 2; } Input { display: none; } Input.open { display: block; } DataTable { height: 1fr; }"
    BINDINGS: ClassVar[Any] = [
        Binding("q", "quit", "Quit"),
        Binding("s", "sort", "Sort"),
        Binding("r", "reverse", "Reverse"),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("p", "pause", "Pause"),
        Binding("escape", "unfilter", "All", show=False),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, source: ProcessSource, interval_s: float) -> None:
        super().__init__()
        self.failure = ""
        self._source = source
        self._interval_s = interval_s
        self._rows = Rows()
        self._facts: dict[str, Any] = {}
        self._is_paused = False
        self._sites: dict[str, dict[str, Any]] = {}

    def compose(self) -> ComposeResult:
        """Make the widgets."""
        yield Static(id="head", markup=False)
        yield Input(placeholder="show lines that contain …")
        yield DataTable(cursor_type="row", zebra_stripes=True)
        yield Footer()

    def on_mount(self) -> None:
        """Begin to look."""
        self.query_one(DataTable).focus()
        self.set_interval(self._interval_s, self._look)
        self._look()

    @work(thread=True, exclusive=True)
    def _look(self) -> None:
        if self._is_paused:
            return
        try:
            facts = self._source.ask("stats").facts
        except CommandError as error:
            self.failure = str(error)
            self.call_from_thread(self.exit)
            return
        self.call_from_thread(self._show, facts)

    def _show(self, facts: dict[str, Any]) -> None:
        self._facts = facts
        self._rows.take(facts)
        self._paint()

    def _paint(self) -> None:
        facts = self._facts
        if not facts:
            return
        paused = "  PAUSED" if self._is_paused else ""
        delays = ", ".join(f"{name} {delay * 1000:.1f} ms" for name, delay in facts.get("delays", {}).items())
        self.query_one("#head", Static).update(
            f"process {facts['pid']} {facts.get('service', '')}  Python {facts['python']}  "
            f"instrumented for {short_duration(facts['uptime_s'])}{paused}\n"
            f"tasks {facts['tasks']}  threads {facts['threads']}  orphans {facts['orphans']}  "
            f"growing {facts['suspects']}{f'  delay {delays}' if delays else ''}"
        )
        table = self.query_one(DataTable)
        row, column = table.cursor_coordinate
        table.clear(columns=True)
        mark = "▲" if self._rows.is_reversed else "▼"
        table.add_columns(*(f"{name} {mark}" if at == self._rows.column else name for at, name in enumerate(COLUMNS)))
        self._sites = {}
        for site, cells in self._rows.shown():
            key = repr(key_of(site))
            self._sites[key] = site
            style = "red" if site["unwakeable"] else "yellow" if site["orphans"] or site.get("suspect") else ""
            table.add_row(*(Text(cell, style=style) for cell in cells), key=key)
        table.move_cursor(row=min(row, table.row_count - 1), column=column)

    def action_sort(self) -> None:
        """Sort by the next column."""
        self._rows.sort_next()
        self._paint()

    def action_reverse(self) -> None:
        """Turn the order around."""
        self._rows.is_reversed = not self._rows.is_reversed
        self._paint()

    def action_pause(self) -> None:
        """Stop looking, or go on."""
        self._is_paused = not self._is_paused
        self._paint()

    def action_filter(self) -> None:
        """Ask what the lines must contain."""
        field = self.query_one(Input)
        field.add_class("open")
        field.focus()

    def action_unfilter(self) -> None:
        """Show all lines."""
        self.query_one(Input).value = ""
        self._close_filter()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what contains the text."""
        self._rows.wanted = event.value
        self._paint()

    def on_input_submitted(self, _event: Input.Submitted) -> None:
        """Keep the filter and go back to the table."""
        self._close_filter()

    def _close_filter(self) -> None:
        self.query_one(Input).remove_class("open")
        self.query_one(DataTable).focus()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Show what waits behind a line."""
        site = self._sites.get(str(event.row_key.value))
        if site is not None:
            self.push_screen(SiteScreen(self._source, site))


class SiteScreen(Screen[None]):
    """What the tasks or threads of one site wait for, grouped.

    Args:
        source: The process.
        site: The site.
    """

    BINDINGS: ClassVar[Any] = [Binding("escape,q,left", "app.pop_screen", "Back")]

    def __init__(self, source: ProcessSource, site: dict[str, Any]) -> None:
        super().__init__()
        self._source = source
        self._site = site

    def compose(self) -> ComposeResult:
        """Make the widgets."""
        with VerticalScroll():
            yield Static("Asking …", id="stacks", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Ask."""
        self.query_one(VerticalScroll).focus()
        self._ask()

    @work(thread=True)
    def _ask(self) -> None:
        site = self._site
        try:
            wanted = CreationSite(site["function"], site["path"], site["line"])
            chosen = [each for each in self._source.count(site["kind"]).counts if each.site == wanted]
            text = "".join(grouped_text(site["kind"], chosen)).expandtabs(4)
        except CommandError as error:
            text = str(error)
        self.app.call_from_thread(self.query_one("#stacks", Static).update, text)
