#!/usr/bin/env bash
# Run the test suite, with options for pytest: as who calls this, and if that is root, as an ordinary user as well.
#
# Both run at the same time, as tests mostly wait. The ordinary user has a copy of this checkout, with its .venv: this one
# may be where nobody else can look (/root). What only root can test is skipped there, by name.
set -euo pipefail
cd "$(dirname "$0")/.."
readonly USER_ID=65534

if [ "$(id -u)" != 0 ]; then
    exec .venv/bin/python -m pytest "$@"
fi

.venv/bin/python -m tests.debian  # the ordinary user may not install what its tests need
copy=$(mktemp -d)
ordinary=
trap '[ -z "$ordinary" ] || kill "$ordinary"; rm -rf "$copy"' EXIT
tar --exclude=./.git --exclude='./.*_cache' --exclude=./.hypothesis -c . | tar -x -C "$copy"
chown -R $USER_ID:$USER_ID "$copy"

# The copied .venv names the checkout that it was made in; PYTHONPATH comes before that. The shell has what runs in the
# background ignore SIGINT, and tests are about that.
setpriv --reuid=$USER_ID --regid=$USER_ID --clear-groups \
    env --default-signal=INT,QUIT --chdir="$copy" HOME="$copy" USER=nobody PYTHONPATH="$copy" tests/run.sh "$@" >"$copy/output" 2>&1 </dev/null &
ordinary=$!

status=0
.venv/bin/python -m pytest "$@" || status=$?
printf '\nAs an ordinary user:\n\n'
wait "$ordinary" || status=$?
ordinary=
cat "$copy/output"
exit $status
