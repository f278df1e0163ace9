# Sourced by start.sh and test.sh: `prepare_environment FILE...` makes .venv hold those requirement files, and import
# the packages of this checkout. A second call with the same files takes no time; an interrupted one is simply run again.

find_python() {
  local name
  for name in "${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
    if [ -n "$name" ] && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$name"
      return
    fi
  done
  echo "error: Python 3.11 or newer is needed; install it, or name it: PYTHON=/path/to/python3 bash $0" >&2
  return 1
}

# uv installs ten times faster than pip, but does not read pip's settings: hand them over where they exist.
hand_pip_settings_to_uv() {
  local index extra links
  index=$(.venv/bin/pip config get global.index-url 2>/dev/null || true)
  extra=$(.venv/bin/pip config get global.extra-index-url 2>/dev/null || true)
  links=$(.venv/bin/pip config get global.find-links 2>/dev/null || true)
  [ -z "${PIP_INDEX_URL:-$index}" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-$index}}"
  [ -z "${PIP_EXTRA_INDEX_URL:-$extra}" ] || export UV_INDEX="${UV_INDEX:-${PIP_EXTRA_INDEX_URL:-$extra}}"
  [ -z "${PIP_FIND_LINKS:-$links}" ] || export UV_FIND_LINKS="${UV_FIND_LINKS:-${PIP_FIND_LINKS:-$links}}"
  [ -z "${PIP_CERT:-}" ] || export SSL_CERT_FILE="${SSL_CERT_FILE:-$PIP_CERT}"
  export UV_INDEX_STRATEGY=unsafe-best-match UV_LINK_MODE=${UV_LINK_MODE:-hardlink}
}

# What a killed installation leaves can look whole and not be: a mark says so, and the next call starts afresh.
begin_installation() {
  local mark=.venv/.installing
  if [ -f "$mark" ] && kill -0 "$(cat "$mark")" 2>/dev/null; then
    echo "error: another installation is at work in .venv; wait for it (or delete .venv, if that cannot be)" >&2
    return 1
  fi
  if [ -f "$mark" ]; then
    echo "environment: the last installation was interrupted; starting afresh"
    rm -rf .venv
  fi
  mkdir -p .venv
  echo $$ >"$mark"
}

prepare_environment() {
  install_requirements "$@" && let_it_import_this_checkout
}

# What `pip install --editable .` would do, without a build and its packages. The path is relative to where .venv is
# looked at from, so a checkout can be moved, and several can link to one .venv.
let_it_import_this_checkout() {
  local folder
  for folder in .venv/lib/python3*/site-packages; do
    [ -f "$folder/cytosae_checkout.pth" ] || echo ../../../.. >"$folder/cytosae_checkout.pth" || return
  done
}

install_requirements() {
  local python stamp
  stamp=$(cat "$@" requirements-app.txt | cksum | cut -d' ' -f1)
  [ -f ".venv/.ready-$stamp" ] && [ ! -f .venv/.installing ] && return
  python=$(find_python) || return
  begin_installation || return
  echo "environment: installing $* into .venv (the first time takes some minutes)"
  SECONDS=0
  if ! install_into_venv "$python" "$@"; then
    rm -f .venv/.installing # it failed in order: what is there can stay
    echo "error: the packages could not be installed, see above; mend that and run the same command again" >&2
    return 1
  fi
  touch ".venv/.ready-$stamp"
  rm .venv/.installing
  echo "environment ready  [$SECONDS s]"
}

install_into_venv() {
  local python=$1 file wanted=()
  shift
  [ -x .venv/bin/pip ] || "$python" -m venv .venv || return
  for file in "$@"; do wanted+=(-r "$file"); done
  if .venv/bin/pip install --quiet --disable-pip-version-check uv==0.13.9; then
    hand_pip_settings_to_uv
    .venv/bin/uv pip install --quiet --python .venv/bin/python "${wanted[@]}"
  else
    .venv/bin/pip install --no-compile --disable-pip-version-check "${wanted[@]}"
  fi
}
