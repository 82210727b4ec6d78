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

from ..agent.answer_shapes import EXECUTORS, GENERATORS
from ..durations import short_duration
from ..render.grouped_text import grouped_text
from ..sanitize import sanitize
from .failures import CommandError
from .left_out import left_out_text
from .site_cells import site_key, site_of
from .top_rows import COLUMNS, Rows

if TYPE_CHECKING:
    from .sources import Source


class TopApp(App[None]):
    """A live table of creation sites.

    Args:
        source: The process.
        interval_s: Refresh interval in seconds.

    Attributes:
        failure: Reason for the end if the process became unreachable; empty if the user quit.
    """

    CSS = """
    #head { height: auto; max-height: 5; }
    Input { display: none; }
    Input.open { display: block; }
    DataTable { height: 1fr; }
    """
    BINDINGS: ClassVar[Any] = [
        Binding("q", "quit", "Quit"),
        Binding("s", "sort", "Sort"),
        Binding("r", "reverse", "Reverse"),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("p", "pause", "Pause"),
        Binding("escape", "unfilter", "All", show=False),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, source: Source, interval_s: float) -> None:
        super().__init__()
        self.failure = ""
        self._source = source
        self._interval_s = interval_s
        self._rows = Rows()
        self._facts: dict[str, Any] = {}
        self._is_paused = False
        self._sites: dict[str, dict[str, Any]] = {}

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        yield Static(id="head", markup=False)
        yield Input(placeholder="show sites that contain …")
        yield DataTable(cursor_type="row", zebra_stripes=True)
        yield Footer()

    def on_mount(self) -> None:
        """Start refreshing."""
        self.query_one(DataTable).focus()
        self.set_interval(self._interval_s, self._scan)
        self._scan()

    @work(thread=True, exclusive=True)
    def _scan(self) -> None:
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
        left_out = left_out_text(facts, (GENERATORS, EXECUTORS))
        self.query_one("#head", Static).update(
            sanitize(
                f"process {facts['pid']} {facts.get('service', '')}  Python {facts['python']}  "
                f"instrumented for {short_duration(facts['uptime_s'])}{paused}"
            )
            + "\n"
            + sanitize(
                f"tasks {facts.get('tasks')}  threads {facts.get('threads')}  orphans {facts['orphans']}  "
                f"growing {facts['suspects']}{f'  delay {delays}' if delays else ''}"
                f"{f'  not shown: {left_out}' if left_out else ''}"
            )
        )
        table = self.query_one(DataTable)
        row, column = table.cursor_coordinate
        table.clear(columns=True)
        mark = "▲" if self._rows.is_reversed else "▼"
        table.add_columns(*(f"{name} {mark}" if at == self._rows.column else name for at, name in enumerate(COLUMNS)))
        self._sites = {}
        for site, cells in self._rows.shown():
            key = repr(site_key(site))
            self._sites[key] = site
            style = "red" if site["unwakeable"] else "yellow" if _is_suspicious(site) else ""
            table.add_row(*(Text(sanitize(cell), style=style) for cell in cells), key=key)
        table.move_cursor(row=min(row, table.row_count - 1), column=column)

    def action_sort(self) -> None:
        """Sort by the next column."""
        self._rows.sort_next()
        self._paint()

    def action_reverse(self) -> None:
        """Reverse the order."""
        self._rows.is_reversed = not self._rows.is_reversed
        self._paint()

    def action_pause(self) -> None:
        """Pause or resume refreshing."""
        self._is_paused = not self._is_paused
        self._paint()

    def action_filter(self) -> None:
        """Open the filter field."""
        field = self.query_one(Input)
        field.add_class("open")
        field.focus()

    def action_unfilter(self) -> None:
        """Show all sites."""
        self.query_one(Input).value = ""
        self._close_filter()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show the sites that contain the text."""
        self._rows.wanted = event.value
        self._paint()

    def on_input_submitted(self, _event: Input.Submitted) -> None:
        """Keep the filter and return to the table."""
        self._close_filter()

    def _close_filter(self) -> None:
        self.query_one(Input).remove_class("open")
        self.query_one(DataTable).focus()

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Show the stacks of the selected site."""
        site = self._sites.get(str(event.row_key.value))
        if site is not None:
            self.push_screen(SiteScreen(self._source, site))


def _is_suspicious(site: dict[str, Any]) -> bool:
    return bool(site["orphans"] or site.get("suspect") or site["destroyed"] or site["unretrieved"])


class SiteScreen(Screen[None]):
    """The stacks of the tasks or threads of one site, grouped.

    Args:
        source: The process.
        site: The site.
    """

    BINDINGS: ClassVar[Any] = [Binding("escape,q,left", "app.pop_screen", "Back")]

    def __init__(self, source: Source, site: dict[str, Any]) -> None:
        super().__init__()
        self._source = source
        self._site = site

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        with VerticalScroll():
            yield Static("Querying …", id="stacks", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Query the stacks."""
        self.query_one(VerticalScroll).focus()
        self._ask()

    @work(thread=True)
    def _ask(self) -> None:
        site = self._site
        try:
            wanted = site_of(site)
            chosen = [each for each in self._source.count(site["kind"]).counts if each.site == wanted]
            lines = [sanitize(line.removesuffix("\n"), keep="\t") for line in grouped_text(site["kind"], chosen)]
            text = "\n".join(lines).expandtabs(4)
        except CommandError as error:
            text = sanitize(error)
        self.app.call_from_thread(self.query_one("#stacks", Static).update, text)
