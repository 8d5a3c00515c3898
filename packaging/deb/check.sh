#!/usr/bin/env bash
# Looks at the packages of this machine in dist/: lintian, the bill of materials against its schema, the checksums.
set -euo pipefail
cd "$(dirname "$0")/../.."
packaging/install-build-packages.sh lintian

version=$(sed -n 's/.*static let text = "\(.*\)"/\1/p' Sources/Agent/AgentVersion.swift)${OTAFERRY_VERSION_SUFFIX:-}
architecture=$(dpkg --print-architecture)
packages=()
for name in otaferry otaferry-cloud otaferry-dbgsym otaferry-cloud-dbgsym; do
    packages+=("dist/${name}_${version}_$architecture.deb")
    [[ -s ${packages[-1]} ]] || { echo "${packages[-1]} is not there: make deb" >&2 && exit 1; }
done

found=$(lintian --allow-root --fail-on error,warning "${packages[@]}" 2>&1 | grep -E '^[EW]:' || true)
[[ -z $found ]] || { printf '%s\n' "$found" >&2 && exit 1; }
echo "lintian: no errors and no warnings in ${#packages[@]} packages"

# The validator of the people who make the format, in a folder of its own.
python=${OTAFERRY_CACHE:-$HOME/.cache/otaferry}/cyclonedx
if [[ ! -d $python ]]; then
    rm -rf "$python.part"
    mkdir -p "$(dirname "$python")"
    python3 -m pip --version >/dev/null 2>&1 || packaging/install-build-packages.sh python3-pip
    # It warns of packages elsewhere that do not matter here.
    if ! words=$(python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
        --target "$python.part" 'cyclonedx-python-lib[json-validation]==11.12.0' 2>&1); then
        printf '%s\n' "$words" >&2
        exit 1
    fi
    mv "$python.part" "$python"
fi
PYTHONPATH=$python python3 - "dist/otaferry_${version}_$architecture.cdx.json" <<'END'
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
with open(sys.argv[1]) as file:
    text = file.read()
error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
if error:
    sys.exit(f"{sys.argv[1]}: {error}")
print(f"{sys.argv[1]}: valid CycloneDX 1.5")
END
(cd dist && sha256sum --check --quiet SHA256SUMS)
echo "checksums: right"
