#!/bin/sh
# Brings what the tests need beyond Python's packages: Java, Maven, PostgreSQL, Chromium, strace,
# git and curl.
#
# Debian's and Ubuntu's apt is asked for those that are absent, and for nothing else; where all are
# there, nothing is done, and no rights are needed. Without apt, or without the right to use it, one
# line says what to install, and the exit code is 3.
#
#   PYTHON=python3 deploy/system_packages.sh
set -eu

python=${PYTHON:-python3}
missing=

has() { command -v "$1" >/dev/null 2>&1; }
need() { missing="${missing:+$missing }$1"; }

# Debian makes the module of virtual environments a package of its own.
if has "$python" && ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    need "$(basename "$python")-venv"
fi
for tool in curl git strace; do
    has "$tool" || need "$tool"
done
has chromium || has chromium-browser || has google-chrome || need chromium
# The browser's driver is linked with it, and a minimal Debian has it not.
has_libatomic() {
    for found in /usr/lib*/libatomic.so.1 /usr/lib/*/libatomic.so.1 /lib/*/libatomic.so.1; do
        [ ! -e "$found" ] || return 0
    done
    return 1
}
has_libatomic || need libatomic1
has_java_17() {
    # Java 8 says it on standard error, where others say what options they picked up.
    has javac && version=$(javac -version 2>/dev/null) && version=${version#javac } &&
        version=${version%%[!0-9]*} && [ "${version:-0}" -ge 17 ]
}
has_java_17 || need default-jdk-headless
has mvn || need maven
# Its binaries are not on the path.
has initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || need postgresql

[ -n "$missing" ] || exit 0

refuse() {
    echo "The tests need programs that are not here, and $1; install: $missing" >&2
    exit 3
}

has apt-get || refuse "there is no apt"
as_root=
if [ "$(id -u)" -ne 0 ]; then
    has sudo || refuse "apt wants root"
    # Where nobody can type a password, none is asked for.
    [ -t 0 ] || sudo -n true 2>/dev/null || refuse "sudo wants a password"
    as_root=sudo
fi

apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get --quiet=2 -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 "$@"
}

install() {
    # shellcheck disable=SC2086 - names of packages, one word each
    apt install --yes --no-install-recommends $missing >"$log" 2>&1
}

echo "Installing with apt: $missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# A fresh machine has no lists of packages, or old ones.
if ! apt update >"$log" 2>&1 || ! install; then
    tail -n 5 "$log" >&2
    refuse "apt failed"
fi
