#!/bin/bash
# systemd_box.sh - boot a real systemd (as PID 1) in a throw-away container made
# of nothing but unshare(1), overlayfs and a private cgroup2 subtree.  No docker,
# no systemd on the outer machine, nothing installed on the outer machine.
#
#   systemd_box.sh up              build the root, boot it, wait until it is up
#   systemd_box.sh run CMD...      run CMD inside (stdin/out/err and exit status pass)
#   systemd_box.sh copy SRC DST    copy a file or directory INTO the box (as root:root);
#                                  DST is the new name, or an existing directory
#   systemd_box.sh fetch SRC DST   copy a file or directory OUT of the box
#   systemd_box.sh status          state of the box: exit 0 when it is up
#   systemd_box.sh down            power it off, remove everything it made
#
# Environment (all optional):
#   BOX_DIR      where the box lives      (default ${TMPDIR:-/tmp}/systemd-box)
#   BOX_SIZE     limit of the writable layer (default 1g; it is a tmpfs)
#   BOX_WAIT     seconds to wait for the boot (default 60)
#
# The box's /usr is the machine's own, read-only under an overlay; its /etc is new and small; its network is
# a loopback of its own.
# Needs: root with CAP_SYS_ADMIN, a kernel with overlayfs and cgroup2, util-linux.
# Every process of the box lives in its own PID namespace, below one unshare(1)
# whose id and start time are remembered; `down` signals only that id.
set -euo pipefail

BOX_DIR=${BOX_DIR:-${TMPDIR:-/tmp}/systemd-box}
BOX_SIZE=${BOX_SIZE:-1g}
BOX_WAIT=${BOX_WAIT:-60}
# What the box may never do to the kernel it shares with the machine.
DROP_CAPS=-sys_module,-sys_rawio,-sys_time,-syslog,-wake_alarm,-block_suspend,-mac_admin,-mac_override
BOX_PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

say() { printf 'systemd_box: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# ---- the box's processes, always named by id AND start time ------------------
start_time() {                     # field 22 of /proc/PID/stat; comm may hold spaces
    local s; s=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    s=${s##*) }; set -- $s
    case $1 in Z|X) return 1 ;; esac                            # dead, only not reaped yet
    echo "${20}"
}
same() { [ "$(start_time "$1" || true)" = "$2" ]; }
alive() {                          # sets OUTER (unshare) and INIT (systemd), outer ids
    OUTER='' INIT=''
    [ -s "$BOX_DIR/pids" ] || return 1
    local o ot i it; read -r o ot i it <"$BOX_DIR/pids" || return 1
    same "$o" "$ot" || return 1
    OUTER=$o
    if [ -n "${i:-}" ] && same "$i" "$it"; then INIT=$i; fi
}
enter() { nsenter -t "$INIT" --mount --uts --ipc --net --pid --cgroup --root --wdns=/ -- "$@"; }

# ---- the root file system ---------------------------------------------------
build() {                          # only /etc is made here; /usr is overlaid at boot
    local b=$BOX_DIR/base f g l
    [ -x /usr/lib/systemd/systemd ] || [ -x /lib/systemd/systemd ] || die "no systemd here"
    command -v dbus-daemon >/dev/null || command -v dbus-broker >/dev/null || die "no D-Bus daemon here"
    [ -L /lib ] || die "needs a merged /usr"
    mkdir -p "$b"/{usr,etc/systemd/system,var/{lib,log,cache,tmp,spool},run,tmp,root,home,opt,srv,mnt}
    chmod 1777 "$b/tmp" "$b/var/tmp"; chmod 700 "$b/root"
    ln -s ../run "$b/var/run"
    for l in bin sbin lib lib32 lib64 libx32; do [ -L /$l ] && ln -s "usr/$l" "$b/$l"; done
    for f in passwd group shadow gshadow nsswitch.conf ld.so.cache ld.so.conf ld.so.conf.d \
             alternatives ssl dbus-1 pam.conf pam.d security login.defs localtime timezone \
             python3 python3.* debian_version os-release services protocols host.conf \
             gai.conf environment profile bash.bashrc default/locale locale.conf; do
        for g in /etc/$f; do [ ! -e "$g" ] || (cd / && cp -a --parents ".$g" "$b"); done
    done
}
finish_root() {                    # identity of the box; no first-boot presets
    local b=$BOX_DIR/base u
    mkdir -p "$b"/{proc,sys,dev,run,tmp,opt,outer}
    echo systemd-box >"$b/etc/hostname"
    printf '127.0.0.1\tlocalhost systemd-box\n::1\tlocalhost\n' >"$b/etc/hosts"
    : >"$b/etc/fstab"
    rm -f "$b/etc/machine-id"; tr -d - </proc/sys/kernel/random/uuid >"$b/etc/machine-id"
    # Units that would act on the shared kernel rather than on the box.
    mkdir -p "$b/etc/systemd/system"
    for u in sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount \
             sys-fs-fuse-connections.mount dev-hugepages.mount proc-sys-fs-binfmt_misc.automount \
             systemd-modules-load.service systemd-sysctl.service systemd-udevd.service \
             systemd-timesyncd.service systemd-hwdb-update.service; do
        ln -sf /dev/null "$b/etc/systemd/system/$u"
    done
}

# ---- the boot: these two run as PID 1 of the new PID namespace ---------------
boot_1() {                         # stage 1: private mounts; enter an own cgroup
    mkdir -p "$BOX_DIR/layer"
    mount -t tmpfs -o "mode=755,size=$BOX_SIZE" box "$BOX_DIR/layer"
    mkdir "$BOX_DIR"/layer/{cg,root,up,wk}
    mount -t cgroup2 cgroup2 "$BOX_DIR/layer/cg"
    mkdir "$BOX_DIR/layer/cg/$CGNAME"
    echo 0 >"$BOX_DIR/layer/cg/$CGNAME/cgroup.procs"
    umount "$BOX_DIR/layer/cg"
    exec unshare --cgroup -- bash "$SELF" __boot_2
}
boot_2() {                         # stage 2: root, API file systems, pivot, exec systemd
    local l=$BOX_DIR/layer r=$BOX_DIR/layer/root n a
    mount -t overlay overlay -o "lowerdir=$BOX_DIR/base,upperdir=$l/up,workdir=$l/wk" "$r"
    mkdir "$l/usr.up" "$l/usr.wk"
    mount -t overlay overlay -o "lowerdir=/usr,upperdir=$l/usr.up,workdir=$l/usr.wk" "$r/usr"
    mount -t proc -o nosuid,nodev,noexec proc "$r/proc"
    for n in sys irq bus fs; do     # kernel-wide knobs: read-only, as systemd-nspawn does
        [ -e "$r/proc/$n" ] || continue
        mount --bind "$r/proc/$n" "$r/proc/$n"; mount -o remount,bind,ro,nosuid,nodev,noexec "$r/proc/$n"
    done
    mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$r/sys"
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$r/sys/fs/cgroup"
    mount -t tmpfs -o nosuid,mode=755,size=16m dev "$r/dev"
    for n in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
        IFS=: read -r n a b <<<"$n"; mknod -m 666 "$r/dev/$n" c "$a" "$b"
    done
    mkdir "$r"/dev/{pts,shm,mqueue}
    mount -t devpts -o newinstance,nosuid,noexec,ptmxmode=0666,mode=620,gid=5 devpts "$r/dev/pts"
    mount -t tmpfs -o nosuid,nodev,mode=1777 shm "$r/dev/shm"
    mount -t mqueue -o nosuid,nodev,noexec mqueue "$r/dev/mqueue"
    ln -s pts/ptmx "$r/dev/ptmx"; ln -s /proc/self/fd "$r/dev/fd"
    for n in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${n%%:*}" "$r/dev/${n#*:}"; done
    mount -t tmpfs -o nosuid,nodev,mode=755 run "$r/run"
    hostname systemd-box
    cd "$r"
    pivot_root . outer
    cd /
    umount -l /outer
    mount --make-rshared /          # LoadCredential= and friends rely on it; systemd leaves it to the container manager
    exec env -i PATH=$BOX_PATH container=systemd-box LANG=C.UTF-8 \
        setpriv --bounding-set="$DROP_CAPS" /lib/systemd/systemd --system systemd.unit=multi-user.target
}

# ---- commands ---------------------------------------------------------------
remove_cgroup() {                  # in a mount namespace of its own
    CGNAME=$1 unshare --mount --propagation private bash -c '
        d=$(mktemp -d) && mount -t cgroup2 cgroup2 "$d" || exit 0
        for i in 1 2 3 4 5 6 7 8 9 10; do
            [ -d "$d/$CGNAME" ] || break
            find "$d/$CGNAME" -depth -type d -exec rmdir {} + 2>/dev/null
            [ -d "$d/$CGNAME" ] && sleep 0.2
        done; umount "$d"; rmdir "$d"' || true
}
up() {
    [ "$(id -u)" = 0 ] || die "must be root"
    local c; for c in unshare nsenter pivot_root setpriv mount setsid tar; do
        command -v $c >/dev/null || die "no $c on this machine"
    done
    ! alive || die "already up in $BOX_DIR"
    if [ -e "$BOX_DIR/cgroup" ]; then die "$BOX_DIR holds a dead box: run '$0 down' first"; fi
    [ ! -e "$BOX_DIR" ] || die "$BOX_DIR exists and is not a box"
    case $BOX_DIR in *[,:\\]*) die "no comma, colon or backslash in BOX_DIR (overlayfs options)" ;; esac
    local t0=$SECONDS i state=
    mkdir -p "$(dirname "$BOX_DIR")"; mkdir -m 700 "$BOX_DIR"
    BOX_DIR=$(cd "$BOX_DIR" && pwd -P); SELF=$(readlink -f "$0"); CGNAME=systemd-box.$$
    echo "$CGNAME" >"$BOX_DIR/cgroup"
    export BOX_DIR BOX_SIZE CGNAME SELF
    trap 'say "boot failed"; cat "$BOX_DIR/boot.log" >&2 2>/dev/null || true; trap - EXIT; down' EXIT
    trap 'exit 130' INT TERM
    build
    finish_root
    setsid unshare --mount --propagation private --pid --fork --kill-child --uts --ipc --net \
        -- bash "$SELF" __boot_1 </dev/null >"$BOX_DIR/boot.log" 2>&1 &
    OUTER=$!; local ot; ot=$(start_time $OUTER) || die "unshare did not start"
    echo "$OUTER $ot" >"$BOX_DIR/pids"
    for ((i = 0; i < BOX_WAIT * 10; i++)); do
        same "$OUTER" "$ot" || die "the box died while booting"
        INIT=$(cat "/proc/$OUTER/task/$OUTER/children" 2>/dev/null || true); INIT=${INIT%% *}
        if [ -n "$INIT" ] && [ "$(cat "/proc/$INIT/comm" 2>/dev/null)" = systemd ]; then
            echo "$OUTER $ot $INIT $(start_time "$INIT")" >"$BOX_DIR/pids"
            state=$(enter systemctl is-system-running 2>/dev/null || true)
            case $state in running|degraded) break ;; esac
        fi
        sleep 0.1
    done
    case $state in
        running) ;;
        degraded) enter systemctl --failed --no-pager --plain >&2 || true ;;
        *) die "not up after $BOX_WAIT s (state: ${state:-none})" ;;
    esac
    disown "$OUTER" 2>/dev/null || true
    trap - EXIT INT TERM
    say "up ($state) in $((SECONDS - t0)) s: $(enter systemctl --version | head -1)"
}
run() {
    alive && [ -n "$INIT" ] || die "not up"
    [ $# -gt 0 ] || die "run what?"
    # A cgroup of its own below the box's root, so that nothing of the box hangs outside.
    enter env -i PATH=$BOX_PATH HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" SYSTEMD_PAGER=cat \
        setpriv --bounding-set="$DROP_CAPS" /bin/sh -c \
        'mkdir -p /sys/fs/cgroup/box-run; echo 0 >/sys/fs/cgroup/box-run/cgroup.procs; exec "$@"' run "$@"
}
copy() {
    [ $# = 2 ] || die "copy SRC DST"
    [ -e "$1" ] || die "no $1"
    local src; src=$(readlink -f "$1")
    tar -C "$(dirname "$src")" -cf - "$(basename "$src")" | run /bin/sh -ec '
        t=$(mktemp -d /run/box-copy.XXXXXX); trap "rm -rf $t" EXIT
        tar -C "$t" --no-same-owner -xpf -
        mkdir -p "$(dirname "$2")"; cp -a "$t/$1" "$2"' copy "$(basename "$src")" "$2"
}
fetch() {
    [ $# = 2 ] || die "fetch SRC DST"
    local t; t=$(mktemp -d "$BOX_DIR/fetch.XXXXXX")
    run tar -C "$(dirname "$1")" -cf - "$(basename "$1")" | tar -C "$t" --no-same-owner -xpf -
    cp -a "$t/$(basename "$1")" "$2"; rm -rf "$t"
}
status() {
    alive && [ -n "$INIT" ] || { say "down"; return 1; }
    say "up in $BOX_DIR, outer id $OUTER, systemd is id $INIT here"
    enter systemctl is-system-running
}
down() {
    [ -e "$BOX_DIR" ] || { say "nothing in $BOX_DIR"; return 0; }
    [ -e "$BOX_DIR/cgroup" ] || die "$BOX_DIR is not a box; not removing it"
    local i
    if alive; then
        if [ -n "$INIT" ]; then
            kill -s RTMIN+4 "$INIT" 2>/dev/null || true          # systemd: poweroff.target
            for ((i = 0; i < 150; i++)); do alive || break; sleep 0.1; done
        fi
        if alive; then                                          # kills the whole PID namespace
            kill -KILL "${INIT:-$OUTER}" 2>/dev/null || true
            for ((i = 0; i < 50; i++)); do alive || break; sleep 0.1; done
        fi
        ! alive || die "could not stop $OUTER"
    fi
    remove_cgroup "$(cat "$BOX_DIR/cgroup")"
    rm -rf --one-file-system "$BOX_DIR"
    say "down"
}

cmd=${1:-}; [ $# = 0 ] || shift
case $cmd in
    up|run|copy|fetch|status|down) $cmd "$@" ;;
    __boot_1) boot_1 ;;
    __boot_2) boot_2 ;;
    *) sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
