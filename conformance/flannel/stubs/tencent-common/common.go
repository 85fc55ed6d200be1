// Package common stands in for the part of a cloud's library that flanneld's tencent-vpc backend names: it compiles,
// and the backend reports that it cannot work.
package common

func StringPtr(value string) *string { return &value }

func BoolPtr(value bool) *bool { return &value }

func StringPtrs(values []string) []*string {
	pointers := make([]*string, len(values))
	for i := range values {
		pointers[i] = &values[i]
	}
	return pointers
}
