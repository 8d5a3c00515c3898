#!/usr/bin/env python3
"""Makes the manual page of a program from what it says about itself.

    PROGRAM --experimental-dump-help | packaging/man.py --date 2026-05-01 --version 1.0.0 FOLDER

Writes FOLDER/PROGRAM.1: the program with every command and option, in mdoc(7).
"""

import argparse
import datetime
import json
import pathlib
import re
import sys


def text(words):
    """Words as one or more lines of running text."""
    lines = []
    for paragraph in re.split(r"\n\s*\n", words.strip()):
        if lines:
            lines.append(".Pp")
        for line in paragraph.splitlines():
            line = line.replace("\\", "\\e")
            # A line of roff's that begins with a point or an apostrophe would be a command.
            lines.append("\\&" + line if line[:1] in (".", "'") else line)
            if line.startswith(" "):
                lines.append(".br")
    return lines


def sentence(words):
    """An abstract without its full stop."""
    return words.rstrip(".")


def quoted(word):
    """A word that mdoc takes as it is, hyphens and all."""
    return "\\&" + word.replace("\\", "\\e").replace("-", "\\-")


def names(item):
    return [("-" if name["kind"] == "short" else "--") + name["name"] for name in item.get("names", [])]


def synopsis(path, command):
    lines = [f".Nm {path[0]}"] if len(path) == 1 else [f".Nm {path[0]}", ".Cm " + " ".join(path[1:])]
    for item in command.get("arguments", []):
        if not item["shouldDisplay"] or item["valueName"] in ("help", "version"):
            continue
        if item["kind"] == "positional":
            word = ".Ar " + quoted(item["valueName"])
        else:
            word = ".Fl " + quoted(item["preferredName"]["name"] if item["preferredName"]["kind"] == "short"
                                   else "-" + item["preferredName"]["name"])
            if item["kind"] == "option":
                word += " Ar " + quoted(item["valueName"])
        if item["isRepeating"]:
            word += " No ..."
        lines.append(".Op " + word[1:] if item["isOptional"] else word)
    return lines


def options(command):
    lines = []
    for item in command.get("arguments", []):
        if not item["shouldDisplay"] or (item["valueName"] == "version" and "superCommands" in command):
            continue
        if item["kind"] == "positional":
            label = "Ar " + quoted(item["valueName"])
        else:
            label = " , ".join("Fl " + quoted(name[1:]) for name in names(item))
            if item["kind"] == "option":
                label += " Ar " + quoted(item["valueName"])
        lines.append(".It " + label)
        lines += text(item.get("abstract", ""))
        if item.get("defaultValue"):
            lines += text(f"Default: {item['defaultValue']}.")
        if item.get("discussion"):
            lines += text(item["discussion"])
    return [".Bl -tag -width indent", *lines, ".El"] if lines else []


def page(program, version, date):
    name = program["commandName"]
    commands = [command for command in program.get("subcommands", [])
                if command["shouldDisplay"] and command["commandName"] != "help"]
    lines = [
        f".Dd {date:%B} {date.day}, {date.year}", f".Dt {name.upper()} 1", f".Os {name} {version}",
        ".Sh NAME", f".Nm {name}", f".Nd {sentence(program['abstract'])}", ".Sh SYNOPSIS",
    ]
    if commands:
        lines += [f".Nm {name}", ".Ar command", ".Op Ar options"]
    else:
        lines += synopsis([name], program)
    lines += [".Sh DESCRIPTION", *text(program["abstract"])]
    if program.get("discussion"):
        lines += [".Pp", *text(program["discussion"])]
    if commands:
        lines += [".Sh COMMANDS"]
        for command in commands:
            lines += [f".Ss {command['commandName']}", *synopsis([name, command["commandName"]], command), ".Pp",
                      *text(command.get("abstract", ""))]
            if command.get("discussion"):
                lines += [".Pp", *text(command["discussion"])]
            lines += options(command)
    else:
        lines += [".Sh OPTIONS", *options(program)]
    if name == "otaferry":
        lines += [
            ".Sh FILES", ".Bl -tag -width indent",
            ".It Pa /etc/otaferry/otaferry.toml", "The configuration; files in",
            ".Pa /etc/otaferry/otaferry.d", "are read after it.",
            ".It Pa /etc/otaferry/credentials", "The access key of the cloud account, where no credential of the service",
            "manager takes its place.",
            ".It Pa /var/lib/otaferry/spool.db", "The spool: firmware on its way, and its state.", ".El",
            ".Sh SEE ALSO", ".Xr mosquitto 8 ,", ".Xr mosquitto.conf 5 ,", ".Xr systemctl 1",
        ]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--date", required=True, type=datetime.date.fromisoformat)
    parser.add_argument("--version", required=True)
    parser.add_argument("folder", type=pathlib.Path)
    options_given = parser.parse_args()
    program = json.load(sys.stdin)["command"]
    options_given.folder.mkdir(parents=True, exist_ok=True)
    target = options_given.folder / f"{program['commandName']}.1"
    target.write_text(page(program, options_given.version, options_given.date))


if __name__ == "__main__":
    main()
