"""Completion scripts, written from the parsers: what the parsers do not know, no script can offer."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

from imgforge.cli import verbs
from imgforge.cli.parser import Argument

Table = Mapping[str, tuple[Argument, ...]]

_DIRECTORIES = ("DIR",)


def bash(table: Table) -> str:
    """Return the script for bash (GNU bash manual, "Programmable Completion")."""
    return f"""\
# imgforge completion for bash
_imgforge() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}}
    local verb=${{COMP_WORDS[1]}} words= choices=
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W {_words(("--help", "--version", *table))} -- "$current"))
        return
    fi
    case $verb:$previous in
{"".join(_bash_values(table))}    esac
    case $verb in
{"".join(_bash_verbs(table))}    esac
    if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W "$words" -- "$current"))
    elif [[ $choices ]]; then
        COMPREPLY=($(compgen -W "$choices" -- "$current"))
    else
        COMPREPLY=($(compgen -f -- "$current"))
    fi
}}
complete -o filenames -F _imgforge imgforge"""


def _bash_values(table: Table) -> Iterator[str]:
    for name, arguments in table.items():
        for argument in arguments:
            pattern = "|".join(f"{name}:{flag}" for flag in argument.flags)
            if pattern and argument.choices:
                yield f'    {pattern}) COMPREPLY=($(compgen -W {_words(argument.choices)} -- "$current")); return ;;\n'
            elif pattern and argument.takes in _DIRECTORIES:
                yield f'    {pattern}) COMPREPLY=($(compgen -d -- "$current")); return ;;\n'


def _bash_verbs(table: Table) -> Iterator[str]:
    for name, arguments in table.items():
        flags = [flag for argument in arguments for flag in argument.flags]
        choices = [choice for argument in arguments if not argument.flags for choice in argument.choices]
        yield f"    {name}) words={_words(flags)} choices={_words(choices)} ;;\n"


def zsh(table: Table) -> str:
    """Return the script for zsh (zsh manual, "Completion System", _arguments)."""
    names = " ".join(shlex.quote(f"{name}:{verbs.SUMMARIES[name]}") for name in table)
    cases = "".join(f"    {name}) _arguments {' '.join(_zsh(arguments))} ;;\n" for name, arguments in table.items())
    return f"""\
#compdef imgforge
# imgforge completion for zsh
_imgforge() {{
    local -a verbs
    verbs=({names})
    if ((CURRENT == 2)); then
        _describe verb verbs
        return
    fi
    local verb=$words[2]
    shift words
    ((CURRENT -= 1))
    case $verb in
{cases}    esac
}}
_imgforge "$@\""""


def _zsh(arguments: tuple[Argument, ...]) -> Iterator[str]:
    for argument in arguments:
        for flag in argument.flags or ("",):
            summary = f"[{argument.summary.translate(_BRACKETS)}]" if flag else ""
            value = f":{argument.takes.lower()}:{_zsh_value(argument)}" if argument.takes else ""
            yield shlex.quote(f"{'*' if flag else ''}{flag}{summary}{value}")


_BRACKETS = str.maketrans({"[": "(", "]": ")"})


def _zsh_value(argument: Argument) -> str:
    if argument.choices:
        return f"({' '.join(argument.choices)})"
    return {"DIR": "_files -/", "MANIFEST": "_files", "FILE": "_files", "TARGET": "_files"}.get(argument.takes, " ")


def fish(table: Table) -> str:
    """Return the script for fish (fish manual, complete)."""
    lines = ["# imgforge completion for fish"]
    for name, arguments in table.items():
        lines.append(
            f"complete -c imgforge -f -n __fish_use_subcommand -a {name} -d {shlex.quote(verbs.SUMMARIES[name])}"
        )
        condition = shlex.quote(f"__fish_seen_subcommand_from {name}")
        lines += [f"complete -c imgforge -n {condition} {_fish(argument)}" for argument in arguments]
    return "\n".join(lines)


def _fish(argument: Argument) -> str:
    words = [f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in argument.flags]
    if argument.takes and argument.flags:
        words.append("-r")
    if argument.choices:
        words.append(f"-f -a {_words(argument.choices)}")
    elif argument.takes in _DIRECTORIES:
        words.append("-f -a '(__fish_complete_directories)'")
    return " ".join((*words, f"-d {shlex.quote(argument.summary)}"))


def _words(words: Iterable[str]) -> str:
    return shlex.quote(" ".join(words))


WRITERS: Mapping[str, Callable[[Table], str]] = MappingProxyType({"bash": bash, "zsh": zsh, "fish": fish})
"""The shells that have a script."""
