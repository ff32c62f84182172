package args

import (
	"slices"
	"strings"
	"testing"
)

func TestUserArgumentsWinAndKeepTheirOrder(t *testing.T) {
	defaults := []Pair{{"a-a", "1"}, {"b", "2"}, {"c", "3"}}
	user, err := Parse("kube-apiserver-arg", []string{"b=9", "feature-gates=X=true", "a_a=8", "b=10"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"--c=3", "--b=9", "--feature-gates=X=true", "--a-a=8", "--b=10"}
	if got := Merge(defaults, user); !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	if !Has(user, "a-a") || Has(user, "c") {
		t.Fatal("Has does not see the user's keys")
	}
}

func TestParseTakesEmptyValuesAndBareKeys(t *testing.T) {
	got, err := Parse("kubelet-arg", []string{"enforce-node-allocatable=", "profiling"})
	if err != nil || !slices.Equal(got, []Pair{{"enforce-node-allocatable", ""}, {"profiling", "true"}}) {
		t.Fatalf("got %v, %v", got, err)
	}
}

func TestParseRefusesByNameAndSaysHow(t *testing.T) {
	for value, want := range map[string]string{
		"--v=3": "--etcd-arg=v=3", "=x": "key=value", "a b=c": "key=value", "": "key=value",
	} {
		if _, err := Parse("etcd-arg", []string{value}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q in it", value, err, want)
		}
	}
}
