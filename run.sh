#!/usr/bin/env bash
# Opens lowroad with its embedded demo (or with the files given). Without a display it writes the demo's pictures and numbers
# and says where. Installs what is missing on Debian; safe to run twice.
set -euo pipefail
cd "$(dirname "$0")"
. ./.ci/prepare

cargo build --all-targets
binary="${CARGO_TARGET_DIR:-target}/debug/lowroad"
if [ -n "${DISPLAY:-}" ] || [ -n "${WAYLAND_DISPLAY:-}" ] || [ "$(uname)" = Darwin ]; then
    exec "$binary" "$@"
fi
out="${PWD}/demo"
"$binary" demo --out "$out"
echo "There is no display here, so no window was opened: the demo's pictures and numbers are in $out"
