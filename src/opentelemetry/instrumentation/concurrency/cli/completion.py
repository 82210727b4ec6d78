"""``completion``: prints a shell script that completes commands, options and PIDs."""

from __future__ import annotations

import argparse
from typing import Final

from .command_line import commands_of
from .failures import FINE
from .terminal import emit_script

NAME: Final = "completion"
HELP: Final = "print the completion script of a shell"
EXAMPLES: Final = """eval "$(otel-concurrency completion bash)"
eval "$(otel-concurrency completion zsh)"
otel-concurrency completion fish | source"""

_PIDS: Final = "otel-concurrency ps --agents --no-headers --timeout 500ms 2>/dev/null | awk '{print $1}'"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    from .main import build_parser

    options = options_by_command(build_parser())
    emit_script(_fish(options) if arguments.shell == "fish" else _bash(options, zsh=arguments.shell == "zsh"))
    return FINE


def options_by_command(parser: argparse.ArgumentParser) -> dict[str, list[str]]:
    """Return the long options of each command."""
    found: dict[str, list[str]] = {}
    for name, command in commands_of(parser).items():
        shown = [one for one in command._actions if one.help != argparse.SUPPRESS]
        strings = [each for one in shown for each in one.option_strings]
        found[name] = sorted(each for each in strings if each.startswith("--"))
    return found


def _bash(options: dict[str, list[str]], *, zsh: bool) -> str:
    cases = "\n".join(f"    {name}) words='{' '.join(each)}';;" for name, each in options.items())
    head = "autoload -Uz +X bashcompinit && bashcompinit\n" if zsh else ""
    return f"""{head}_otel_concurrency() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" words=
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '{" ".join(options)} --help --version' -- "$current")); return
  fi
  case "${{COMP_WORDS[1]}}" in
{cases}
  esac
  case "$current" in
    -*) ;;
    *) words="all $({_PIDS})";;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _otel_concurrency otel-concurrency
"""


def _fish(options: dict[str, list[str]]) -> str:
    lines = ["complete -c otel-concurrency -f"]
    lines.append(f"complete -c otel-concurrency -n __fish_use_subcommand -a '{' '.join(options)}'")
    for name, each in options.items():
        seen = f"'__fish_seen_subcommand_from {name}'"
        lines += [f"complete -c otel-concurrency -n {seen} -l {option[2:]}" for option in each]
    lines.append(f'complete -c otel-concurrency -n "not __fish_use_subcommand" -a "all ({_PIDS})"')
    return "\n".join(lines) + "\n"
