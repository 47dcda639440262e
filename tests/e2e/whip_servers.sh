#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# whip_servers.sh FOLDER: builds the servers that webrtc_whip_test.mjs publishes to. LiveKit's takes minutes,
# once.
set -eu
mkdir -p "$1"
GOBIN=$(cd "$1" && pwd)
export GOBIN GOTOOLCHAIN=auto CGO_ENABLED=0
go install github.com/pion/webrtc/v4/examples/whip-whep@v4.1.4
go install github.com/livekit/livekit-server/cmd/server@v1.13.5
mv "$GOBIN/server" "$GOBIN/livekit-server"
