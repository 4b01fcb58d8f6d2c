#!/bin/sh
# Install Assent as a service of its own user, so that no agent under another account can reach its home.
#
#   sudo sh deploy/install.sh                 install, or bring up to date; what is there already stays
#   sudo sh deploy/install.sh uninstall       remove the service and the program; keep the home and the account
#   sudo sh deploy/install.sh uninstall --purge    remove those too: every question, answer, key and the log
#   PYTHON=/path/to/python3                   the Python to use: 3.11 or newer, one that every user can run
#
# It makes: the account `assent`, the program in /opt/assent, the home in /var/lib/assent, the unit assent.service, and
# the command assent-service, which runs any assent command as that account. It says each thing that it does.
set -eu

account=assent
program=/opt/assent
home=/var/lib/assent
unit=/etc/systemd/system/assent.service
command=/usr/local/bin/assent-service

say() { echo "assent: $*" >&2; }
fail() {
    echo "error: $1" >&2
    echo "hint: $2" >&2
    exit 1
}

has_systemd() { [ -d /run/systemd/system ] && command -v systemctl >/dev/null 2>&1; }

install_all() {
    source=$(cd "$(dirname "$0")/.." && pwd)
    python=$(public_python)
    make_account
    make_program
    make_command
    # install(1) sets owner and mode in one step: the home is never open to others, not for a moment.
    [ -d "$home" ] || say "making the home $home"
    install -d -m 0700 -o "$account" -g "$account" "$home"
    install -m 0644 "$source/deploy/assent.service" "$unit"
    say "the unit is $unit"
    if has_systemd; then
        systemctl daemon-reload
        systemctl enable --quiet assent.service
        systemctl restart assent.service
        say "the service runs, and starts with the machine"
    else
        say "systemd does not run here; start it with: assent-service serve"
    fi
    say "next: assent-service open --print (your account), assent-service agent add NAME (a token for each agent)"
}

public_python() {
    # A Python in somebody's own folder is one that the service's user cannot run, and that somebody could change.
    for candidate in ${PYTHON:-/usr/local/bin/python3 /usr/bin/python3}; do
        if [ -x "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            echo "$candidate"
            return
        fi
    done
    fail "no Python 3.11 or newer for every user: ${PYTHON:-/usr/local/bin/python3, /usr/bin/python3}" \
        "install one (Debian: apt install python3 python3-venv), or name one with PYTHON=/path/to/python3"
}

make_account() {
    if ! getent passwd "$account" >/dev/null; then
        say "making the account $account, which nobody can sign in to"
        useradd --system --user-group --home-dir "$home" --no-create-home --shell "$(no_shell)" "$account"
    fi
}

no_shell() {
    for shell in /usr/sbin/nologin /sbin/nologin /bin/false; do
        if [ -x "$shell" ]; then echo "$shell" && return; fi
    done
}

make_program() {
    say "installing the program into $program (a minute or so)"
    # Root's and readable by all: the service can run its program and never change it.
    umask 022
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    trap 'exit 1' HUP INT TERM
    # Built from a copy, so that nothing of root's is left in the source folder.
    (cd "$source" && cp -R assent.py pyproject.toml README.md LICENSE store review_web server requirements "$work")
    "$python" -m venv --clear "$program.new" ||
        fail "$python cannot make a virtual environment" "install its venv module (Debian: apt install python3-venv)"
    pip "$program.new" --require-hashes -r "$work/requirements/build.lock" -r "$work/requirements/base.lock"
    pip "$program.new" --no-deps --no-build-isolation "$work"
    # The old program serves until here; scripts in a moved environment name their old place, so they are made anew.
    rm -rf "$program.old"
    [ ! -e "$program" ] || mv "$program" "$program.old"
    mv "$program.new" "$program"
    sed -i "s|$program.new/|$program/|g" "$program"/bin/assent "$program"/pyvenv.cfg
    rm -rf "$program.old"
}

pip() {
    environment=$1
    shift
    PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
        "$environment/bin/python" -m pip install --quiet --quiet --no-input --no-cache-dir "$@"
}

make_command() {
    # As root the same commands would leave files in the home that the service cannot read.
    cat >"$command" <<END
#!/bin/sh
# Any assent command, as the account of the service: assent-service agent add NAME
[ "\$(id -un)" = $account ] || exec setpriv --reuid=$account --regid=$account --init-groups --inh-caps=-all \\
    env -i PATH="\$PATH" TERM="\${TERM:-dumb}" LANG="\${LANG:-C.UTF-8}" HOME=$home "\$0" "\$@"
cd $home
if [ -r /etc/assent/assent.env ]; then set -a && . /etc/assent/assent.env && set +a; fi
exec env ASSENT_HOME=$home $program/bin/assent "\$@"
END
    chmod 0755 "$command"
    say "the command is $command"
}

uninstall() {
    if has_systemd; then
        systemctl disable --now --quiet assent.service 2>/dev/null || true
    elif [ -x "$command" ] && [ -d "$program" ]; then
        "$command" stop >/dev/null 2>&1 || true
    fi
    rm -rf "$unit" "$command" "$program" "$program.new" "$program.old"
    if has_systemd; then systemctl daemon-reload; fi
    if [ "${1:-}" = --purge ]; then
        rm -rf "$home"
        if getent passwd "$account" >/dev/null; then userdel "$account"; fi
        say "removed, with everything it kept"
    else
        say "removed; the account $account and its home $home are still there (uninstall --purge removes them)"
    fi
}

[ "$(uname -s)" = Linux ] || fail "this installs a systemd service, which is Linux" "see docs/deploy.md for others"
[ "$(id -u)" = 0 ] || fail "this makes an account and a service, which only root can" "sudo sh $0 $*"

case "${1:-install}" in
install) install_all ;;
uninstall) uninstall "${2:-}" ;;
*) fail "there is nothing called $1" "use: $0 [install | uninstall [--purge]]" ;;
esac
