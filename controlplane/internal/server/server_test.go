package server

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"daas/controlplane/internal/flags"
	"daas/controlplane/internal/token"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func config(t *testing.T, dir string, arguments ...string) (*Config, error) {
	t.Helper()
	none := func(string) (string, bool) { return "", false }
	v, err := flags.Parse("server", flags.Server(), append([]string{"--data-dir=" + dir}, arguments...), none, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	return NewConfig(v, Machine{Hostname: "box", OutboundIP: "10.9.8.7", ReadFile: os.ReadFile})
}

func must(t *testing.T, dir string, arguments ...string) *Config {
	t.Helper()
	c, err := config(t, dir, append([]string{"--disable-agent"}, arguments...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func prepare(t *testing.T, c *Config) *Prepared {
	t.Helper()
	p, err := c.Prepare(now)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestConflictsAreRefusedAndSayWhatToDo(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	os.WriteFile(empty, []byte("\n"), 0o600)
	for _, c := range []struct {
		arguments []string
		want      string
	}{
		{nil, "add --disable-agent here and run 'daas-k3s agent'"},
		{[]string{"--disable-agent=false"}, "add --disable-agent here"},
		{[]string{"--disable-agent", "--advertise-port=7"}, "--advertise-port=7 is not implemented; only the listen port 6443"},
		{[]string{"--disable-agent", "--token=a", "--token-file=b"}, "leave one out"},
		{[]string{"--disable-agent", "--token-file=" + empty}, "is empty"},
		{[]string{"--disable-agent", "--token-file=/does/not/exist"}, "--token-file"},
		{[]string{"--disable-agent", "--datastore-cafile=x"}, "--datastore-endpoint, which is missing"},
		{[]string{"--disable-agent", "--datastore-endpoint=mysql://me:canary@tcp(x:3306)/k"}, "--datastore-endpoint=mysql://... is not implemented; only etcd"},
		{[]string{"--disable-agent", "--datastore-endpoint=https://me:canary@x:1"}, "without a user"},
		{[]string{"--disable-agent", "--datastore-endpoint=me:canary@x:1"}, "only etcd"},
		{[]string{"--disable-agent", "--datastore-endpoint=https://127.0.0.1:1", "--datastore-certfile=x"}, "give both"},
		{[]string{"--disable-agent", "--datastore-endpoint=https://127.0.0.1:1", "--datastore-cafile=" + dir + "/no"}, "is not there"},
		{[]string{"--disable-agent", "--datastore-endpoint=https://127.0.0.1:1", "--etcd-arg=a=b"}, "daas-k3s etcd"},
		{[]string{"--disable-agent", "--kube-apiserver-arg=--v=2"}, "without leading dashes"},
	} {
		if _, err := config(t, dir, c.arguments...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %q", c.arguments, err, c.want)
		} else if strings.Contains(err.Error(), "canary") {
			t.Errorf("the message repeats the password: %v", err)
		}
	}
}

func TestATokenOfTheCommandLineWinsOverOneOfTheEnvironment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	os.WriteFile(path, []byte("of the file\n"), 0o600)
	both := map[string]string{"K3S_TOKEN": "of the environment", "K3S_TOKEN_FILE": path}
	for _, c := range []struct {
		arguments []string
		names     []string
		want      string
	}{
		{[]string{"--token-file=" + path}, []string{"K3S_TOKEN"}, "of the file"},
		{[]string{"--token=of the line"}, []string{"K3S_TOKEN_FILE"}, "of the line"},
		{nil, []string{"K3S_TOKEN"}, "of the environment"},
		{nil, []string{"K3S_TOKEN_FILE"}, "of the file"},
		{nil, []string{"K3S_TOKEN", "K3S_TOKEN_FILE"}, ""},
	} {
		env := func(name string) (string, bool) { return both[name], slices.Contains(c.names, name) }
		v, err := flags.Parse("server", flags.Server(), c.arguments, env, &bytes.Buffer{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := ReadToken(v, os.ReadFile)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q with %q: %q, %v", c.arguments, c.names, got, err)
		}
	}
}

func TestTheAdvertisedAddressIsNeverLoopback(t *testing.T) {
	for _, c := range []struct{ given, bind, outbound, want string }{
		{"10.1.1.1", "127.0.0.1", "10.9.8.7", "10.1.1.1"},
		{"", "10.2.2.2", "10.9.8.7", "10.2.2.2"},
		{"", "127.0.0.1", "10.9.8.7", "10.9.8.7"},
		{"", "0.0.0.0", "10.9.8.7", "10.9.8.7"},
		{"", "127.0.0.1", "", documentationIP},
	} {
		if got := advertise(c.given, c.bind, c.outbound); got != c.want {
			t.Errorf("%+v: got %s", c, got)
		}
	}
}

func TestASecondStartChangesNothingOnDisk(t *testing.T) {
	dir := t.TempDir()
	first := prepare(t, must(t, dir))
	before := snapshot(t, dir)
	second := prepare(t, must(t, dir))
	if len(first.Issued) == 0 || len(second.Issued) != 0 || *first.Bootstrap != *second.Bootstrap {
		t.Fatalf("%+v then %+v", first, second)
	}
	after := snapshot(t, dir)
	for path, data := range before {
		if !bytes.Equal(after[path], data) {
			t.Errorf("%s changed", path)
		}
	}
}

func TestFoundCAsAreUsedAndHalfOnesRefusedTogether(t *testing.T) {
	keeper, dir := t.TempDir(), t.TempDir()
	c := must(t, keeper)
	prepare(t, c)
	own := must(t, dir)
	for _, name := range []string{"server-ca", "client-ca", "request-header-ca"} {
		for _, ext := range []string{".crt", ".key"} {
			copyFile(t, filepath.Join(keeper, "server", "tls", name+ext), filepath.Join(dir, "server", "tls", name+ext))
		}
	}
	prepare(t, own)
	a, _ := os.ReadFile(c.Layout.ServerCA.Cert)
	b, _ := os.ReadFile(own.Layout.ServerCA.Cert)
	if !bytes.Equal(a, b) {
		t.Fatal("the found CA was replaced")
	}
	os.Remove(own.Layout.ServerCA.Key)
	os.Remove(own.Layout.ClientCA.Cert)
	_, err := own.Prepare(now)
	if err == nil || !strings.Contains(err.Error(), "server-ca: found") || !strings.Contains(err.Error(), "client-ca: found") {
		t.Fatalf("got %v, want both halves named", err)
	}
}

func TestTokensFollowTheCAAndKeepTheirPassword(t *testing.T) {
	dir := t.TempDir()
	c := must(t, dir)
	prepare(t, c)
	tok, node := text(t, c.Layout.Token), text(t, c.Layout.NodeToken)
	if tok != node || !strings.HasPrefix(tok, "K10") {
		t.Fatalf("%s and %s", tok, node)
	}
	os.Remove(c.Layout.ServerCA.Cert)
	os.Remove(c.Layout.ServerCA.Key)
	p := prepare(t, c)
	renewed := text(t, c.Layout.Token)
	if renewed == tok || renewed[len(renewed)-32:] != tok[len(tok)-32:] {
		t.Fatalf("%s after %s", renewed, tok)
	}
	parsed, err := token.Parse(text(t, c.Layout.NodeToken))
	if err != nil || parsed.Bootstrap != *p.Bootstrap {
		t.Fatalf("a node would present %v, the cluster expects %v (%v)", parsed, p.Bootstrap, err)
	}
	c = must(t, dir, "--token=abc", "--agent-token=def")
	prepare(t, c)
	if !strings.HasSuffix(text(t, c.Layout.Token), "::server:abc") || !strings.HasSuffix(text(t, c.Layout.NodeToken), "::server:def") {
		t.Fatal("given tokens were not taken")
	}
}

func TestATokenFileThatCannotBeReadIsNotReplaced(t *testing.T) {
	c := must(t, t.TempDir())
	prepare(t, c)
	os.Remove(c.Layout.Token)
	os.Mkdir(c.Layout.Token, 0o700)
	if _, err := c.password(nil); err == nil || !strings.Contains(err.Error(), c.Layout.Token) {
		t.Fatalf("got %v", err)
	}
}

func TestNobodyWithoutCredentialsAndNoOpenPortByAccident(t *testing.T) {
	for argument, want := range map[string]string{
		"v=2": "--authentication-config=", "oidc-issuer-url=https://x": "--anonymous-auth=false", "anonymous-auth=true": "--anonymous-auth=true",
	} {
		api := must(t, t.TempDir(), "--kube-apiserver-arg="+argument).APIServerCommand("https://127.0.0.1:1")
		var found []string
		for _, a := range api {
			if strings.HasPrefix(a, "--authentication-config=") || strings.HasPrefix(a, "--anonymous-auth=") {
				found = append(found, a)
			}
		}
		if len(found) != 1 || !strings.HasPrefix(found[0], want) {
			t.Errorf("%s: %q", argument, found)
		}
	}
	if api := must(t, t.TempDir()).APIServerCommand(""); !slices.Contains(api, "--tls-min-version=VersionTLS12") {
		t.Error(api)
	}
	c := must(t, t.TempDir(), "--kube-controller-manager-arg=secure-port=10257", "--kube-scheduler-arg=secure-port=10259")
	for _, command := range [][]string{c.ControllerCommand(), c.SchedulerCommand(), c.APIServerCommand("https://127.0.0.1:1")} {
		for _, want := range []string{"--bind-address=127.0.0.1", "--profiling=false"} {
			if !slices.Contains(command, want) {
				t.Errorf("%s is not in %q", want, command)
			}
		}
	}
}

func TestWithoutNodeJoinThereIsNoTokenAndNoApprover(t *testing.T) {
	dir := t.TempDir()
	prepare(t, must(t, dir))
	c := must(t, dir, "--disable=node-join")
	p := prepare(t, c)
	if _, err := os.Stat(c.Layout.NodeToken); !errors.Is(err, os.ErrNotExist) || p.Bootstrap != nil {
		t.Fatal("the node token of the earlier start is still there")
	}
	if !slices.Contains(c.ControllerCommand(), "--controllers=*,tokencleaner,-certificatesigningrequest-approving-controller") {
		t.Fatal(c.ControllerCommand())
	}
}

func TestSecretsEncryptionKeepsItsKeyAndIsNotSilentlyLeftOut(t *testing.T) {
	dir := t.TempDir()
	c := must(t, dir, "--secrets-encryption")
	prepare(t, c)
	key := text(t, c.Layout.EncryptionConfig)
	prepare(t, c)
	if text(t, c.Layout.EncryptionConfig) != key {
		t.Fatal("the key changed: every Secret would be lost")
	}
	if _, err := must(t, dir).Prepare(now); err == nil || !strings.Contains(err.Error(), "--secrets-encryption") {
		t.Fatalf("got %v", err)
	}
}

func TestTheUsersComponentArgumentsWin(t *testing.T) {
	c := must(t, t.TempDir(), "--kube-apiserver-arg=anonymous-auth=false", "--kube-apiserver-arg=profiling=true",
		"--kube-apiserver-arg=egress-selector-config-file=/x", "--kube-controller-manager-arg=controllers=*", "--kube-scheduler-arg=v=2")
	api := c.APIServerCommand("https://127.0.0.1:1")
	for _, want := range []string{"--anonymous-auth=false", "--profiling=true", "--egress-selector-config-file=/x", "--etcd-servers=https://127.0.0.1:1", "--authorization-mode=Node,RBAC"} {
		if !slices.Contains(api, want) {
			t.Errorf("%s is missing", want)
		}
	}
	for _, argument := range api {
		if argument == "--profiling=false" || strings.HasPrefix(argument, "--authentication-config=") {
			t.Errorf("%s should have given way", argument)
		}
	}
	if !slices.Contains(c.ControllerCommand(), "--controllers=*") || !slices.Contains(c.SchedulerCommand(), "--v=2") {
		t.Error("controller or scheduler arguments were lost")
	}
}

func TestAnExternalDatastoreIsUsedWithItsCertificates(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"ca", "crt", "key"} {
		os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600)
	}
	c := must(t, dir, "--datastore-endpoint=https://127.0.0.1:1,https://127.0.0.1:2", "--datastore-cafile="+dir+"/ca", "--datastore-certfile="+dir+"/crt", "--datastore-keyfile="+dir+"/key")
	got := c.APIServerCommand("")
	for _, want := range []string{"--etcd-servers=https://127.0.0.1:1,https://127.0.0.1:2", "--etcd-cafile=" + dir + "/ca", "--etcd-certfile=" + dir + "/crt", "--etcd-keyfile=" + dir + "/key"} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is missing", want)
		}
	}
	prepare(t, c)
	if _, err := os.Stat(c.Layout.EtcdServerCA.Cert); !errors.Is(err, os.ErrNotExist) {
		t.Error("a CA was made for an etcd that does not run here")
	}
}

func TestFirstAddressIsTheServiceKubernetes(t *testing.T) {
	for cidr, want := range map[string]string{"10.43.0.0/16": "10.43.0.1", "10.0.0.255/8": "10.0.0.1", "fd00::/108": "fd00::1"} {
		if got := firstAddress(cidr); got != want {
			t.Errorf("%s: %s", cidr, got)
		}
	}
}

func text(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	os.MkdirAll(filepath.Dir(to), 0o700)
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func snapshot(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		out[path], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
