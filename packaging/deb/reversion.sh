#!/usr/bin/env bash
# The same packages under another version, with another configuration file: what a test upgrades from and to.
#   packaging/deb/reversion.sh VERSION FOLDER PACKAGE…
set -euo pipefail

version=$1
folder=$2
shift 2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$folder"
echo "$version" >"$folder/version"
for package in "$@"; do
    tree=$scratch/tree
    rm -rf "$tree"
    dpkg-deb --raw-extract "$package" "$tree"
    sed -i "s/^Version: .*/Version: $version/; s/^Depends: otaferry (= .*)/Depends: otaferry (= $version)/" \
        "$tree/DEBIAN/control"
    if [[ -e $tree/etc/otaferry/otaferry.toml ]]; then
        echo "# changed in version $version" >>"$tree/etc/otaferry/otaferry.toml"
        (cd "$tree" && find . -path ./DEBIAN -prune -o -type f -printf '%P\0' | sort -z | xargs -0 md5sum >DEBIAN/md5sums)
    fi
    # Made to be thrown away, so it is not worth much time.
    dpkg-deb --root-owner-group -Zgzip -z1 --build "$tree" "$folder" >/dev/null
done
