#!/usr/bin/env bash
# Makes a Debian with systemd, a kernel, Mosquitto and the packages of dist/ that a virtual machine boots.
#   packaging/vm/image.sh SUITE FOLDER PACKAGES
# FOLDER gets disk.img, kernel and initrd. PACKAGES is a folder with new and newer, each with packages.
set -euo pipefail
cd "$(dirname "$0")/../.."

suite=$1
folder=$2
packages=$3
cache=${OTAFERRY_CACHE:-$HOME/.cache/otaferry}/vm
mirror=${OTAFERRY_DEBIAN_MIRROR:-http://deb.debian.org/debian}
tar=$cache/$suite.tar
mkdir -p "$cache" "$folder"

if [[ ! -s $tar ]]; then
    echo "Making a Debian $suite with a kernel, once"
    mmdebstrap --quiet --format=tar --variant=minbase --aptopt='Acquire::Check-Valid-Until "false"' \
        --include=systemd,systemd-sysv,dbus,linux-image-cloud-amd64,initramfs-tools,e2fsprogs,procps,libcap2-bin \
        --include=mosquitto,mosquitto-clients,sqlite3,ca-certificates,debconf,libcurl4 \
        "$suite" "$tar.part" "$mirror"
    mv "$tar.part" "$tar"
fi

root=$folder/root
mkdir -p "$root"
tar -C "$root" -xf "$tar"
cp "$(find "$root/boot" -name 'vmlinuz-*' | sort -V | tail -n 1)" "$folder/kernel"
cp "$(find "$root/boot" -name 'initrd.img-*' | sort -V | tail -n 1)" "$folder/initrd"
cp -r "$packages" "$root/packages"
install -m 755 packaging/vm/test-inside.sh "$root/usr/local/lib/otaferry-test"
cp -r packaging/mosquitto "$root/usr/local/lib/otaferry-mosquitto"
cat >"$root/etc/systemd/system/otaferry-test.service" <<'END'
[Unit]
Description=The test of the packages on a running system
After=multi-user.target
[Service]
Type=simple
ExecStart=/usr/local/lib/otaferry-test
StandardInput=null
StandardOutput=file:/dev/ttyS1
StandardError=inherit
END
mkdir -p "$root/etc/systemd/system/default.target.wants"
ln -s /etc/systemd/system/otaferry-test.service "$root/etc/systemd/system/default.target.wants/otaferry-test.service"
echo gw1 >"$root/etc/hostname"
printf '127.0.0.1 localhost gw1\n' >"$root/etc/hosts"
printf '/dev/vda / ext4 defaults 0 1\n' >"$root/etc/fstab"
# The journal outlives the power cut.
mkdir -p "$root/var/log/journal"
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer man-db.timer; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
truncate -s 3G "$folder/disk.img"
mke2fs -q -t ext4 -d "$root" -L root "$folder/disk.img"
rm -rf --one-file-system "$root"
