package pki

import (
	"bytes"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"daas/controlplane/internal/layout"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func pair(dir, name string) layout.Pair {
	return layout.Pair{Name: name, Cert: filepath.Join(dir, name+".crt"), Key: filepath.Join(dir, name+".key")}
}

func mustCA(t *testing.T, dir, name string) *Authority {
	t.Helper()
	a, err := LoadOrMake(pair(dir, name), name, now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestAFoundCAIsUsedAndNeverOverwritten(t *testing.T) {
	dir := t.TempDir()
	mustCA(t, dir, "server-ca")
	p := pair(dir, "server-ca")
	cert, key := read(t, p.Cert), read(t, p.Key)
	mustCA(t, dir, "server-ca")
	if !bytes.Equal(cert, read(t, p.Cert)) || !bytes.Equal(key, read(t, p.Key)) {
		t.Fatal("the CA was written again")
	}
}

func TestPrivateFilesArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	mustCA(t, dir, "server-ca")
	for _, path := range []string{pair(dir, "server-ca").Key, pair(dir, "server-ca").Cert} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", path, info.Mode(), err)
		}
	}
	if info, _ := os.Stat(dir); info.Mode().Perm() != 0o700 {
		t.Errorf("%s: %v", dir, info.Mode())
	}
}

func TestHalfOrMixedOrExpiredCAsAreRefusedByName(t *testing.T) {
	cases := map[string]struct {
		spoil func(dir string)
		at    time.Time
		want  string
	}{
		"no key":     {func(d string) { os.Remove(pair(d, "server-ca").Key) }, now, "without its private key"},
		"no cert":    {func(d string) { os.Remove(pair(d, "server-ca").Cert) }, now, "without its certificate"},
		"other key":  {func(d string) { os.Rename(pair(d, "client-ca").Key, pair(d, "server-ca").Key) }, now, "not a pair"},
		"garbage":    {func(d string) { os.WriteFile(pair(d, "server-ca").Cert, []byte("x"), 0o600) }, now, "no PEM CERTIFICATE"},
		"empty key":  {func(d string) { os.WriteFile(pair(d, "server-ca").Key, nil, 0o600) }, now, "no PEM private key"},
		"expired":    {func(string) {}, now.Add(11 * 365 * 24 * time.Hour), "set the clock"},
		"not yet":    {func(string) {}, now.Add(-48 * time.Hour), "set the clock"},
		"unreadable": {func(d string) { p := pair(d, "server-ca").Cert; os.Remove(p); os.Mkdir(p, 0o700) }, now, "cannot read"},
		"leaf as CA": {func(d string) { leafAsCA(d) }, now, "not a CA certificate"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			mustCA(t, dir, "server-ca")
			mustCA(t, dir, "client-ca")
			c.spoil(dir)
			_, err := LoadOrMake(pair(dir, "server-ca"), "server-ca", c.at)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "server-ca: ") {
				t.Fatalf("got %v, want %q", err, c.want)
			}
		})
	}
}

func leafAsCA(dir string) {
	a, _ := LoadOrMake(pair(dir, "client-ca"), "client-ca", now)
	_, _ = a.Ensure(Leaf{Pair: pair(dir, "server-ca"), CommonName: "x", Client: true}, now)
}

func TestALeafIsKeptWhileItFitsAndReissuedWhenNot(t *testing.T) {
	dir := t.TempDir()
	a, other := mustCA(t, dir, "server-ca"), mustCA(t, dir, "client-ca")
	want := Leaf{Pair: pair(dir, "serving"), CommonName: "kube-apiserver", Names: []string{"localhost", "127.0.0.1", "::1"}, Server: true}
	steps := []struct {
		name   string
		ca     *Authority
		change func(l *Leaf)
		at     time.Time
		reason string
	}{
		{"first", a, nil, now, "missing"},
		{"again", a, nil, now, ""},
		{"same names in another order", a, func(l *Leaf) { l.Names = []string{"::1", "127.0.0.1", "127.0.0.1", "localhost"} }, now, ""},
		{"a day later", a, nil, now.Add(24 * time.Hour), ""},
		{"89 days before its end", a, nil, now.Add(leafLife - 89*24*time.Hour), "expires within 90 days"},
		{"one name more", a, func(l *Leaf) { l.Names = append(l.Names, "api.example") }, now.Add(leafLife - 89*24*time.Hour), "names changed"},
		{"one address less", a, func(l *Leaf) { l.Names = []string{"localhost", "api.example"} }, now.Add(leafLife - 89*24*time.Hour), "names changed"},
		{"another CA", other, nil, now.Add(leafLife - 89*24*time.Hour), "CA changed"},
		{"another user", other, func(l *Leaf) { l.CommonName = "x" }, now.Add(leafLife - 89*24*time.Hour), "subject changed"},
		{"another group", other, func(l *Leaf) { l.Organizations = []string{"g"} }, now.Add(leafLife - 89*24*time.Hour), "subject changed"},
		{"another use", other, func(l *Leaf) { l.Client = true }, now.Add(leafLife - 89*24*time.Hour), "usage changed"},
	}
	for _, s := range steps {
		if s.change != nil {
			s.change(&want)
		}
		reason, err := s.ca.Ensure(want, s.at)
		if err != nil || reason != s.reason {
			t.Fatalf("%s: got %q, %v, want %q", s.name, reason, err, s.reason)
		}
	}
}

func TestALeafNeverOutlivesItsCA(t *testing.T) {
	dir := t.TempDir()
	a := mustCA(t, dir, "server-ca")
	late := a.Cert.NotAfter.Add(-24 * time.Hour)
	if _, err := a.Ensure(Leaf{Pair: pair(dir, "leaf"), CommonName: "x", Client: true}, late); err != nil {
		t.Fatal(err)
	}
	cert, err := readCert(pair(dir, "leaf").Cert)
	if err != nil || cert.NotAfter.After(a.Cert.NotAfter) {
		t.Fatalf("%v %v", cert.NotAfter, err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.Cert)
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: late, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Fatal(err)
	}
}

func TestTheServiceKeyIsKeptAndItsPublicHalfFollows(t *testing.T) {
	dir := t.TempDir()
	private, public := filepath.Join(dir, "service.key"), filepath.Join(dir, "service.pub")
	for range 2 {
		if err := EnsureServiceKey(private, public); err != nil {
			t.Fatal(err)
		}
	}
	before := read(t, public)
	os.Remove(public)
	if err := EnsureServiceKey(private, public); err != nil || !bytes.Equal(before, read(t, public)) {
		t.Fatal("another public key", err)
	}
	os.WriteFile(private, []byte("broken"), 0o600)
	if err := EnsureServiceKey(private, public); err == nil || !strings.Contains(err.Error(), "restore it") {
		t.Fatalf("got %v", err)
	}
}
