#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The C functions that libframering exports are exactly those of symbols.txt, and exactly those that
# framering.h declares. Whoever removes one breaks programs that are already built.
#
#   symbols_test.sh LIBRARY HEADER SYMBOLS
set -eu
library=$1 header=$2 golden=$3

work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

nm --dynamic --defined-only "$library" |
  awk '$2 == "T" && $3 ~ /^framering_/ { sub(/@.*/, "", $3); print $3 }' | sort >"$work/exported"
# A declaration ends in ");", an inline function does not; a call in a comment is indented.
awk '/^[a-z].*framering_[a-z_]+\(/ && !/^static inline/' "$header" |
  sed 's/(.*//; s/.*[ *]//' | sort >"$work/declared"
grep '^framering_' "$golden" | sort >"$work/golden"

test -s "$work/golden"
diff -u "$work/golden" "$work/exported" || { echo "exported differs from $golden" >&2; exit 1; }
diff -u "$work/golden" "$work/declared" || { echo "$header differs from $golden" >&2; exit 1; }
