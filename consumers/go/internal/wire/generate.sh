#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Makes control.capnp.go from schema/control.capnp. The annotations that the Go generator wants are put
# into a copy, so that schema/ needs nothing but Debian's capnproto. Needs capnp and, on the PATH,
#   go install capnproto.org/go/capnp/v3/capnpc-go@v3.1.0-alpha.2
set -eu
cd "$(dirname "$0")"
std=$(go list -m -f '{{.Dir}}' capnproto.org/go/capnp/v3)/std
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sed '/^@0x/a using Go = import "/go.capnp"; $Go.package("wire"); $Go.import("framering/internal/wire");' \
  ../../../../schema/control.capnp > "$work/control.capnp"
capnp compile -I"$std" --src-prefix="$work" -o- "$work/control.capnp" |
  (cd "$work" && capnpc-go -promises=false -schemas=false -structstrings=false)
{
  echo '// SPDX-License-Identifier: Apache-2.0'
  cat "$work/control.capnp.go"
} > control.capnp.go
gofmt -w control.capnp.go
