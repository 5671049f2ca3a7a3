# Shared by the scripts of this directory. Source it; it changes to the root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { printf '\033[1m==> %s\033[0m\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Runs a command as root: directly, or through sudo when it is there.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else fail "this needs root: run as root once: $*"
    fi
}

# Whether the files given after the stamp are older than it.
up_to_date() {
    local stamp=$1; shift
    [ -e "$stamp" ] && [ -z "$(find "$@" -type f -newer "$stamp" -not -path '*/node_modules/*' -not -path '*/dist/*' -print -quit)" ]
}

install_node_modules() {
    if ! up_to_date web/node_modules/.package-lock.json web/package-lock.json web/package.json; then
        say "installing web packages"
        (cd web && npm ci --no-audit --no-fund --loglevel=error)
        touch web/node_modules/.package-lock.json
    fi
}

build_web() {
    install_node_modules
    for app in patient operator; do
        if ! up_to_date "web/$app/dist/index.html" "web/$app" web/sdk web/tokens web/package-lock.json; then
            say "building the $app app"
            (cd "web/$app" && npm run --silent build)
            node ops/precompress.mjs "web/$app/dist"
            touch "web/$app/dist/index.html"
        fi
    done
}
