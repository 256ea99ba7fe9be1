# shellcheck shell=bash
# What the project's run scripts share: installing what is missing, and building quietly. To be sourced.
#
#   project_root               the folder of the project
#   die SENTENCE               says it and ends the script
#   require_packages NAME...   installs the Debian packages that are missing; elsewhere says what to install
#   quietly LOG COMMAND...     runs a command; shows its output only if it fails
#   build_preset PRESET [TARGET...]  configures and builds build/PRESET
#   fetch_text NAME URL SHA256 downloads build/corpus/NAME once, and checks it; fails with a sentence
#   run_on_text PROGRAM NAME URL SHA256 OPTION...  builds an example and runs it on such a text, or on --corpus FILE

project_root="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)"

die() {
    printf '%s\n' "$*" >&2
    exit 1
}

quietly() {
    local log="$1" status=0
    shift
    mkdir -p -- "$(dirname -- "$log")"
    "$@" >"$log" 2>&1 </dev/null || status=$?
    if ((status != 0)); then
        cat -- "$log" >&2
        printf 'failed (exit code %d): %s\n' "$status" "$*" >&2
    fi
    return "$status"
}

# How to recognise a package's contents where it came by another way than from Debian.
_has_command() { command -v "$1" >/dev/null 2>&1; }
_has_header() { printf '#include <%s>\n' "$1" | "${CXX:-c++}" -x c++ -std=c++20 -E - >/dev/null 2>&1; }
_has_library() { printf 'int main() {}\n' | "${CXX:-c++}" -x c++ -o /dev/null - "-l$1" >/dev/null 2>&1; }

_package_is_here() {
    case "$1" in
        g++ | clang | clang-format | clang-tidy | cmake | git | pkg-config | python3) _has_command "$1" ;;
        ninja-build) _has_command ninja ;;
        libclang-rt-dev) printf 'int main() {}\n' | clang++ -fsanitize=address -x c++ -o /dev/null - >/dev/null 2>&1 ;;
        xz-utils) _has_command xz ;;
        doxygen | chromium) _has_command "$1" ;;
        debootstrap) _has_command debootstrap || [[ -x /usr/sbin/debootstrap ]] ;;
        libopenblas-dev) _has_library openblas ;;
        libxtensor-dev) _has_header xtensor/xtensor.hpp || _has_header xtensor/containers/xtensor.hpp ;;
        libxtensor-blas-dev) [[ -n "$(find /usr/include /usr/local/include -path '*/xtensor-blas/xblas.hpp' 2>/dev/null)" ]] ;;
        libxsimd-dev) _has_header xsimd/xsimd.hpp ;;
        nlohmann-json3-dev) _has_header nlohmann/json.hpp ;;
        doctest-dev) _has_header doctest/doctest.h ;;
        libcli11-dev) _has_header CLI/CLI.hpp ;;
        libbenchmark-dev) _has_header benchmark/benchmark.h ;;
        locales) [[ -e /usr/share/i18n/locales/de_DE ]] ;;
        linux-libc-dev) _has_header linux/fs.h ;;
        linux-source) compgen -G '/usr/src/linux-source-*.tar.*' >/dev/null ;;
        *) return 1 ;;
    esac
}

require_packages() {
    local package missing=()
    for package in "$@"; do
        # Debian's word first: it is quick.
        if _has_command dpkg-query &&
            [[ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" == installed ]]; then
            continue
        fi
        [[ " ${missing[*]-} " == *" $package "* ]] || _package_is_here "$package" || missing+=("$package")
    done
    ((${#missing[@]} == 0)) && return 0

    local as_root=() apt=(apt-get -y -q --no-install-recommends install "${missing[@]}")
    if ! _has_command apt-get; then
        die "Please install, and start again (these are Debian's names; others call them much the same): ${missing[*]}"
    fi
    if ((EUID != 0)); then
        _has_command sudo || die "Please install, as root, and start again: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    printf 'Installing %s\n' "${missing[*]}" >&2
    local log="$project_root/build/log/apt.log"
    if ((EUID != 0)) && ! sudo -n true 2>/dev/null; then
        sudo -v || die "Please install, as root, and start again: apt-get install ${missing[*]}"
    fi
    quietly "$log" "${as_root[@]}" apt-get -q update ||
        printf 'Going on with the lists of packages that are there.\n' >&2
    quietly "$log" "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "${apt[@]}" ||
        die "Please install, and start again: ${missing[*]}"
}

# What every program of the project is built with.
build_packages=(
    g++ cmake ninja-build libxtensor-dev libxtensor-blas-dev libxsimd-dev libopenblas-dev nlohmann-json3-dev
)

build_preset() {
    local preset="$1" dir="$project_root/build/$1" target targets=()
    shift
    for target in "$@"; do targets+=(--target "$target"); done
    local version
    version="$(cmake --version | sed -n 's/^cmake version //p')"
    if [[ "$(printf '%s\n' 3.25 "$version" | sort -V | head -n 1)" != 3.25 ]]; then
        die "CMake 3.25 or newer is needed here, and this is $version."
    fi
    # A build folder that was moved or copied with the project still points to the old place.
    if [[ -f "$dir/CMakeCache.txt" ]] &&
        ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$project_root" "$dir/CMakeCache.txt"; then
        rm -rf -- "$dir"
    fi
    (
        cd -- "$project_root"
        quietly "build/log/$preset-configure.log" cmake --preset "$preset" &&
            quietly "build/log/$preset-build.log" \
                cmake --build --preset "$preset" --parallel "$(nproc)" "${targets[@]}"
    )
}

fetch_text() {
    local name="$1" url="$2" sum="$3" file="$project_root/build/corpus/$1" found
    [[ -f "$file" ]] && return 0
    mkdir -p -- "$(dirname -- "$file")"
    printf 'Downloading %s\n' "$url" >&2
    rm -f -- "$file.part"
    if _has_command curl; then
        curl -fsSL --connect-timeout 20 --max-time 600 -o "$file.part" "$url"
    elif _has_command wget; then
        wget -q --timeout=20 --tries=2 -O "$file.part" "$url"
    else
        printf 'There is neither curl nor wget. ' >&2 && false
    fi || {
        rm -f -- "$file.part"
        printf '%s could not be downloaded. Fetch it by another way from %s, and name it: --corpus FILE\n' "$name" "$url" >&2
        return 1
    }
    found="$(sha256sum -- "$file.part" | cut -d ' ' -f 1)"
    if [[ "$found" != "$sum" ]]; then
        printf '%s has the SHA-256 %s, expected %s: it is kept as %s. To use it all the same: --corpus FILE\n' \
            "$url" "$found" "$sum" "$file.part" >&2
        return 1
    fi
    mv -- "$file.part" "$file"
}

run_on_text() {
    local program="$1" name="$2" url="$3" sum="$4" option fetch=yes
    shift 4
    for option in "$@"; do
        case "$option" in --corpus | --corpus=* | --write | -h | --help) fetch=no ;; esac
    done
    require_packages "${build_packages[@]}" libcli11-dev
    if [[ "$fetch" == yes ]]; then
        fetch_text "$name" "$url" "$sum" || exit 1
        set -- --corpus "$project_root/build/corpus/$name" "$@"
    fi
    [[ -x "$project_root/build/example/examples/$program" ]] || printf 'Building the example, once\n' >&2
    build_preset example "$program" || exit 1
    exec "$project_root/build/example/examples/$program" "$@"
}
