"""`crm`: the command line. Options, then one command, a file of commands, standard input, or a prompt.

Owns: options and the way in. Imports nothing that a one-shot command does not need: `crm status` has to be quick.
Exit: 0 when all went well, 1 when not, 102 when the cluster does not run here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from standfast.base.report import Refused, error
from standfast.shell.output import Output
from standfast.shell.session import Options, Session

USAGE = """usage: crm [OPTIONS] [LEVEL...] [COMMAND ARGUMENTS]

  -f, --file FILE       run the commands of FILE, - is standard input
  -F, --force           do it over errors, and without questions
  -w, --wait            wait until the cluster has done what was asked
  -o, --output json     read commands (status, configure show, ...) print JSON
  -D, --display MODE    plain, color, color-always
  -d, --debug           show where an error of crm itself came from
  -R, --regression-tests   accepted, does nothing
  -h, --help            this text; crm help for the commands
      --version         the version

Without a command: a prompt, or the commands on standard input.
"""
EXIT_INTERRUPTED = 130
EXIT_PIPE = 141
EXIT_DISCONNECTED = 102

_FLAGS = {
    "-F": "force",
    "--force": "force",
    "-w": "wait",
    "--wait": "wait",
    "-d": "debug",
    "--debug": "debug",
    "-R": "regression",
    "--regression-tests": "regression",
    "-h": "help",
    "--help": "help",
    "--version": "version",
}
_VALUES = {
    "-f": "file",
    "--file": "file",
    "-D": "display",
    "--display": "display",
    "-o": "output",
    "--output": "output",
    "-c": "cib",
}
_VALUES |= {"--cib": "cib"}
DISPLAYS = ("plain", "color", "color-always", "uppercase")


def main(argv: Sequence[str] | None = None) -> int:
    """Run crm; gives the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        given, words = read_options(arguments)
    except Refused as refused:
        for report in refused.reports:
            sys.stderr.write(f"crm: {report.sentence()}\n")
        return refused.exit_code
    if "help" in given:
        sys.stdout.write(USAGE)
        return 0
    if "version" in given:
        import standfast

        sys.stdout.write(f"crm (standfast {standfast.__version__})\n")
        return 0
    try:
        return _run(given, words)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the reader has gone: nothing to flush at exit
        return EXIT_PIPE
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return EXIT_INTERRUPTED


def read_options(arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The options before the first word, by name, and the words. Raises Refused (64)."""
    given: dict[str, str] = {}
    index = 0
    while index < len(arguments) and arguments[index].startswith("-") and arguments[index] != "-":
        word = arguments[index]
        name, has_value, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if name in _FLAGS:
            given[_FLAGS[name]] = "yes"
        elif name in _VALUES:
            if not has_value:
                index += 1
                if index == len(arguments):
                    raise Refused(error("shell.option", f"{name} needs a value", "", "crm --help"), exit_code=64)
                value = arguments[index]
            given[_VALUES[name]] = value
        elif word.startswith("-") and not word.startswith("--") and len(word) > 2 and all(f"-{c}" in _FLAGS for c in word[1:]):
            given |= {_FLAGS[f"-{letter}"]: "yes" for letter in word[1:]}
        else:
            raise Refused(error("shell.option", f"unknown option {word}", "", "crm --help"), exit_code=64)
        index += 1
    _check_values(given)
    return given, list(arguments[index:])


def _check_values(given: dict[str, str]) -> None:
    if given.get("display", "plain") not in DISPLAYS:
        raise Refused(error("shell.option", f"unknown display {given['display']!r}", "", ", ".join(DISPLAYS)), exit_code=64)
    if "cib" in given and given["cib"] not in ("", "live"):
        what = "shadow CIBs are not offered; a configuration is tried out in crm configure, which changes nothing before commit"
        raise Refused(error("shell.option", what), exit_code=64)
    output = given.get("output", "")
    if output and output not in ("json", "text") and "=" not in output:
        raise Refused(error("shell.option", f"unknown output {output!r}", "", "json or text"), exit_code=64)


def _run(given: dict[str, str], words: list[str]) -> int:
    options = Options("force" in given, "wait" in given, "debug" in given, given.get("output") == "json")
    reads_commands = "file" in given or (not sys.stdin.isatty() and not words)
    output = Output(is_interactive=False if reads_commands else None, display=given.get("display", ""))
    session = Session(output, options=options)
    if "file" in given:
        return _run_text(session, words, given["file"])
    if words:
        try:
            left = session.enter(words)
        except Refused as refused:
            output.say_all(refused.reports)
            return refused.exit_code
        if left:
            del session.stack[1:]
            return _exit_code(session, session.run_words(words))
    if sys.stdin.isatty():
        from standfast.shell.prompt import interact

        return interact(session)
    output.is_interactive = False
    return _run_text(session, [], "-")


def _run_text(session: Session, words: list[str], name: str) -> int:
    """The commands of a file, standing on the level that `words` name."""
    from standfast.shell.batch import read_text, run_text

    try:
        left = session.enter(words)
        if left:
            session.output.say(error("shell.usage", f"-f takes no command: {' '.join(left)}", "", "crm [-f FILE] [LEVEL]"))
            return 64
        is_good = run_text(session, read_text(name), "stdin" if name == "-" else name)
    except Refused as refused:
        session.output.say_all(refused.reports)
        return refused.exit_code
    return _exit_code(session, is_good)


def _exit_code(session: Session, is_good: bool) -> int:
    if is_good:
        return 0
    return EXIT_DISCONNECTED if session.exit_code == EXIT_DISCONNECTED else 1


if __name__ == "__main__":
    sys.exit(main())
