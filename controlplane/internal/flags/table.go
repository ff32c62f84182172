// Package flags is the command line of daas-k3s as a table: what K3s documents,
// one row each. A row that cannot do what a value asks for says so by name, so
// that nobody believes in a feature that is not there.
package flags

import (
	"fmt"
	"slices"
	"strconv"
)

// Kind is the type of a flag's value.
type Kind int

// The kinds of values.
const (
	Text Kind = iota
	List
	Switch
	Port
)

// Flag is one row of a table.
type Flag struct {
	Name    string
	Short   string
	Env     string
	Kind    Kind
	Default string
	Help    string
	// Check refuses a value by returning why and what to do instead.
	Check func(value string) error
}

// Packaged components of K3s: not in this binary, so that switching them off
// is already done.
var packaged = []string{"coredns", "servicelb", "traefik", "local-storage", "metrics-server", "runtimes"}

// NodeJoin is the one component of --disable that this binary does have: the
// node token, the approval of node certificates and the bindings for both. An
// enclave that admits workers itself switches it off.
const NodeJoin = "node-join"

// Server is the table of `daas-k3s server`.
func Server() []Flag {
	return []Flag{
		{Name: "data-dir", Short: "d", Env: "K3S_DATA_DIR", Help: "folder that holds all state"},
		{Name: "disable-agent", Kind: Switch, Help: "no kubelet in this process (required: run 'daas-k3s agent' apart)"},
		{Name: "datastore-endpoint", Env: "K3S_DATASTORE_ENDPOINT", Help: "comma-separated etcd URLs; without it an etcd runs in this process"},
		{Name: "datastore-cafile", Env: "K3S_DATASTORE_CAFILE", Help: "CA of the datastore"},
		{Name: "datastore-certfile", Env: "K3S_DATASTORE_CERTFILE", Help: "client certificate for the datastore"},
		{Name: "datastore-keyfile", Env: "K3S_DATASTORE_KEYFILE", Help: "client key for the datastore"},
		{Name: "token", Short: "t", Env: "K3S_TOKEN", Help: "shared secret for joining; made if absent"},
		{Name: "token-file", Env: "K3S_TOKEN_FILE", Help: "file that holds the token"},
		{Name: "agent-token", Env: "K3S_AGENT_TOKEN", Help: "shared secret for joining nodes; the token if absent"},
		{Name: "bind-address", Default: "127.0.0.1", Help: "address the API server listens on", Check: isIP},
		{Name: "https-listen-port", Kind: Port, Default: "6443", Help: "port the API server listens on"},
		{Name: "advertise-address", Help: "address that the service 'kubernetes' points at", Check: reachable},
		{Name: "advertise-port", Kind: Port, Help: "port that the service 'kubernetes' points at; only the listen port is implemented"},
		{Name: "tls-san", Kind: List, Help: "more names and addresses for the serving certificate (repeatable)", Check: isName},
		{Name: "write-kubeconfig", Short: "o", Env: "K3S_KUBECONFIG_OUTPUT", Help: "where the admin kubeconfig goes (default <data-dir>/server/cred/admin.kubeconfig)"},
		{Name: "write-kubeconfig-mode", Env: "K3S_KUBECONFIG_MODE", Default: "0600", Help: "mode of the admin kubeconfig", Check: isMode},
		{Name: "cluster-cidr", Default: "10.42.0.0/16", Help: "addresses of pods", Check: isCIDR},
		{Name: "service-cidr", Default: "10.43.0.0/16", Help: "addresses of services", Check: isCIDR},
		{Name: "cluster-dns", Default: defaultClusterDNS, Help: "address of the cluster's DNS service; agents do not learn another one from the server", Check: clusterDNS},
		{Name: "cluster-domain", Default: "cluster.local", Help: "domain of services; agents need --kubelet-arg=cluster-domain=... for another one", Check: isName},
		{Name: "flannel-backend", Default: "none", Help: "none", Check: oneOf("flannel-backend", "none")},
		{Name: "disable", Kind: List, Help: "component that is not wanted (repeatable)", Check: oneOf("disable", append(packaged, NodeJoin)...)},
		{Name: "disable-cloud-controller", Kind: Switch, Default: "true", Help: "there is none in this binary", Check: only("disable-cloud-controller", "true")},
		{Name: "disable-helm-controller", Kind: Switch, Default: "true", Help: "there is none in this binary", Check: only("disable-helm-controller", "true")},
		{Name: "disable-network-policy", Kind: Switch, Default: "true", Help: "there is none in this binary", Check: only("disable-network-policy", "true")},
		{Name: "disable-kube-proxy", Kind: Switch, Default: "true", Help: "there is none in this binary", Check: only("disable-kube-proxy", "true")},
		{Name: "egress-selector-mode", Default: "disabled", Help: "disabled; a selector file goes in by --kube-apiserver-arg=egress-selector-config-file=...", Check: oneOf("egress-selector-mode", "disabled")},
		{Name: "secrets-encryption", Kind: Switch, Default: "false", Help: "encrypt Secrets in the datastore"},
		{Name: "kube-apiserver-arg", Kind: List, Help: "key=value for the API server (repeatable; wins over defaults)"},
		{Name: "kube-controller-manager-arg", Kind: List, Help: "key=value for the controller manager (repeatable; wins over defaults)"},
		{Name: "kube-scheduler-arg", Kind: List, Help: "key=value for the scheduler (repeatable; wins over defaults)"},
		{Name: "etcd-arg", Kind: List, Help: "key=value for the embedded etcd (repeatable)"},
		{Name: "server", Short: "s", Env: "K3S_URL", Help: "not implemented: a server joins no other", Check: never("server")},
		{Name: "cluster-reset", Env: "K3S_CLUSTER_RESET", Kind: Switch, Default: "false", Help: "not implemented", Check: only("cluster-reset", "false")},
		{Name: "cluster-reset-restore-path", Help: "not implemented", Check: never("cluster-reset-restore-path")},
	}
}

// Agent is the table of `daas-k3s agent`.
func Agent() []Flag {
	return []Flag{
		{Name: "server", Short: "s", Env: "K3S_URL", Help: "https://<host>:<port> of the server"},
		{Name: "token", Short: "t", Env: "K3S_TOKEN", Help: "secure token: the line of the server's node-token file"},
		{Name: "token-file", Env: "K3S_TOKEN_FILE", Help: "file that holds the token"},
		{Name: "data-dir", Short: "d", Env: "K3S_DATA_DIR", Help: "folder that holds all state"},
		{Name: "node-name", Env: "K3S_NODE_NAME", Help: "name of the node (default: the host name)", Check: isName},
		{Name: "node-label", Kind: List, Help: "key=value label for a new node (repeatable)", Check: isLabel},
		{Name: "node-taint", Kind: List, Help: "key=value:effect taint for a new node (repeatable)", Check: isTaint},
		{Name: "node-ip", Help: "address of the node (default: that of the default route)", Check: reachable},
		{Name: "container-runtime-endpoint", Help: "unix:///path of the CRI socket (required: no container runtime is in this binary)", Check: isSocket},
		{Name: "pause-image", Help: "image of the pod sandbox: set it in the container runtime", Check: pauseImage},
		{Name: "kubelet-arg", Kind: List, Help: "key=value for the kubelet (repeatable; wins over defaults)"},
	}
}

func oneOf(name string, implemented ...string) func(string) error {
	return func(value string) error {
		if slices.Contains(implemented, value) {
			return nil
		}
		if len(implemented) == 1 {
			return fmt.Errorf("--%s=%s is not implemented; only %s", name, value, implemented[0])
		}
		return fmt.Errorf("--%s=%s is not implemented; known are %v", name, value, implemented)
	}
}

func only(name, implemented string) func(string) error {
	return func(value string) error {
		given, err := strconv.ParseBool(value)
		if err == nil && strconv.FormatBool(given) == implemented {
			return nil
		}
		return fmt.Errorf("--%s=%s is not implemented; only %s", name, value, implemented)
	}
}

func never(name string) func(string) error {
	return func(string) error {
		return fmt.Errorf("--%s is not implemented; leave it out", name)
	}
}
