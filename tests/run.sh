#!/usr/bin/env bash
# Run the test suite, with options for pytest: as who calls this, and if that is root, as an ordinary user as well.
#
# Both run at the same time, as tests mostly wait. The ordinary user has a copy of this checkout, with its .venv: this one
# may be where nobody else can look (/root). What only root can test is skipped there, by name.
set -euo pipefail
cd "$(dirname "$0")/.."
readonly USER_ID=65534

# What fails while four tests run at a time is run once more, alone: a machine can be too busy for a real process to be in
# time. What fails then has failed; the first report stays above.
suite() {
    local status=0
    .venv/bin/python -m pytest "$@" || status=$?
    [ "$status" = 1 ] || return "$status"
    printf '\nOnce more, alone, what has failed:\n\n'
    .venv/bin/python -m pytest --last-failed -n 0
}

if [ "$(id -u)" != 0 ]; then
    suite "$@"
    exit
fi

.venv/bin/python -m tests.debian  # the ordinary user may not install what its tests need
python=$(readlink -f .venv/bin/python)
if ! setpriv --reuid=$USER_ID --regid=$USER_ID --clear-groups env "$python" -c '' 2>/dev/null; then
    echo "An ordinary user cannot run $python: the suite runs as root only."
    suite "$@"
    exit
fi

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
suite "$@" || status=$?
printf '\nAs an ordinary user:\n\n'
wait "$ordinary" || status=$?
ordinary=
cat "$copy/output"
exit $status
