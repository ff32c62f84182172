package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"daas/controlplane/internal/flags"
	"daas/controlplane/internal/server"
	"daas/controlplane/internal/token"
)

// apiServer is a TLS server whose own certificate is the CA it serves.
type apiServer struct {
	*httptest.Server
	ca    []byte
	mu    sync.Mutex
	asked []string
	creds []string
	// refuse makes it answer 401 to every token.
	refuse bool
}

func newServer(t *testing.T, cacerts func(ca []byte) []byte) *apiServer {
	s := &apiServer{}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked = append(s.asked, r.URL.Path)
		if auth := r.Header.Get("Authorization"); auth != "" {
			s.creds = append(s.creds, auth)
			if s.refuse {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
		}
		switch r.URL.Path {
		case server.PublicServerCA:
			w.Write(cacerts(s.ca))
		case server.PublicClientCA:
			w.Write([]byte("client ca"))
		default:
			http.NotFound(w, r)
		}
	}))
	s.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	t.Cleanup(s.Close)
	return s
}

func same(ca []byte) []byte { return ca }

func config(t *testing.T, dir string, arguments ...string) (*Config, error) {
	t.Helper()
	none := func(string) (string, bool) { return "", false }
	v, err := flags.Parse("agent", flags.Agent(), append([]string{"--data-dir=" + dir}, arguments...), none, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	return NewConfig(v, Machine{Hostname: "Box", CgroupV1: true, ReadFile: os.ReadFile})
}

func joining(t *testing.T, dir string, s *apiServer, more ...string) *Config {
	t.Helper()
	c, err := config(t, dir, append([]string{"--server=" + s.URL, "--token=" + token.Format(s.ca, "server", "pw"), "--container-runtime-endpoint=/run/cri.sock"}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestJoinChecksTheCAAndLeavesWhatTheKubeletNeeds(t *testing.T) {
	s, dir := newServer(t, same), t.TempDir()
	c := joining(t, dir, s, "--node-label=a=b", "--node-label=c=d", "--node-taint=x=y:NoSchedule", "--kubelet-arg=root-dir=/mine")
	if err := c.Join(context.Background()); err != nil {
		t.Fatal(err)
	}
	path, _, _ := strings.Cut(tokenPath, "?")
	if !slices.Equal(s.asked, []string{server.PublicServerCA, server.PublicClientCA, path}) || len(s.creds) != 1 {
		t.Fatalf("asked %q with %q", s.asked, s.creds)
	}
	kubeconfig, err := os.ReadFile(c.Layout.BootstrapKubeconfig)
	if err != nil || !strings.Contains(string(kubeconfig), token.Derive(token.HashCA(s.ca), "pw").String()) {
		t.Fatalf("%s %v", kubeconfig, err)
	}
	var settings map[string]any
	data, _ := os.ReadFile(c.Layout.KubeletConfig)
	if err := json.Unmarshal(data, &settings); err != nil || settings["failCgroupV1"] != false || settings["containerRuntimeEndpoint"] != "unix:///run/cri.sock" {
		t.Fatalf("%v %v", settings, err)
	}
	for _, off := range []string{"enableProfilingHandler", "enableDebugFlagsHandler"} {
		if settings[off] != false {
			t.Errorf("%s is %v", off, settings[off])
		}
	}
	for _, path := range []string{c.Layout.BootstrapKubeconfig, c.Layout.KubeletConfig} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", path, info, err)
		}
	}
	command := c.KubeletCommand()
	for _, want := range []string{"--hostname-override=box", "--node-labels=a=b,c=d", "--register-with-taints=x=y:NoSchedule", "--root-dir=/mine"} {
		if !slices.Contains(command, want) {
			t.Errorf("%s is not in %q", want, command)
		}
	}
}

func TestABootstrapTokenIsSentAsItIs(t *testing.T) {
	s := newServer(t, same)
	c, err := config(t, t.TempDir(), "--server="+s.URL, "--token=K10"+token.HashCA(s.ca)+"::abcdef.0123456789abcdef", "--container-runtime-endpoint=/s")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Join(context.Background()); err != nil || !slices.Equal(s.creds, []string{"Bearer abcdef.0123456789abcdef"}) {
		t.Fatalf("%q %v", s.creds, err)
	}
}

func TestAnotherCAStopsTheJoinBeforeAnythingIsSent(t *testing.T) {
	s, dir := newServer(t, func(ca []byte) []byte { return append([]byte("\n"), ca...) }), t.TempDir()
	err := joining(t, dir, s).Join(context.Background())
	var mismatch *MismatchError
	if !errors.As(err, &mismatch) || mismatch.Expected == mismatch.Actual {
		t.Fatalf("got %v", err)
	}
	if !slices.Equal(s.asked, []string{server.PublicServerCA}) || len(s.creds) != 0 {
		t.Fatalf("asked %q with %q", s.asked, s.creds)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Fatal("files were left behind")
	}
}

func TestAServerThatServesTheCAButDoesNotHoldItIsNotTrusted(t *testing.T) {
	real := newServer(t, same)
	other := newOtherServer(t, real.ca)
	c := joining(t, t.TempDir(), real)
	c.Server = other.URL
	if _, _, err := c.fetchOnce(context.Background()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Fatalf("got %v", err)
	}
}

func TestARestartGoesOnWithoutTheServer(t *testing.T) {
	s, dir := newServer(t, same), t.TempDir()
	c := joining(t, dir, s)
	if err := c.Join(context.Background()); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := c.Join(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestARefusedTokenEndsTheJoin(t *testing.T) {
	s := newServer(t, same)
	s.refuse = true
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if err := joining(t, t.TempDir(), s).Join(ctx); !errors.Is(err, ErrTokenRefused) {
		t.Fatalf("got %v", err)
	}
}

func TestALongAnswerIsNotRead(t *testing.T) {
	s := newServer(t, func([]byte) []byte { return make([]byte, maxCA+1) })
	if _, _, err := joining(t, t.TempDir(), s).fetchOnce(context.Background()); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Fatalf("got %v", err)
	}
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	secure := "--token=" + token.Format([]byte("ca"), "server", "pw")
	for _, c := range []struct {
		arguments []string
		want      string
	}{
		{nil, "--container-runtime-endpoint is missing"},
		{[]string{"--container-runtime-endpoint=/s"}, "--server is missing"},
		{[]string{"--container-runtime-endpoint=/s", "--server=http://x"}, "not of the form https://"},
		{[]string{"--container-runtime-endpoint=/s", "--server=https://x/path"}, "not of the form https://"},
		{[]string{"--container-runtime-endpoint=/s", "--server=https://x"}, "--token or --token-file is missing"},
		{[]string{"--container-runtime-endpoint=/s", "--server=https://x", "--token=plain"}, "does not begin with K10"},
		{[]string{"--container-runtime-endpoint=/s", "--server=https://x", secure, "--kubelet-arg=--x=y"}, "without leading dashes"},
	} {
		if _, err := config(t, t.TempDir(), c.arguments...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %q", c.arguments, err, c.want)
		}
	}
}
