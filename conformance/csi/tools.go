//go:build tools

// Package tools names the csi-sanity that the tests run against our drivers, so that go.mod holds its version.
package tools

import _ "github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity"
