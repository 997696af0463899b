#!/bin/sh
# Make .venv with everything that is pinned in requirements.txt and requirements-dev.txt; do nothing when it is there.
#
#     make setup                       the first of python3.13, python3.12, python3.11 and python3 that fits
#     make setup PYTHON=python3.12     this one
set -eu
cd "$(dirname "$0")/.."

VENV="${VENV:-.venv}"
STAMP="$VENV/patronload-stamp"
# Some shells have this set; without byte code Airflow starts three to five times slower.
unset PYTHONDONTWRITEBYTECODE

say() { printf '%s\n' "$*"; }
stop() { printf 'make setup: %s\n' "$*" >&2; exit 1; }

version_of() {  # 3.12, or nothing when there is no such Python
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true
}

fits() { case "$1" in 3.11 | 3.12 | 3.13) return 0 ;; *) return 1 ;; esac; }

makes_venvs() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

no_venv_module() {
    stop "$1 ($2) has no venv module; install it (Debian and Ubuntu: apt-get install python$2-venv) and run make again."
}

find_python() {  # sets python
    if [ -n "${PYTHON:-}" ]; then
        version="$(version_of "$PYTHON")"
        [ -n "$version" ] || stop "There is no Python called $PYTHON; Patronload needs Python 3.11, 3.12 or 3.13."
        fits "$version" || stop "$PYTHON is Python $version; Patronload needs Python 3.11, 3.12 or 3.13."
        makes_venvs "$PYTHON" || no_venv_module "$PYTHON" "$version"
        python="$PYTHON"
        return
    fi
    seen="" lame=""
    for python in python3.13 python3.12 python3.11 python3 python; do
        version="$(version_of "$python")"
        if fits "$version"; then
            if makes_venvs "$python"; then return; fi
            lame="${lame:-$python $version}"
        elif [ -n "$version" ]; then
            seen="${seen:+$seen, }$python is $version"
        fi
    done
    # shellcheck disable=SC2086  # two words: the command and its version
    [ -z "$lame" ] || no_venv_module $lame
    stop "Patronload needs Python 3.11, 3.12 or 3.13 and found none (${seen:-there is no python3}); install one" \
        "or say which: make setup PYTHON=/path/to/python3.12"
}

# What the environment was made from. A moved folder counts: the scripts in .venv/bin carry its path.
wanted() {
    say "folder $PWD"
    say "python $(version_of "$VENV/bin/python")"
    cat requirements.txt requirements-dev.txt
}

is_up_to_date() {
    [ -f "$STAMP" ] && [ -x "$VENV/bin/python" ] || return 1
    if [ -n "${PYTHON:-}" ] && [ "$(version_of "$PYTHON")" != "$(version_of "$VENV/bin/python")" ]; then return 1; fi
    wanted | cmp -s - "$STAMP"
}

install_with_uv() {
    uv="$(sed -n 's/^\(uv==[^ ]*\).*/\1/p' requirements-dev.txt)"
    # On a screen uv shows how far it is; in a log its list of all packages would be in the way.
    if [ -t 2 ]; then quiet=""; else quiet="--quiet"; fi
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check "$uv" || return 1
    "$VENV/bin/python" -m uv pip install $quiet --python "$VENV/bin/python" --compile-bytecode \
        -r requirements.txt -r requirements-dev.txt
}

install_with_pip() {
    "$VENV/bin/python" -m pip install --disable-pip-version-check -r requirements.txt -r requirements-dev.txt
}

# `.venv/bin/patronload` runs the package in plugins/, from any folder.
write_command() {
    bin="$(cd "$VENV/bin" && pwd)"
    cat > "$bin/patronload" <<EOF
#!/bin/sh
PYTHONPATH="$PWD/plugins\${PYTHONPATH:+:\$PYTHONPATH}" exec "$bin/python" -m patronload "\$@"
EOF
    chmod +x "$VENV/bin/patronload"
}

if is_up_to_date; then
    [ -x "$VENV/bin/patronload" ] || write_command
    exit 0
fi

find_python
say "Making $VENV with $python ($version) and the pinned packages; this takes a few minutes the first time."
rm -rf "$VENV"
"$python" -m venv "$VENV"
if ! install_with_uv; then
    say "uv could not install the packages; trying pip, which is slower."
    install_with_pip || stop "The packages could not be installed; the reason is in pip's lines above."
fi
write_command
wanted > "$STAMP"
say "Ready: $VENV with Python $version."
