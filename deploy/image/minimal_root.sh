#!/bin/sh
# Puts the file system of the image without Spark into a folder: Debian's Python, the libraries that it
# and the packages need, and no shell, no package manager, nothing else. Runs in a container of Debian.
#
#   minimal_root.sh FOLDER
#
# Scanners read in var/lib/dpkg/status which packages are there, in which version.
set -eu

root=$1
packages='base-files ca-certificates libbz2-1.0 libc6 libcrypt1 libexpat1 libffi8 libgcc-s1 liblzma5
    libncursesw6 libpython3.11-minimal libpython3.11-stdlib libreadline8 libsqlite3-0 libssl3 libstdc++6
    libtinfo6 libuuid1 netbase python3-minimal python3.11-minimal readline-common zlib1g'
# Old text encodings, documents, Python's own help: what no part opens.
unwanted='^/usr/share/(doc|info|lintian|man|locale|bug|common-licenses|ca-certificates|base-files)/|/gconv/|/pydoc_data/|/perl/|^/usr/s?bin/(update-ca|catchsegv|getconf|getent|iconv|ldd|locale|localedef|pldd|py3compile|py3clean|py3versions|pydoc|pygettext|tzselect|zdump)'

# What /bin, /lib and so on point to.
mkdir -p "$root/usr/bin" "$root/usr/lib" "$root/usr/lib64" "$root/usr/sbin"
# shellcheck disable=SC2086 - names of packages, one word each
{
    dpkg -L $packages | grep -Ev "$unwanted"
    find /usr/lib/python3.11 -name '*.pyc' | grep -Ev "$unwanted"
    printf '/usr/share/doc/%s/copyright\n' $packages
    printf '%s\n' /etc/group /etc/nsswitch.conf /etc/passwd /etc/ssl/certs/ca-certificates.crt
} | sort -u | while read -r path; do
    # A slim Debian lists documents that it has not.
    if [ -e "$path" ] || [ -L "$path" ]; then echo "${path#/}"; fi
done >/tmp/files
tar --create --directory=/ --no-recursion --files-from=/tmp/files | tar --extract --directory="$root"

mkdir -p "$root/var/lib/dpkg"
# shellcheck disable=SC2086
dpkg-query --status $packages >"$root/var/lib/dpkg/status"
install --directory --mode=1777 "$root/tmp"
ln -sf python3.11 "$root/usr/bin/python3"

for needed in etc/passwd etc/ssl/certs/ca-certificates.crt usr/bin/python3.11; do
    test -s "$root/$needed"
done
