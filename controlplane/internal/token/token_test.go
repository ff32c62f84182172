package token

import (
	"regexp"
	"strings"
	"testing"
)

var ca = []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")

// SHA-256 of ca, computed apart by sha256sum.
const (
	golden          = "K10" + goldenHash + "::server:secret"
	goldenHash      = "7cc358aa45100f42d57b76e9b235253bfc6fc830b3e45858d2bc473657aae3f7"
	goldenBootstrap = "tusu3p.9dug1zybk07jt05h"
)

func TestFormatIsTheDocumentedOne(t *testing.T) {
	if got := Format(ca, ServerUser, "secret"); got != golden {
		t.Fatalf("got %s", got)
	}
}

func TestServerAndNodeDeriveTheSameBootstrapToken(t *testing.T) {
	parsed, err := Parse(" " + golden + "\n")
	if err != nil {
		t.Fatal(err)
	}
	want := Derive(HashCA(ca), "secret")
	if parsed.Bootstrap != want || parsed.CAHash != goldenHash {
		t.Fatalf("got %+v, want %+v", parsed, want)
	}
	if want.String() != goldenBootstrap {
		t.Fatalf("derivation changed: %s; old workers could not join any more", want)
	}
}

func TestDerivedTokensHaveTheFormKubernetesAccepts(t *testing.T) {
	form := regexp.MustCompile(`^[a-z0-9]{6}\.[a-z0-9]{16}$`)
	seen := map[string]bool{}
	for range 2000 {
		password, err := Random()
		if err != nil {
			t.Fatal(err)
		}
		b := Derive(goldenHash, password)
		if !form.MatchString(b.String()) || seen[b.Secret] {
			t.Fatalf("%q from %q", b, password)
		}
		seen[b.Secret] = true
	}
}

func TestTheIDSaysNothingAboutThePassword(t *testing.T) {
	a, b := Derive(goldenHash, "one"), Derive(goldenHash, "two")
	if a.ID != b.ID || a.Secret == b.Secret {
		t.Fatalf("%v %v", a, b)
	}
}

func TestParseAcceptsABootstrapToken(t *testing.T) {
	got, err := Parse("K10" + goldenHash + "::abcdef.0123456789abcdef")
	if err != nil || got.Bootstrap != (Bootstrap{"abcdef", "0123456789abcdef"}) {
		t.Fatalf("%+v %v", got, err)
	}
}

func TestParseRefusesAndNeverRepeatsTheSecret(t *testing.T) {
	for _, text := range []string{
		"", "hunter2", "server:hunter2", "K10::server:hunter2", "K10" + goldenHash, "K10" + goldenHash + ":server:hunter2",
		"K10" + strings.ToUpper(goldenHash) + "::server:hunter2", "K10" + goldenHash[1:] + "::server:hunter2",
		"K10" + goldenHash + "::hunter2", "K10" + goldenHash + "::server:", "K10" + goldenHash + "::root:hunter2",
		"K10" + goldenHash + "::ABCDEF.hunter2hunter2hu", strings.Repeat("hunter2", 1000),
	} {
		_, err := Parse(text)
		if err == nil {
			t.Errorf("%q was accepted", text)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the message repeats the secret: %v", err)
		}
	}
}

func TestAServerTakesAPasswordOrItsOwnToken(t *testing.T) {
	for _, text := range []string{"secret", golden, golden + "\n"} {
		if got, err := Password(text, ca); err != nil || got != "secret" {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "two words", golden + " x", strings.Replace(golden, goldenHash[:4], "0000", 1), "K10" + goldenHash + "::server:"} {
		if got, err := Password(text, ca); err == nil {
			t.Errorf("%q gave %q", text, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(golden)
	f.Add("K10" + goldenHash + "::abcdef.0123456789abcdef")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Parse(text)
		if err == nil && (len(got.CAHash) != 64 || len(got.Bootstrap.String()) != 23) {
			t.Fatalf("%q gave %+v", text, got)
		}
	})
}
