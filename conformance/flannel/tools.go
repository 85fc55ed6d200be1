//go:build tools

// Package tools names the flanneld that the tests run beside our agent, so that go.mod holds its version.
package tools

import _ "github.com/flannel-io/flannel"
