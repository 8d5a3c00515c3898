#!/usr/bin/env bash
# Builds the Debian packages into dist/: otaferry, otaferry-cloud and their debug symbols, with an SBOM and checksums.
#   packaging/deb/build.sh [amd64|arm64]
# OTAFERRY_VERSION_SUFFIX is added to the version, for packages that are no release. The time in the packages is that of
# the last commit, or SOURCE_DATE_EPOCH.
set -euo pipefail
cd "$(dirname "$0")/../.."

machine=$(dpkg --print-architecture)
architecture=${1:-$machine}
# A gateway's flash and link: bytes installed, as the files have them, and bytes to download.
installed_limit=$((25 * 1000 * 1000))
download_limit=$((7 * 1000 * 1000))

fail() {
    echo "$1" >&2
    exit 1
}

needed=(debhelper dpkg-dev xz-utils python3)
[[ $architecture == "$machine" ]] || needed+=("binutils-aarch64-linux-gnu" "qemu-user-static")
missing=()
for package in "${needed[@]}"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
done
[[ ${#missing[@]} -eq 0 ]] || fail "Packages for $architecture need: apt-get install ${missing[*]}"

version=$(sed -n 's/.*static let text = "\(.*\)"/\1/p' Sources/Agent/AgentVersion.swift)
[[ -n $version ]] || fail "The version cannot be read from Sources/Agent/AgentVersion.swift."
version+=${OTAFERRY_VERSION_SUFFIX:-}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH TZ=UTC LC_ALL=C.UTF-8

# --- The programs ----------------------------------------------------------------------------------------------------

case $machine-$architecture in
    "$architecture-$machine")
        built=$(packaging/build-release.sh)
        checkouts=.build-package
        swift_of=(swift --version)
        wrap=()
        ;;
    amd64-arm64)
        built=$(packaging/arm64/build.sh)
        checkouts=.build-package-arm64
        cache=${OTAFERRY_CACHE:-$HOME/.cache/otaferry}/arm64
        wrap=(qemu-aarch64-static -L "$cache/sdks/otaferry-arm64.artifactbundle/otaferry-arm64/sysroot")
        # The version of the Debian package is that of the compiler.
        # shellcheck disable=SC2016 # expands in dpkg-query
        swift_of=(sh -c 'chroot "$1" dpkg-query -W -f "Swift version \${Version}" swiftlang' sh "$cache/compiler")
        ;;
    *) fail "Packages for $architecture cannot be built on $machine; build them on such a machine." ;;
esac
programs=()
while IFS= read -r program; do programs+=("$(realpath "$program")"); done <<<"$built"

# --- The tree ----------------------------------------------------------------------------------------------------------

work=$PWD/dist/build-$architecture
rm -rf "$work"
mkdir -p "$work"
cp -r packaging/deb/debian "$work/debian"
cp systemd/otaferry.service "$work/debian/otaferry.service"
cp systemd/otaferry.sysusers "$work/debian/otaferry.sysusers"
# Commands of debhelper look for it; nothing calls it.
printf '#!/usr/bin/make -f\n' >"$work/debian/rules"
printf '3.0 (native)\n' | install -D -m 644 /dev/stdin "$work/debian/source/format"
printf 'otaferry (%s) stable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- %s  %s\n' "$version" \
    "$(sed -n 's/^Maintainer: //p' "$work/debian/control")" "$(date -R -d "@$SOURCE_DATE_EPOCH")" >"$work/debian/changelog"

stage() { install -D -m "$1" "$2" "$work/debian/$3"; }
for program in "${programs[@]}"; do
    name=${program##*/}
    stage 755 "$program" "$name/usr/bin/$name"
    for shell in bash:bash-completion/completions/@ zsh:zsh/vendor-completions/_@ \
        fish:fish/vendor_completions.d/@.fish; do
        place=${shell#*:}
        # It is read by a shell, not run, so it needs no interpreter line.
        "${wrap[@]}" "$program" --generate-completion-script "${shell%%:*}" | sed '1{/^#!/d}' >"$work/completion"
        stage 644 "$work/completion" "$name/usr/share/${place//@/$name}"
    done
    packaging/deb/depends.sh "$program" | sed 's/^/libraries=/' >"$work/debian/$name.substvars"
done
stage 644 packaging/otaferry.toml otaferry/etc/otaferry/otaferry.toml
stage 644 packaging/deb/README.Debian otaferry/usr/share/doc/otaferry/README.Debian
for file in packaging/mosquitto/*; do
    stage 644 "$file" "otaferry/usr/share/doc/otaferry/examples/mosquitto/${file##*/}"
done
for file in systemd/examples/*; do stage 644 "$file" "otaferry/usr/share/doc/otaferry/examples/systemd/${file##*/}"; done
mkdir -p "$work/debian/otaferry/etc/otaferry/otaferry.d"
for program in "${programs[@]}"; do
    "${wrap[@]}" "$program" --experimental-dump-help |
        python3 packaging/man.py --date "$(date -d "@$SOURCE_DATE_EPOCH" +%F)" --version "$version" "$work/man"
done
for page in "$work"/man/*.[0-9]; do
    name=${page##*/}
    package=otaferry
    [[ $name != otaferry-cloud* ]] || package=otaferry-cloud
    stage 644 "$page" "$package/usr/share/man/man${name##*.}/$name"
done

# --- The packages ------------------------------------------------------------------------------------------------------

(
    cd "$work"
    # Where the packages run and where they are built: by this debhelper picks the tools. It warns that there is no
    # compiler of GCC's for it, which nobody needs.
    eval "$(dpkg-architecture -a"$architecture" -s 2>/dev/null)"
    export DH_QUIET=1
    dh_installdocs
    dh_installchangelogs --no-trim
    # Ours beside Debian's, under its own name.
    install -m 644 "$OLDPWD/CHANGELOG.md" debian/otaferry/usr/share/doc/otaferry/CHANGELOG.md
    dh_installdebconf
    dh_installsysusers
    dh_installsystemd
    # Where systemd and newer Debians have it; debhelper of Debian 12 puts it into /lib.
    if [[ -d debian/otaferry/lib/systemd ]]; then
        mkdir -p debian/otaferry/usr/lib
        cp -a debian/otaferry/lib/systemd debian/otaferry/usr/lib/
        rm -r debian/otaferry/lib
    fi
    dh_compress --exclude=README.Debian --exclude=examples
    dh_fixperms
    dh_strip
    dh_installdeb
    dh_gencontrol
    dh_md5sums
)
pack() { dpkg-deb --root-owner-group -Zxz "${@:2}" --build "$work/debian/$1" dist >/dev/null; }
pack otaferry -z9 -Sextreme
for tree in otaferry-cloud .debhelper/otaferry/dbgsym-root .debhelper/otaferry-cloud/dbgsym-root; do pack "$tree" -z6; done

# --- What came of it ---------------------------------------------------------------------------------------------------

package=dist/otaferry_${version}_$architecture.deb
installed=$(find "$work/debian/otaferry" -path '*/DEBIAN' -prune -o -type f -printf '%s\n' | awk '{ s += $1 } END { print s }')
download=$(stat -c %s "$package")
printf '%s: %d bytes installed (at most %d), %d bytes to download (at most %d)\n' \
    "${package#dist/}" "$installed" "$installed_limit" "$download" "$download_limit"
for other in "dist/otaferry-cloud_${version}_$architecture.deb" "dist/otaferry-dbgsym_${version}_$architecture.deb"; do
    printf '%s: %d bytes to download\n' "${other#dist/}" "$(stat -c %s "$other")"
done
dpkg-deb --field "$package" Depends | sed 's/^/Depends: /'

swift=$("${swift_of[@]}" 2>/dev/null | sed -nE 's/.*Swift version ([0-9.]+).*/\1/p' | head -n 1)
packaging/sbom.py --checkouts "$checkouts" --version "$version" --epoch "$SOURCE_DATE_EPOCH" --swift "$swift" \
    --output "dist/otaferry_${version}_$architecture.cdx.json"
(cd dist && sha256sum ./*"_${version}_"*.deb ./*"_${version}_"*.json | sed 's#\./##' >SHA256SUMS)

((installed <= installed_limit)) || fail "Installed it is too large."
((download <= download_limit)) || fail "It is too large to download."
rm -rf "$work"
