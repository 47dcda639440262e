#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# libkvm.so exports what kvm_vision.h declares and nothing else, has the vendor's name, and needs only what is on every
# device that Framering runs on.
#
#   symbols_test.sh LIBRARY HEADER
set -eu
library=$1 header=$2

work=$(mktemp -d)
trap 'rm -r "$work"' EXIT

nm --dynamic --defined-only "$library" | awk '{ print $3 }' | sort >"$work/exported"
grep -oE '^(void|int|uint8_t) [a-z0-9_]+\(' "$header" | sed 's/.* //; s/(//' | sort >"$work/declared"
test "$(wc -l <"$work/declared")" -eq 10
diff -u "$work/declared" "$work/exported"

readelf --dynamic "$library" >"$work/dynamic"
grep -qF 'Library soname: [libkvm.so]' "$work/dynamic"
sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' "$work/dynamic" |
  grep -vE '^(libframering\.so\.[0-9]+|libstdc\+\+\.so\.6|libgcc_s\.so\.1|libc\.so.*|libm\.so\.6|ld-linux.*|lib[a-z]+san\.so.*)$' \
    >"$work/surplus" || true
if test -s "$work/surplus"; then
  echo "$library needs what a device need not have:" >&2
  cat "$work/surplus" >&2
  exit 1
fi
