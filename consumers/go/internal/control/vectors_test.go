// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"framering/internal/vectors"
)

// Every kind of message and every field of it: that none is missing is what tests/abi/vector_messages_test.cpp
// checks, which has the schema at hand.
func TestGoldenMessagesAreReadAsTheySay(t *testing.T) {
	var message reflect.Value
	kind, fields := "", 0
	for _, line := range vectors.All(t) {
		switch line[0] {
		case "message":
			parsed, err := Parse(vectors.Unhex(t, line[2]))
			if err != nil || parsed.Which().String() != line[1] {
				t.Fatalf("%s: read as %v, %v", line[1], parsed.Which(), err)
			}
			kind, message = line[1], reflect.ValueOf(parsed)
		case "field":
			fields++
			if got := value(t, message, line[1]); got != line[2] {
				t.Errorf("%s: %s is %s, the vector says %s", kind, line[1], got, line[2])
			}
		}
	}
	if fields < 100 {
		t.Fatalf("only %d fields", fields)
	}
}

// value follows a path such as streams[1].name through the generated accessors.
func value(t *testing.T, from reflect.Value, path string) string {
	t.Helper()
	for _, step := range strings.Split(path, ".") {
		name, index, inList := strings.Cut(strings.TrimSuffix(step, "]"), "[")
		from = call(t, from, strings.ToUpper(name[:1])+name[1:])
		if inList {
			i, err := strconv.Atoi(index)
			if err != nil || i >= int(call(t, from, "Len").Int()) {
				t.Fatalf("%s: no element %s", path, index)
			}
			from = call(t, from, "At", reflect.ValueOf(i))
		}
	}
	switch from.Kind() {
	case reflect.Bool:
		return map[bool]string{false: "0", true: "1"}[from.Bool()]
	case reflect.Uint16: // an enumeration
		return strconv.FormatUint(from.Uint(), 10)
	case reflect.String:
		if from.Len() == 0 {
			return `""`
		}
		return strings.ReplaceAll(from.String(), " ", "_")
	}
	return fmt.Sprint(from.Interface())
}

func call(t *testing.T, on reflect.Value, method string, arguments ...reflect.Value) reflect.Value {
	t.Helper()
	accessor := on.MethodByName(method)
	if !accessor.IsValid() {
		t.Fatalf("%v has no %s", on.Type(), method)
	}
	results := accessor.Call(arguments)
	if len(results) == 2 && !results[1].IsNil() {
		t.Fatalf("%s: %v", method, results[1])
	}
	return results[0]
}
