#!/usr/bin/env python3
"""Makes manual pages from what a program says of itself, so that they and --help agree.

    PROGRAM --experimental-dump-help | packaging/man.py --date 2026-05-01 --version 1.0.0 FOLDER

Writes FOLDER/PROGRAM.1 and FOLDER/PROGRAM-COMMAND.1 for each command, in mdoc(7); for otaferry also
FOLDER/otaferry.toml.5, out of docs/configuration.md, which a test compares with the code.
"""

import argparse
import datetime
import json
import pathlib
import re
import sys

ENVIRONMENT = [
    ("OTAFERRY_BROKER", "Where the broker is; --broker wins."),
    ("OTAFERRY_GATEWAY", "The gateway whose agent is meant; --gateway wins."),
    ("OTAFERRY_SENDER", "The sender's name in topics; --sender wins."),
    ("OTAFERRY_USERNAME", "User name at the broker; --username wins."),
    ("OTAFERRY_PASSWORD_FILE", "File with the broker's password; --password-file wins."),
    ("OTAFERRY_CA_FILE", "CA certificates in PEM; --ca-file wins."),
    ("OTAFERRY_CERT_FILE", "Certificate in PEM that says who you are; --cert-file wins."),
    ("OTAFERRY_KEY_FILE", "The certificate's key in PEM; --key-file wins."),
]
COLORS = ("NO_COLOR", "No colors.")
EXITS = [
    (0, "Done."),
    (1, "Failed, and said why; doctor: warnings; status: not online."),
    (2, "Errors found."),
    (64, "The command line was wrong."),
    (69, "Broker or agent not reachable."),
    (74, "Standard output could not be written."),
    (75, "Not yet: the time limit or Ctrl-C came first."),
    (77, "Not allowed."),
    (78, "The configuration has mistakes."),
]
CONFIGURATION = [
    ("/etc/otaferry/otaferry.toml", "The configuration; every key is explained in it."),
    ("/etc/otaferry/otaferry.d/*.toml", "Read after it, in the order of their names."),
]
FILES = CONFIGURATION + [
    ("/etc/credstore/otaferry.aliyun", "The access key of the cloud account, which systemd hands to the service."),
    ("/etc/credstore/otaferry.mqtt-password", "The agent's password at the broker, likewise."),
    ("/etc/otaferry/credentials", "The access key where no service manager hands it over, mode 0600."),
    ("/var/lib/otaferry/spool.db", "The spool."),
]


def escaped(text, whole=True):
    """Text that roff takes as it is; with whole, names are not divided at the end of a line."""
    text = text.replace("\\", "\\e")
    # A hyphen that can be copied, not a dash.
    text = text.replace("-", "\\-")
    # Those of calls, variables, keys and programs.
    if whole:
        text = re.sub(r"(?<!\S)(?=\S*(?:[a-z][A-Z]|[A-Z]{3}|[_=/.]\w|otaferry))", r"\\%", text)
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)


def paragraphs(text):
    """Sentences, one a line, as mdoc wants them."""
    for number, paragraph in enumerate(part for part in text.split("\n\n") if part.strip()):
        lines = paragraph.strip("\n").split("\n")
        if all(line.startswith("  ") for line in lines):
            yield from indented(lines)
            continue
        if number:
            yield ".Pp"
        for sentence in re.split(r"(?<=[.:;])\s+", " ".join(paragraph.split())):
            yield escaped(sentence)


def indented(lines):
    """Lines that stand as they are in --help: a table of words with what each means, or commands."""
    rows = []
    for line in lines:
        begin = re.match(r"  (\S.*?)(?:\s{2,}(\S.*))?$", line)
        if begin:
            rows.append([begin[1], begin[2] or ""])
        elif rows:
            rows[-1][1] = f"{rows[-1][1]} {line.strip()}".strip()
    if rows and all(text for _, text in rows):
        yield ".Bl -tag -width Ds"
        for word, text in rows:
            yield f".It Li {escaped(word, whole=False)}"
            yield escaped(text)
        yield ".El"
        return
    yield ".Bd -literal"
    for line in lines:
        yield escaped(line.strip(), whole=False)
    yield ".Ed"


def joined(arguments):
    """Flags that stand for yes and no become one, as --help has them."""
    result = []
    for argument in arguments:
        former = result[-1] if result else None
        names = [name["name"] for name in argument.get("names", [])]
        if former and argument["kind"] == "flag" and names == ["no-" + name["name"] for name in former.get("names", [])]:
            result[-1] = {**former, "opposite": argument["names"]}
        else:
            result.append(argument)
    return result


def flags(argument):
    """The names of an option as a person types them."""
    dash = {"long": "--", "short": "-", "longWithSingleDash": "-"}
    return [dash[name["kind"]] + name["name"] for name in argument.get("names", []) + argument.get("opposite", [])]


def macro(argument, brief=False):
    """An argument in the macros of mdoc."""
    value = argument.get("valueName", "")
    if argument["kind"] == "positional":
        text = f"Ar {escaped(value)}"
    else:
        names = flags(argument)
        shown = names[:1] if brief and "opposite" not in argument else names
        # Fl writes one hyphen itself.
        text = (" | " if brief else " , ").join("Fl " + escaped(name[1:]) for name in shown)
        if argument["kind"] == "option":
            text += f" Ar {escaped(value)}"
    # All that is not recognized is taken so that a negative number is no option.
    if argument.get("isRepeating") and argument.get("parsingStrategy") != "allUnrecognized":
        text += " ..."
    return text


def subcommands_of(command):
    """Those that do something themselves."""
    return [sub for sub in command.get("subcommands", []) if sub["commandName"] != "help"]


def asks_agent(command):
    """Whether a command speaks to an agent as a person, and so reads the variables that say which and who."""
    return any(name["name"] == "sender" for argument in command.get("arguments", []) for name in argument.get("names", []))


def environment(names, command):
    """The variables that count."""
    if len(names) == 1:
        return ENVIRONMENT + [COLORS]
    if asks_agent(command):
        return ENVIRONMENT + [COLORS]
    return [COLORS] if names[-1] == "doctor" else []


def synopsis(names, command):
    """The command line in short."""
    yield ".Nm " + " ".join(names[:1])
    if len(names) > 1:
        yield ".Cm " + " ".join(names[1:])
    for argument in joined(command.get("arguments", [])):
        if not argument.get("shouldDisplay", True):
            continue
        text = macro(argument, brief=True)
        yield (".Op " if argument.get("isOptional") else ".") + text
    if subcommands_of(command):
        yield ".Ar command"
        yield ".Op Ar options"


def options(command):
    """What each argument means, by sections."""
    arguments = [argument for argument in joined(command.get("arguments", [])) if argument.get("shouldDisplay", True)]
    sections = []
    for argument in arguments:
        title = argument.get("sectionTitle", "")
        if title not in sections:
            sections.append(title)
    for title in sections:
        if title:
            yield f".Ss {escaped(title)}"
        yield ".Bl -tag -width Ds"
        for argument in arguments:
            if argument.get("sectionTitle", "") != title:
                continue
            yield f".It {macro(argument)}"
            yield from paragraphs(argument.get("abstract", ""))
            if argument.get("discussion"):
                yield from paragraphs(argument["discussion"])
            values = argument.get("allValues")
            if values:
                yield f"One of: {escaped(', '.join(values))}."
            if argument.get("defaultValue"):
                yield f"Default: {escaped(argument['defaultValue'])}."
        yield ".El"


def table(macro_name, rows):
    """A list of names with what each means."""
    yield ".Bl -tag -width Ds"
    for name, text in rows:
        yield f".It {macro_name} {escaped(str(name))}" if macro_name else f".It {escaped(str(name))}"
        yield from paragraphs(text)
    yield ".El"


def page(names, command, arguments, pages):
    """One page."""
    date = arguments.date
    title = "-".join(names)
    subcommands = subcommands_of(command)
    yield f".Dd {date:%B} {date.day}, {date.year}"
    yield f".Dt {title.upper()} 1"
    yield f".Os {escaped((names[0] + ' ' + arguments.version).strip(), whole=False)}"
    yield ".Sh NAME"
    yield f".Nm {title}"
    abstract = command.get("abstract", "").rstrip(".")
    yield f".Nd {escaped(abstract[:1].lower() + abstract[1:], whole=False)}"
    yield ".Sh SYNOPSIS"
    yield from synopsis(names, command)
    yield ".Sh DESCRIPTION"
    yield from paragraphs(command.get("abstract", ""))
    if command.get("discussion"):
        yield ".Pp"
        yield from paragraphs(command["discussion"])
    if subcommands:
        yield ".Pp"
        yield "The commands are:"
        yield ".Bl -tag -width Ds"
        for sub in subcommands:
            yield f".It Cm {escaped(sub['commandName'])}"
            yield from paragraphs(sub.get("abstract", ""))
            yield "See"
            yield f".Xr {'-'.join(names + [sub['commandName']])} 1 ."
        yield ".El"
    yield ".Sh OPTIONS"
    yield from options(command)
    if names[0] == "otaferry":
        variables = environment(names, command)
        if variables:
            yield ".Sh ENVIRONMENT"
            yield from table("Ev", variables)
        yield ".Sh FILES"
        yield from table("Pa", CONFIGURATION if asks_agent(command) else FILES)
        yield ".Sh EXIT STATUS"
        yield from table("", EXITS)
    yield ".Sh SEE ALSO"
    others = [f"{other} 1" for other in sorted(pages) if other != title]
    if names[0] == "otaferry":
        others.append("otaferry.toml 5")
    else:
        others.append("otaferry 1")
    for number, other in enumerate(others):
        yield f".Xr {other}" + (" ," if number + 1 < len(others) else "")


def plain(text):
    """Markdown's signs taken away."""
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", text).replace("`", "")


def configuration_page(markdown, arguments):
    """The keys of the configuration."""
    date = arguments.date
    yield f".Dd {date:%B} {date.day}, {date.year}"
    yield ".Dt OTAFERRY.TOML 5"
    yield f".Os {escaped('otaferry ' + arguments.version, whole=False)}"
    yield ".Sh NAME"
    yield ".Nm otaferry.toml"
    yield ".Nd configuration of the agent otaferry"
    yield ".Sh SYNOPSIS"
    yield ".Pa /etc/otaferry/otaferry.toml"
    yield ".Pp"
    yield ".Pa /etc/otaferry/otaferry.d/*.toml"
    yield ".Sh DESCRIPTION"
    yield from paragraphs(
        "A TOML file. Files of otaferry.d beside it are read after it, in the order of their names; later ones win. "
        "A mistake keeps the agent from starting, and otaferry check names all of them. "
        "Sizes are written as 64KiB or 20MB, durations as 250ms, 30s, 15m, 24h or 7d, both in quotes."
    )
    is_listing = False
    for line in markdown.split("## Keys\n", 1)[1].splitlines():
        if line.startswith("### "):
            if is_listing:
                yield ".El"
            is_listing = False
            yield f".Ss {escaped(plain(line[4:]))}"
        elif line.startswith("#### "):
            if not is_listing:
                yield ".Bl -tag -width Ds"
            is_listing = True
            yield f".It Ic {escaped(plain(line[5:]), whole=False)}"
        elif line.startswith("- "):
            # One line: type, default and range.
            name, _, value = plain(line[2:]).partition(": ")
            yield escaped(f"{name}: {value or 'empty'}.")
            if name == "Range":
                yield ".Pp"
        elif line.strip():
            yield escaped(plain(line))
    if is_listing:
        yield ".El"
    yield ".Sh FILES"
    yield from table("Pa", FILES)
    yield ".Sh SEE ALSO"
    yield ".Xr otaferry 1 ,"
    yield ".Xr otaferry-check 1 ,"
    yield ".Xr otaferry-doctor 1"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--date", type=datetime.date.fromisoformat, required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("folder", type=pathlib.Path)
    arguments = parser.parse_args()
    folder = arguments.folder
    command = json.load(sys.stdin)["command"]
    name = command["commandName"]
    found = [([name], command)]
    for sub in command.get("subcommands", []):
        if sub["commandName"] != "help" and sub.get("shouldDisplay", True):
            found.append(([name, sub["commandName"]], sub))
    pages = ["-".join(names) for names, _ in found]
    folder.mkdir(parents=True, exist_ok=True)
    for names, described in found:
        # Short pages name the program's, that names all.
        related = pages if len(names) == 1 else [name]
        text = "\n".join(page(names, described, arguments, related)) + "\n"
        (folder / ("-".join(names) + ".1")).write_text(text, encoding="utf-8")
    count = len(found)
    reference = pathlib.Path(__file__).resolve().parent.parent / "docs/configuration.md"
    if name == "otaferry":
        text = "\n".join(configuration_page(reference.read_text(encoding="utf-8"), arguments)) + "\n"
        (folder / "otaferry.toml.5").write_text(text, encoding="utf-8")
        count += 1
    print(f"{count} pages in {folder}")


if __name__ == "__main__":
    main()
