package agent

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"daas/controlplane/internal/layout"
	"daas/controlplane/internal/pki"
)

// newOtherServer serves ca and holds another CA's certificate: what somebody
// between a worker and its server can do.
func newOtherServer(t *testing.T, ca []byte) *httptest.Server {
	t.Helper()
	dir := t.TempDir()
	pair := func(name string) layout.Pair {
		return layout.Pair{Name: name, Cert: filepath.Join(dir, name+".crt"), Key: filepath.Join(dir, name+".key")}
	}
	now := time.Now()
	authority, err := pki.LoadOrMake(pair("ca"), "other", now)
	if err != nil {
		t.Fatal(err)
	}
	leaf := pki.Leaf{Pair: pair("leaf"), CommonName: "x", Names: []string{"127.0.0.1"}, Server: true}
	if _, err := authority.Ensure(leaf, now); err != nil {
		t.Fatal(err)
	}
	cert, err := tls.LoadX509KeyPair(leaf.Pair.Cert, leaf.Pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(ca) }))
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}
