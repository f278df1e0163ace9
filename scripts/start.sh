#!/usr/bin/env bash
# The main job, from a fresh clone to the open app. `bash scripts/start.sh --help` lists what it takes.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
requirements=requirements.txt
for word in "$@"; do
  if [ "$word" = --labelling-only ]; then requirements=requirements-app.txt; fi
done
(cd "$root" && source scripts/environment.sh && prepare_environment "$requirements")
exec "$root/.venv/bin/python" "$root/scripts/start.py" "$@" # in the user's folder, so that relative paths work
