#!/usr/bin/env bash
# The main job, from a fresh clone to the open app. `bash scripts/start.sh --help` lists what it takes.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
(cd "$root" && source scripts/environment.sh && prepare_environment requirements.txt)
exec "$root/.venv/bin/python" "$root/scripts/start.py" "$@" # in the user's folder, so that relative paths work
