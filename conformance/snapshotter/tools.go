//go:build tools

// Package tools names what the tests of snapshots run beside a cluster, so that go.mod holds its version.
package tools

import (
	_ "github.com/kubernetes-csi/external-snapshotter/v8/cmd/snapshot-controller"
)
