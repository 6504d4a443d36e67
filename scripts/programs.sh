# Sourced by scripts/postgres: where PostgreSQL's programs lie on this machine, and installing them where that is allowed.
# It knows nothing of clusters; `fail` and `say` are the caller's.
# shellcheck shell=bash

oldest_major=14

candidate_bins() {
    local path
    if [ -n "${POSTGRES_BIN:-}" ]; then
        printf '%s\n' "$POSTGRES_BIN"
        return
    fi
    ! command -v pg_config >/dev/null || pg_config --bindir
    for path in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/libexec/postgresql*; do
        printf '%s\n' "$path"
    done | sed 's/[^0-9]*\([0-9]*\).*/\1 &/' | sort -k1,1nr | cut -d' ' -f2-
    ! path=$(command -v postgres) || dirname "$path"
    for path in /opt/homebrew /usr/local; do
        printf '%s\n' "$path"/opt/postgresql@*/bin "$path/bin" "$path/pgsql/bin"
    done
}

major_of() { "$1/postgres" --version 2>/dev/null | sed -n 's/^postgres (PostgreSQL) \([0-9]*\).*/\1/p'; }

# find_bin [MAJOR]: prints the first directory with a whole PostgreSQL that is new enough, or is exactly MAJOR.
find_bin() {
    local bin program major
    while read -r bin; do
        for program in postgres initdb pg_ctl pg_isready psql; do [ -x "$bin/$program" ] || continue 2; done
        major=$(major_of "$bin")
        [ -n "$major" ] || continue
        if [ "$major" = "${1:-$major}" ] && [ "$major" -ge "$oldest_major" ]; then
            printf '%s\n' "$bin"
            return
        fi
    done < <(candidate_bins)
    return 1
}

installers='apt-get dnf apk brew'
install_command() {
    case "$1" in
        apt-get) echo 'apt-get install -y --no-install-recommends postgresql' ;;
        dnf) echo 'dnf install -y postgresql-server postgresql' ;;
        apk) echo 'apk add postgresql postgresql-client' ;;
        brew) echo 'brew install postgresql@17' ;;
    esac
}

# Debian's package makes and starts a cluster of its own unless told otherwise; ours is the only one wanted here.
install_with_apt() {
    local quiet=/etc/postgresql-common/createcluster.d/postrider.conf status=0
    "$@" mkdir -p "${quiet%/*}"
    echo 'create_main_cluster = false' | "$@" tee "$quiet" >/dev/null
    "$@" apt-get update -q || say 'apt-get update failed; trying with the package lists that are here'
    # shellcheck disable=SC2046  # words are wanted
    "$@" env DEBIAN_FRONTEND=noninteractive $(install_command apt-get) || status=$?
    "$@" rm -f "$quiet"
    return "$status"
}

install_postgres() {
    local manager='' name command
    for name in $installers; do
        if command -v "$name" >/dev/null; then manager=$name && break; fi
    done
    local why="PostgreSQL $oldest_major or newer (postgres, initdb, pg_ctl, pg_isready, psql) is not on this machine"
    [ -z "${POSTGRES_BIN:-}" ] || fail 'no PostgreSQL' "POSTGRES_BIN=$POSTGRES_BIN is not a PostgreSQL $oldest_major or newer" 'correct POSTGRES_BIN, or unset it'
    [ -n "$manager" ] || fail 'no PostgreSQL' "$why" 'install it from https://www.postgresql.org/download/, or set DATABASE_URL'
    command=$(install_command "$manager")

    set -- env
    if [ "$manager" != brew ] && [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
            fail 'no PostgreSQL' "$why, and installing it needs root" "sudo $command"
        fi
        set -- sudo -n
    fi
    say "no PostgreSQL $oldest_major or newer here; installing the distribution's: $command"
    if [ "$manager" = apt-get ]; then
        install_with_apt "$@"
    else
        # shellcheck disable=SC2086  # words are wanted
        "$@" $command
    fi >&2 || fail 'PostgreSQL could not be installed' "\`$command\` failed, see above" "mend that and run \`$command\`, or set DATABASE_URL"
}

# require_bin [MAJOR]: as find_bin, but installs or fails; a MAJOR that is missing is never installed.
require_bin() {
    find_bin "$@" && return
    [ $# = 0 ] || fail "the cluster cannot be started" "it was made by PostgreSQL $1, which is not on this machine" "install PostgreSQL $1, or delete the cluster with scripts/postgres remove and the same directory"
    install_postgres
    find_bin || fail 'no PostgreSQL' "the package was installed and still there is no PostgreSQL $oldest_major or newer (the distribution's may be older)" 'install it from https://www.postgresql.org/download/, or set DATABASE_URL'
}
