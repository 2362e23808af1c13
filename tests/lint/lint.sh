#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Rules about the sources that a compiler doesn't check, one TAP case each. A rule prints what
# breaks it, one finding per line, and says nothing when all is well; "SKIP reason" skips it.
# Run by make check, or by hand from the root: tests/lint/lint.sh
set -uo pipefail

srcdir=${srcdir:-$(dirname "$0")/../..}
builddir=$(cd "${builddir:-$srcdir/build}" 2>/dev/null && pwd)
cd "$srcdir" || exit 1
folders=()
for d in shadow vmm guest tools tests docs .ci; do
	[[ ! -d $d ]] || folders+=("$d")
done

# Files of ours by name pattern, generated ones left out.
files() {
	local p args=()
	for p in "$@"; do args+=(-o -name "$p"); done
	find "${folders[@]}" \( -name build -o -name .libs -o -name .deps -o -name __pycache__ \) \
		-prune -o -type f \( "${args[@]:1}" \) -print | sort
}
c_files() { files '*.c' '*.h'; }
# Files that begin with a #! line which matches $1; not libtool's wrappers of a build in the tree.
programs() {
	find quickstart "${folders[@]}" -name build -prune -o -type f -exec awk -v want="^#!.*$1" '
		FNR == 1 { shebang = $0 ~ want }
		FNR == 3 && shebang && /libtool/ { nextfile }
		FNR == 3 && shebang { print FILENAME }' {} + 2>/dev/null
}
scripts() {
	{ files '*.sh' '*.bash'; programs '[/ ](ba)?sh$'; } | sort -u
}
source_files() {
	{
		files '*.c' '*.h' '*.S' '*.ld' '*.lds' '*.py' '*.sh' '*.bats' '*.mk' '*.1'
		ls configure.ac Makefile.am 2>/dev/null
		programs ''
	} | sort -u
}

# includes FOLDER: "file:line: header" for each #include of its C and assembler files.
includes() {
	[[ -d $1 ]] || return 0
	find "$1" -name '*.[chS]' -exec grep -HnE '^[[:space:]]*#[[:space:]]*include' {} + |
		sed -E 's/#[[:space:]]*include[[:space:]]*/ /'
}

rule_shadow_includes() {
	includes shadow | grep -E '<(linux/|asm/kvm|libvirt|json-c|Zydis|stdio\.h|err\.h|error\.h|syslog\.h|sys/socket|sys/un\.h|sys/ioctl|netinet|arpa)'
}

# Whatever may wait or allocate says so first: sh_may_wait() within the three lines before it.
rule_shadow_may_wait() {
	find shadow -name '*.c' | sort | xargs awk '
		FNR == 1 { said = -9; allowed = 0 }
		/sh_may_wait\(\)/ { said = FNR }
		/LINT: may-wait/ { allowed = FNR }
		/^[ \t]*(\/?\*|\/\/)/ { next }
		/(pthread_mutex_lock|pthread_cond_(timed)?wait|[^_a-z](malloc|calloc|aligned_alloc|realloc)|[^_a-z]mmap\(NULL,|be\.shootdown(_some)?|urcu_memb_synchronize_rcu)[ (]*\(?/ &&
		FNR - said > 3 && !(allowed && FNR - allowed <= 1) { print FILENAME ":" FNR ": " $0 }'
}

rule_shadow_symbols() {
	local objects
	[[ -n $builddir ]] || { echo "SKIP no build"; return; }
	mapfile -t objects < <(find "$builddir" -path '*shadow/*' -name '*.o' 2>/dev/null)
	[[ ${#objects[@]} -gt 0 ]] || { echo "SKIP no objects of shadow/ are built"; return; }
	nm -A -u "${objects[@]}" |
		grep -E ' U (_?exit|_Exit|quick_exit|abort|(__)?v?f?d?printf(_chk)?|puts|putchar|fputs|fwrite|perror|v?errx?|v?warnx?|syslog|socket|connect|bind|ioctl)(@|$)'
}

rule_shadow_stands_alone() {
	includes shadow | grep -E '"' | grep -vE '"(shadow/|config\.h")'
}
rule_vmm_uses_only_shadow() {
	includes vmm | grep -E '"(tools|tests|guest)/' | grep -vE 'abi\.h"'
}
rule_tools_use_the_socket_only() {
	includes tools | grep -E '"(vmm|shadow)/' | grep -vE '"vmm/(opttable|sizes|guestpath)\.h"'
}
rule_guest_stands_alone() {
	includes guest | grep -E '"(vmm|shadow|tools|tests)/' | grep -vE 'abi\.h"'
}
rule_model_shares_no_code_with_shadow() {
	includes tests/model | grep -E '"shadow/' | grep -vE '"shadow/addr\.h"'
}

# Cases and bugs that docs/hazards.md names, in backquotes: "file.c: case", or a bug of mutant.c.
rule_hazards_name_what_exists() {
	local name file
	grep -oE '`[^`]+`' docs/hazards.md | tr -d '`' | sort -u | while read -r name; do
		case $name in
		*.c:\ *)
			file=$(find tests -name "${name%%: *}")
			[[ -n $file ]] && grep -qF "\"${name#*: }\"" "$file" ||
				echo "docs/hazards.md: no test \"$name\""
			;;
		*-*)
			grep -qF "\"$name\"" shadow/mutant.c guest/kernel/mutant.c guest/scenarios/table.c ||
				[[ $name == *' '* ]] || echo "docs/hazards.md: no bug \"$name\""
			;;
		esac
	done
}

rule_spdx() {
	local f
	while read -r f; do
		head -n 3 "$f" | grep -q 'SPDX-License-Identifier: BSD-2-Clause' ||
			echo "$f: no SPDX line in its first three lines"
	done < <(source_files)
}

rule_length() {
	source_files | xargs awk '
		FNR == 1 && name && last > 600 { print name ": " last " lines, more than 600" }
		{ name = FILENAME; last = FNR }
		END { if (last > 600) print name ": " last " lines, more than 600" }'
}

rule_whitespace() {
	local f
	source_files | xargs grep -nE '[[:blank:]]$' /dev/null | sed 's/$/ <- trailing space/'
	c_files | xargs grep -nE '^ +	' /dev/null | sed 's/$/ <- space before tab/'
	while read -r f; do
		[[ -z $(tail -c 1 "$f") ]] || echo "$f: no newline at its end"
	done < <(source_files)
}

rule_format() {
	local tool=${CLANG_FORMAT:-clang-format}
	[[ -e .clang-format ]] || { echo "SKIP no .clang-format here"; return; }
	command -v "$tool" >/dev/null || { echo "SKIP clang-format is not installed"; return; }
	# Other versions break lines elsewhere.
	"$tool" --version | grep -q 'version 14\.' || { echo "SKIP not clang-format 14"; return; }
	c_files | xargs "$tool" --dry-run --Werror 2>&1 | grep -E ': error: ' |
		cut -d: -f1 | uniq -c | awk '{ print $2 ": " $1 " places; make format" }'
}

# Folders of one developer's machine; put together here so that this file passes.
rule_no_private_paths() {
	local top='(wo''rk|ho''me|ro''ot)'
	{ source_files; files '*.md'; ls README.md 2>/dev/null; } |
		xargs grep -nE "(^|[^[:alnum:]_.\$})/-])/$top/" /dev/null
}

rule_shellcheck() {
	command -v shellcheck >/dev/null || { echo "SKIP shellcheck is not installed"; return; }
	{ scripts; files '*.bats'; } | xargs shellcheck -S warning -f gcc
}

# Words that the README uses as commands, against what the programs know.
rule_readme_commands() {
	local word
	[[ -e README.md && -e quickstart ]] || { echo "SKIP no README.md here"; return; }
	for word in $(grep -oE '\./quickstart [a-z]+' README.md | cut -d' ' -f2 | sort -u); do
		grep -qE "^  $word  +[a-z]|^		  $word  +" quickstart ||
			echo "README.md: ./quickstart $word is unknown to quickstart"
	done
	for word in $(grep -oE '(^|[` /])umbra [a-z]+' README.md | sed 's/.* //' | sort -u); do
		grep -qE "^	\{\"$word\"," vmm/main.c || echo "README.md: umbra $word is unknown to umbra"
	done
	for word in $(grep -oE '\bumbra (run )?.*' README.md | grep -oE -- ' --?[a-z][a-z-]*' | sort -u); do
		grep -qE "\.(name = \"${word##*-}\"|name = \"${word#--}\")" vmm/options.c ||
			grep -q "Fl ${word#-}" docs/umbra.1 ||
			echo "README.md: umbra has no option $word"
	done
}

# options_of TABLE MANUAL: each option of a table has its paragraph.
options_of() {
	local name
	for name in $(grep -oE '\.name = "[a-z-]+"' "$1" | cut -d'"' -f2); do
		grep -qE "^\.It .*Fl -?$name( |$)" "$2" || echo "$2: --$name is missing"
	done
	for name in $(grep -oE "\.letter = '.'" "$1" | cut -d"'" -f2); do
		grep -qE "^\.It .*Fl $name( |$)" "$2" || echo "$2: -$name is missing"
	done
}
rule_options_documented() {
	options_of vmm/options.c docs/umbra.1
	options_of tools/ref/options.c docs/umbra-ref.1
	options_of tools/stress/options.c docs/umbra-stress.1
	options_of tools/ctl/options.c docs/umbractl.1
}

# words_of TABLE PATTERN PREFIX FILE: each name that PATTERN finds in a table is a word of the file.
words_of() {
	local name
	for name in $(grep -oE "$2" "$1" | cut -d'"' -f2); do
		grep -qE -- "(^|[[:space:]\"])$3$name([[:space:]\"]|\$)" "$4" || echo "$4: $3$name is missing"
	done
}
rule_completion_knows_all_words() {
	local option='\.name = "[a-z-]+"' verb='^	\{"[a-z]+",'
	words_of vmm/options.c "$option" -- completion/umbra
	words_of vmm/main.c "$verb" '' completion/umbra
	words_of tools/ref/options.c "$option" -- completion/umbra-ref
	words_of tools/stress/options.c "$option" -- completion/umbra-stress
	words_of tools/ctl/options.c "$option" -- completion/umbractl
	words_of tools/ctl/commands.c "$verb" '' completion/umbractl
	words_of tools/ctl/commands.c "$verb" '.*\bCm .*' docs/umbractl.1
}

rules=$(declare -F | sed -n 's/^declare -f rule_//p')
echo "1..$(wc -w <<<"$rules")"
number=0
status=0
for rule in $rules; do
	number=$((number + 1))
	found=$("rule_$rule")
	if [[ -z $found ]]; then
		echo "ok $number - ${rule//_/ }"
	elif [[ $found == SKIP* ]]; then
		echo "ok $number - ${rule//_/ } # $found"
	else
		sed 's/^/# /' <<<"$found"
		echo "not ok $number - ${rule//_/ }"
		status=1
	fi
done
exit $status
