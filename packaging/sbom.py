#!/usr/bin/env python3
"""Writes the bill of materials of a release, CycloneDX 1.5 in JSON: every library that is linked in, with version and
licence, and those of the distribution that are used at run time.

    packaging/sbom.py --checkouts FOLDER --version 1.0.0 --epoch SECONDS --swift VERSION --output FILE

FOLDER is the build folder of a release build: the versions are those that it was built from. It fails when a package was
built in that packaging/bundled.json does not know, or that the copyright file does not name.
"""

import argparse
import datetime
import json
import pathlib
import re
import sys
import uuid

HERE = pathlib.Path(__file__).resolve().parent


def fail(words):
    sys.exit(f"sbom: {words}")


def licenses(expression):
    if " " in expression:
        return [{"expression": expression}]
    return [{"license": {"id": expression}}]


def component(entry, version, purl=None, scope="required"):
    result = {
        "type": "library",
        "bom-ref": purl or f"{entry['name']}@{version}",
        "name": entry["name"],
        "version": version,
        "scope": scope,
        "licenses": licenses(entry["license"]),
    }
    if "copyright" in entry:
        result["copyright"] = entry["copyright"]
    if purl:
        result["purl"] = purl
    properties = [{"name": "otaferry:in", "value": program} for program in entry["in"]]
    if "note" in entry:
        properties.append({"name": "otaferry:note", "value": entry["note"]})
    result["properties"] = properties
    return result


def built_from(folder):
    """The packages of a build: identity → (address, version, revision)."""
    state = json.loads((folder / "workspace-state.json").read_text())
    packages = {}
    for dependency in state["object"]["dependencies"]:
        checkout = dependency["state"]["checkoutState"]
        packages[dependency["packageRef"]["identity"]] = (dependency["packageRef"]["location"], checkout["version"])
    return packages


def version_inside(checkout, part, version):
    """The version of what a package holds of others, from its own sources; else the package's."""
    if "version_in" not in part:
        return version
    path = checkout / part["version_in"]
    found = [match for pattern in part["version_words"] for match in re.findall(pattern, path.read_text())]
    if not found:
        fail(f"{path} does not tell the version of {part['name']}")
    return ".".join(found)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkouts", required=True, type=pathlib.Path)
    parser.add_argument("--version", required=True)
    parser.add_argument("--epoch", required=True, type=int)
    parser.add_argument("--swift", required=True)
    parser.add_argument("--output", required=True, type=pathlib.Path)
    options = parser.parse_args()

    bundled = json.loads((HERE / "bundled.json").read_text())
    notices = (HERE / "deb/debian/copyright").read_text()
    packages = built_from(options.checkouts)
    unknown = sorted(set(packages) - set(bundled["packages"]))
    if unknown:
        fail(f"{', '.join(unknown)} is built in, and bundled.json says nothing of it")
    gone = sorted(set(bundled["packages"]) - set(packages))
    if gone:
        fail(f"bundled.json lists {', '.join(gone)}, which is not built in any more")

    components = []
    for identity, (location, version) in sorted(packages.items()):
        entry = bundled["packages"][identity]
        path = location.removesuffix(".git").split("://", 1)[-1]
        components.append(component(entry, version, f"pkg:swift/{path}@{version}"))
        for part in entry.get("parts", []):
            checkout = options.checkouts / "checkouts" / entry["name"]
            components.append(component({"in": entry["in"], **part}, version_inside(checkout, part, version)))
            if part["files"] not in notices:
                fail(f"the copyright file does not name {part['files']}")
        if f"Files: {entry['name']}/*" not in notices:
            fail(f"the copyright file does not name {entry['name']}")
    for entry in bundled["runtime"]:
        components.append(component(entry, options.swift))
    for entry in bundled["distribution"]:
        components.append(component(entry, entry["least"], f"pkg:deb/debian/{entry['package']}"))

    moment = datetime.datetime.fromtimestamp(options.epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    root = f"pkg:generic/otaferry@{options.version}"
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        # The same for the same contents, so that a build can be repeated.
        "serialNumber": "urn:uuid:" + str(uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([root, moment, components]))),
        "version": 1,
        "metadata": {
            "timestamp": moment,
            "component": {
                "type": "application", "bom-ref": root, "name": "otaferry", "version": options.version,
                "licenses": licenses("Apache-2.0"), "purl": root,
            },
        },
        "components": components,
        "dependencies": [
            {"ref": root, "dependsOn": sorted(part["bom-ref"] for part in components)},
            *({"ref": part["bom-ref"]} for part in components),
        ],
    }
    options.output.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    print(f"{options.output.name}: {len(components)} libraries with version and licence")


if __name__ == "__main__":
    main()
