package flags

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

// The flags that facts/kubernetes.md promises; a missing one breaks a K3s user.
var (
	k3sServer = strings.Fields(`data-dir disable-agent datastore-endpoint datastore-cafile datastore-certfile datastore-keyfile token
		token-file agent-token bind-address https-listen-port advertise-address advertise-port tls-san write-kubeconfig
		write-kubeconfig-mode cluster-cidr service-cidr cluster-dns cluster-domain flannel-backend disable
		disable-cloud-controller disable-helm-controller disable-network-policy disable-kube-proxy egress-selector-mode
		secrets-encryption kube-apiserver-arg kube-controller-manager-arg kube-scheduler-arg etcd-arg`)
	k3sAgent = strings.Fields(`server token token-file data-dir node-name node-label node-taint node-ip
		container-runtime-endpoint pause-image kubelet-arg`)
)

func noEnv(string) (string, bool) { return "", false }

func parse(table []Flag, arguments ...string) (*Values, error) {
	return Parse("server", table, arguments, noEnv, &bytes.Buffer{})
}

func TestEveryK3sFlagIsInTheTable(t *testing.T) {
	for _, c := range []struct {
		table []Flag
		names []string
	}{{Server(), k3sServer}, {Agent(), k3sAgent}} {
		for _, name := range c.names {
			if !slices.ContainsFunc(c.table, func(f Flag) bool { return f.Name == name }) {
				t.Errorf("--%s is missing", name)
			}
		}
	}
}

func TestDefaultsPassTheirOwnChecks(t *testing.T) {
	for _, f := range append(Server(), Agent()...) {
		if f.Default != "" {
			if err := f.check(f.Default); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestWhatIsNotImplementedIsRefusedByName(t *testing.T) {
	for argument, want := range map[string]string{
		"--flannel-backend=vxlan":                   "daas-k3s: --flannel-backend=vxlan is not implemented; only none",
		"--egress-selector-mode=agent":              "daas-k3s: --egress-selector-mode=agent is not implemented; only disabled",
		"--disable-kube-proxy=false":                "daas-k3s: --disable-kube-proxy=false is not implemented; only true",
		"--disable-network-policy=false":            "--disable-network-policy=false is not implemented",
		"--disable-helm-controller=0":               "--disable-helm-controller=false is not implemented",
		"--disable=everything":                      "--disable=everything is not implemented; known are",
		"--cluster-dns=10.43.0.11":                  "--cluster-dns=10.43.0.11 is not implemented",
		"--server=https://x":                        "--server is not implemented",
		"-token=x":                                  "-token: a long flag has two dashes: --token",
		"-data-dir":                                 "-data-dir: a long flag has two dashes: --data-dir",
		"--cluster-reset":                           "--cluster-reset=true is not implemented",
		"--cluster-reset-restore-path=x":            "--cluster-reset-restore-path is not implemented",
		"--service-cidr=10.43.0.0/16,2001:db8::/64": "dual-stack ranges are not implemented",
		"--no-such-flag":                            "unknown flag: --no-such-flag; 'daas-k3s server --help'",
		"--bind-address=localhost":                  "--bind-address: \"localhost\" is not an IP address",
		"--advertise-address=127.0.0.1":             "--advertise-address: others cannot reach",
		"--https-listen-port=0":                     "not a port from 1 to 65535",
		"--https-listen-port=65536":                 "not a port from 1 to 65535",
		"--write-kubeconfig-mode=rw":                "octal file mode",
		"--tls-san=Not A Name":                      "--tls-san:",
		"stray":                                     "\"stray\" is not a flag",
	} {
		if _, err := parse(Server(), argument); err == nil || !strings.HasPrefix(err.Error(), "daas-k3s: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", argument, err, want)
		}
	}
	for argument, want := range map[string]string{
		"--pause-image=x":                            "--pause-image=x is not implemented",
		"--node-label=novalue":                       "--node-label:",
		"--node-taint=a=b:Sometimes":                 "NoSchedule",
		"--container-runtime-endpoint=tcp://1.2.3.4": "unix:///path",
		"--node-ip=127.0.0.1":                        "others cannot reach",
	} {
		if _, err := parse(Agent(), argument); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", argument, err, want)
		}
	}
}

func TestWhatIsAlreadySoIsAccepted(t *testing.T) {
	v, err := parse(Server(), "-d", "/x", "--disable-agent", "--flannel-backend", "none", "--disable", "traefik,servicelb", "--disable=coredns",
		"--disable-kube-proxy", "--disable-network-policy", "--disable-helm-controller", "--disable-cloud-controller", "--egress-selector-mode=disabled", "--cluster-dns=10.43.0.10",
		"--tls-san=a.example,10.1.2.3", "--tls-san", "b.example", "--kube-apiserver-arg=feature-gates=A=true,B=true", "-t", "x")
	if err != nil {
		t.Fatal(err)
	}
	if got := v.All("disable"); !slices.Equal(got, []string{"traefik", "servicelb", "coredns"}) {
		t.Errorf("disable: %q", got)
	}
	if got := v.All("tls-san"); !slices.Equal(got, []string{"a.example", "10.1.2.3", "b.example"}) {
		t.Errorf("tls-san: %q", got)
	}
	if got := v.All("kube-apiserver-arg"); !slices.Equal(got, []string{"feature-gates=A=true,B=true"}) {
		t.Errorf("a component's commas were split: %q", got)
	}
	if !v.On("disable-agent") || v.Get("data-dir") != "/x" || v.Get("token") != "x" {
		t.Error("short flags or switches were lost")
	}
}

func TestTheCommandLineWinsOverTheEnvironment(t *testing.T) {
	env := func(name string) (string, bool) {
		v, ok := map[string]string{"K3S_TOKEN": "e", "K3S_DATA_DIR": "/e"}[name]
		return v, ok
	}
	v, err := Parse("server", Server(), []string{"--token=c"}, env, &bytes.Buffer{})
	if err != nil || v.Get("token") != "c" || v.Get("data-dir") != "/e" || !v.Given("data-dir") || v.Given("bind-address") {
		t.Fatalf("%+v %v", v, err)
	}
}

func TestEnvironmentVariablesAreThoseOfK3s(t *testing.T) {
	want := map[string]string{"token": "K3S_TOKEN", "token-file": "K3S_TOKEN_FILE", "data-dir": "K3S_DATA_DIR", "server": "K3S_URL",
		"agent-token": "K3S_AGENT_TOKEN", "datastore-endpoint": "K3S_DATASTORE_ENDPOINT", "datastore-cafile": "K3S_DATASTORE_CAFILE",
		"datastore-certfile": "K3S_DATASTORE_CERTFILE", "datastore-keyfile": "K3S_DATASTORE_KEYFILE", "node-name": "K3S_NODE_NAME",
		"write-kubeconfig": "K3S_KUBECONFIG_OUTPUT", "write-kubeconfig-mode": "K3S_KUBECONFIG_MODE", "cluster-reset": "K3S_CLUSTER_RESET"}
	for _, f := range append(Server(), Agent()...) {
		if f.Env != want[f.Name] {
			t.Errorf("--%s: %q, expected %q", f.Name, f.Env, want[f.Name])
		}
	}
	env := func(name string) (string, bool) { return "https://x:6443", name == "K3S_URL" }
	if v, err := Parse("agent", Agent(), nil, env, &bytes.Buffer{}); err != nil || v.Get("server") != "https://x:6443" || !v.FromEnv("server") {
		t.Fatalf("%+v %v", v, err)
	}
	// A server that ignored it would quietly start another cluster.
	if _, err := Parse("server", Server(), nil, env, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "it comes from K3S_URL") {
		t.Fatalf("got %v", err)
	}
}

func TestHelpListsEveryFlag(t *testing.T) {
	var out bytes.Buffer
	if _, err := Parse("server", Server(), []string{"--help"}, noEnv, &out); !errors.Is(err, ErrHelp) {
		t.Fatal(err)
	}
	for _, f := range Server() {
		if !strings.Contains(out.String(), "--"+f.Name) {
			t.Errorf("--%s is not in the help", f.Name)
		}
	}
}
