#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# fetch-kernel.sh DIR: Debian's own amd64 kernel and its kvm_amd, without installing them.
#
# Makes DIR/vmlinuz and DIR/modules/*.ko, with DIR/modules/order naming the modules in the order
# in which they load, and DIR/release naming the kernel. They come from the running system when it
# has that kernel's package installed, else out of the package that linux-image-amd64 depends on.
# A complete DIR is left as it is; remove it to get a newer kernel.
#
# Exit status: 0 DIR is complete, 77 the package cannot be had here, 2 usage, 1 anything else.
set -euo pipefail
export LC_ALL=C

meta=linux-image-amd64
wanted=kvm-amd
# Where it and what it depends on live; unpacking the other 95 % takes longer than all the rest.
module_folders=('*/kernel/arch/x86/*' '*/kernel/virt/*' '*/kernel/drivers/crypto/ccp/*')

die() { echo "fetch-kernel.sh: $*" >&2; exit 1; }
skip() { echo "fetch-kernel.sh: $*" >&2; exit 77; }

# complete DIR: every file that run.sh will ask for is there.
complete() {
	local dir=$1 name
	[ -s "$dir/vmlinuz" ] && [ -s "$dir/release" ] && [ -s "$dir/modules/order" ] || return 1
	while read -r name; do
		[ -s "$dir/modules/$name.ko" ] || return 1
	done <"$dir/modules/order"
}

# module_depends FILE.ko: the names in its depends= line. The package has no modules.dep (that is
# made at installation), and modinfo is not on every machine.
module_depends() {
	tr '\0' '\n' <"$1" | sed -n 's/^depends=//p' | tr ',' '\n'
}

# find_module TREE NAME: its path. File names use - or _ as their authors liked, depends= only
# uses what the file name has, so both are tried.
find_module() {
	find "$1" -name "${2//[-_]/[-_]}.ko*" -print -quit
}

# take_module TREE NAME OUT: NAME, after all it depends on, into OUT and OUT/order.
take_module() {
	local tree=$1 name=$2 out=$3 path dep deps
	[ ! -e "$out/$name.ko" ] || return 0
	path=$(find_module "$tree" "$name")
	[ -n "$path" ] || die "no module $name in the kernel package"
	case $path in
	*.ko) cp "$path" "$out/$name.ko" ;;
	*.ko.xz) xz -dc "$path" >"$out/$name.ko" ;;
	*.ko.zst) zstd -qdc "$path" >"$out/$name.ko" ;;
	*) die "$path: compressed in a way unknown here" ;;
	esac
	deps=$(module_depends "$out/$name.ko")
	for dep in $deps; do
		take_module "$tree" "$dep" "$out"
	done
	echo "$name" >>"$out/order"
}

# take_kernel IMAGE TREE RELEASE: to DIR. The modules with their order, by which complete() judges,
# come last and at once.
take_kernel() {
	local image=$1 tree=$2 release=$3 new=$tmp/new
	mkdir -p "$new/modules"
	cp "$image" "$new/vmlinuz"
	echo "$release" >"$new/release"
	take_module "$tree" "$wanted" "$new/modules"
	mkdir -p "$dir"
	rm -rf "$dir/modules"
	mv "$new/vmlinuz" "$new/release" "$new/modules" "$dir/"
}

# installed_release: the newest installed kernel that has both its image and its kvm_amd.
installed_release() {
	local image release
	for image in $(printf '%s\n' /boot/vmlinuz-*-amd64 | sort -Vr); do
		release=${image#/boot/vmlinuz-}
		if [ -r "$image" ] && [ -n "$(find_module "/lib/modules/$release" "$wanted" 2>/dev/null)" ]
		then
			echo "$release"
			return
		fi
	done
}

# kernel_package: the versioned package behind the meta package.
kernel_package() {
	apt-cache depends "$meta" 2>/dev/null |
		sed -n 's/^ *Depends: *\(linux-image-[0-9][^ ]*\).*/\1/p' | head -n 1
}

case $#,${1:-} in
1,?*) dir=$(realpath -m "$1") ;;
*) echo "usage: fetch-kernel.sh DIR" >&2; exit 2 ;;
esac
! complete "$dir" || exit 0

# One at a time: a second one finds the work done.
mkdir -p "$(dirname "$dir")" 2>/dev/null || skip "$(dirname "$dir") can't be made"
[ -w "$(dirname "$dir")" ] || skip "$(dirname "$dir") can't be written"
exec 9<"$(dirname "$dir")"
flock 9
! complete "$dir" || exit 0
tmp=$(mktemp -d "$dir.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

release=$(installed_release)
if [ -n "$release" ]; then
	take_kernel "/boot/vmlinuz-$release" "/lib/modules/$release" "$release"
	exit 0
fi

type apt-get dpkg-deb >/dev/null 2>&1 ||
	skip "package $meta is not installed, and there is no apt-get to download it"
package=$(kernel_package)
[ -n "$package" ] || skip "package $meta is not installed, and apt knows none (apt-get update?)"
# Root's temporary directory is closed to the user _apt; without this apt warns about it.
(cd "$tmp" && apt-get -qq -o APT::Sandbox::User=root -o Acquire::Retries=1 \
	-o Acquire::http::Timeout=20 download "$package" >log 2>&1) ||
	skip "package $package is not installed, and it could not be downloaded"
release=${package#linux-image-}
release=${release%-unsigned}
mkdir "$tmp/root"
dpkg-deb --fsys-tarfile "$tmp/$package"_*.deb |
	tar -x -C "$tmp/root" --wildcards '*/boot/vmlinuz-*' "${module_folders[@]}" ||
	die "$package: unpacking failed"
rm -f "$tmp/$package"_*.deb
take_kernel "$tmp/root/boot/vmlinuz-$release" "$tmp/root" "$release"
