// Package args merges the arguments daas-k3s chooses for a component with
// those its user gives. The user's always win.
package args

import (
	"fmt"
	"strings"
)

// Pair is one key=value of a component.
type Pair struct {
	Key   string
	Value string
}

// Parse reads the values of a repeatable flag such as --kube-apiserver-arg.
// A key without "=" is a boolean, as K3s reads it.
func Parse(flag string, values []string) ([]Pair, error) {
	pairs := make([]Pair, 0, len(values))
	for _, value := range values {
		key, val, found := strings.Cut(value, "=")
		if !found {
			val = "true"
		}
		if strings.HasPrefix(key, "-") {
			return nil, fmt.Errorf("--%s=%s: write the key without leading dashes: --%s=%s", flag, value, flag, strings.TrimLeft(value, "-"))
		}
		if key == "" || strings.ContainsAny(key, " \t\n") {
			return nil, fmt.Errorf("--%s=%s: expected key=value", flag, value)
		}
		pairs = append(pairs, Pair{Key: normal(key), Value: val})
	}
	return pairs, nil
}

// Merge returns the command line of a component: every default whose key the
// user has not named, in order, then the user's pairs in their order. A key the
// user names several times stays several times: the component decides whether
// it adds up or the last one counts.
func Merge(defaults, user []Pair) []string {
	named := make(map[string]bool, len(user))
	for _, pair := range user {
		named[normal(pair.Key)] = true
	}
	merged := make([]string, 0, len(defaults)+len(user))
	for _, pair := range defaults {
		if !named[normal(pair.Key)] {
			merged = append(merged, "--"+pair.Key+"="+pair.Value)
		}
	}
	for _, pair := range user {
		merged = append(merged, "--"+pair.Key+"="+pair.Value)
	}
	return merged
}

// Has tells whether the user named one of the keys.
func Has(user []Pair, keys ...string) bool {
	for _, pair := range user {
		for _, key := range keys {
			if normal(pair.Key) == normal(key) {
				return true
			}
		}
	}
	return false
}

// normal makes a_b and a-b one key, as the components' own parsers do.
func normal(key string) string { return strings.ReplaceAll(key, "_", "-") }
