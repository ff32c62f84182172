// Package server decides what a server runs: it turns flags into files on disk
// and command lines for the components. It imports no Kubernetes, so that its
// decisions are tested in milliseconds.
package server

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"daas/controlplane/internal/args"
	"daas/controlplane/internal/files"
	"daas/controlplane/internal/flags"
	"daas/controlplane/internal/layout"
)

// Config is a server's command line, checked as a whole.
type Config struct {
	Layout layout.Server

	Datastore Datastore
	Token     string
	AgentTok  string

	BindAddress      string
	Port             string
	AdvertiseAddress string
	SANs             []string
	// GivenSANs are the DNS names among the user's --tls-san.
	GivenSANs []string

	Kubeconfig     string
	KubeconfigMode fs.FileMode

	ClusterCIDR, ServiceCIDR, ClusterDomain string
	SecretsEncryption                       bool
	NodeJoin                                bool

	APIServerArgs, ControllerArgs, SchedulerArgs, EtcdArgs []args.Pair
}

// Datastore is an etcd that runs elsewhere; without endpoints one is embedded.
type Datastore struct {
	Endpoints         []string
	CA, Cert, KeyFile string
}

// Machine is what a configuration has to know about the machine.
type Machine struct {
	Hostname   string
	DefaultDir string // empty: --data-dir must be given
	OutboundIP string // empty: no interface has a usable address
	ReadFile   func(string) ([]byte, error)
}

// documentationIP stands for "no address" when the machine has no network: the
// API server insists on one that is not loopback, and this one is never routed.
const documentationIP = "192.0.2.1"

// NewConfig checks flags against each other.
func NewConfig(v *flags.Values, m Machine) (*Config, error) {
	if !v.On("disable-agent") {
		return nil, errors.New("daas-k3s: a server without --disable-agent is not implemented: there is no kubelet in this process; add --disable-agent here and run 'daas-k3s agent' on the worker")
	}
	dataDir := v.Get("data-dir")
	if dataDir == "" {
		dataDir = m.DefaultDir
	}
	if dataDir == "" {
		return nil, errors.New("daas-k3s: there is no home folder to keep state in; give --data-dir")
	}
	dataDir, err := filepath.Abs(dataDir)
	if err != nil {
		return nil, fmt.Errorf("daas-k3s: --data-dir: %w", err)
	}
	c := &Config{
		Layout:            layout.ForServer(dataDir),
		BindAddress:       v.Get("bind-address"),
		Port:              v.Get("https-listen-port"),
		SANs:              v.All("tls-san"),
		Kubeconfig:        v.Get("write-kubeconfig"),
		ClusterCIDR:       v.Get("cluster-cidr"),
		ServiceCIDR:       v.Get("service-cidr"),
		ClusterDomain:     v.Get("cluster-domain"),
		SecretsEncryption: v.On("secrets-encryption"),
		NodeJoin:          !slices.Contains(v.All("disable"), flags.NodeJoin),
		AgentTok:          v.Get("agent-token"),
	}
	if c.Kubeconfig == "" {
		c.Kubeconfig = c.Layout.AdminKubeconfig
	}
	mode, err := strconv.ParseUint(v.Get("write-kubeconfig-mode"), 8, 32)
	if err != nil {
		return nil, fmt.Errorf("daas-k3s: --write-kubeconfig-mode: %w", err)
	}
	c.KubeconfigMode = fs.FileMode(mode)
	if given := v.Get("advertise-port"); given != "" && given != c.Port {
		return nil, fmt.Errorf("daas-k3s: --advertise-port=%s is not implemented; only the listen port %s", given, c.Port)
	}
	c.AdvertiseAddress = advertise(v.Get("advertise-address"), c.BindAddress, m.OutboundIP)
	if c.Token, err = ReadToken(v, m.ReadFile); err != nil {
		return nil, err
	}
	if c.Datastore, err = newDatastore(v); err != nil {
		return nil, err
	}
	for name, into := range map[string]*[]args.Pair{
		"kube-apiserver-arg": &c.APIServerArgs, "kube-controller-manager-arg": &c.ControllerArgs,
		"kube-scheduler-arg": &c.SchedulerArgs, "etcd-arg": &c.EtcdArgs,
	} {
		if *into, err = args.Parse(name, v.All(name)); err != nil {
			return nil, fmt.Errorf("daas-k3s: %w", err)
		}
	}
	if len(c.Datastore.Endpoints) > 0 && len(c.EtcdArgs) > 0 {
		return nil, errors.New("daas-k3s: --etcd-arg is for the embedded etcd and --datastore-endpoint names another one; give the arguments to 'daas-k3s etcd' instead")
	}
	for _, name := range c.SANs {
		if net.ParseIP(name) == nil && name != m.Hostname {
			c.GivenSANs = append(c.GivenSANs, name)
		}
	}
	c.SANs = append(c.SANs, m.Hostname)
	return c, nil
}

// ReadToken takes the token from --token or --token-file.
func ReadToken(v *flags.Values, readFile func(string) ([]byte, error)) (string, error) {
	text, path := v.Get("token"), v.Get("token-file")
	if path == "" {
		return strings.TrimSpace(text), nil
	}
	if text != "" {
		switch textByEnv, pathByEnv := v.FromEnv("token"), v.FromEnv("token-file"); {
		case pathByEnv && !textByEnv:
			return strings.TrimSpace(text), nil
		case textByEnv == pathByEnv:
			return "", errors.New("daas-k3s: --token and --token-file (in the environment K3S_TOKEN and K3S_TOKEN_FILE) are both given; leave one out")
		}
	}
	data, err := readFile(path)
	if err != nil {
		return "", fmt.Errorf("daas-k3s: --token-file: %w", err)
	}
	if text = strings.TrimSpace(string(data)); text == "" {
		return "", fmt.Errorf("daas-k3s: --token-file=%s is empty", path)
	}
	return text, nil
}

// URL is where clients on this machine reach the API server.
func (c *Config) URL() string {
	host := c.BindAddress
	if net.ParseIP(host).IsUnspecified() {
		host = "127.0.0.1"
	}
	return "https://" + net.JoinHostPort(host, c.Port)
}

func advertise(given, bind, outbound string) string {
	if given != "" {
		return given
	}
	if ip := net.ParseIP(bind); !ip.IsLoopback() && !ip.IsUnspecified() {
		return bind
	}
	if outbound != "" {
		return outbound
	}
	return documentationIP
}

func newDatastore(v *flags.Values) (Datastore, error) {
	d := Datastore{CA: v.Get("datastore-cafile"), Cert: v.Get("datastore-certfile"), KeyFile: v.Get("datastore-keyfile")}
	text := v.Get("datastore-endpoint")
	if text == "" {
		if d.CA+d.Cert+d.KeyFile != "" {
			return d, errors.New("daas-k3s: --datastore-cafile, -certfile and -keyfile belong to --datastore-endpoint, which is missing")
		}
		return d, nil
	}
	d.Endpoints = strings.Split(text, ",")
	for _, endpoint := range d.Endpoints {
		u, err := url.Parse(endpoint)
		if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil {
			// K3s's other datastores are named with their password, which must not
			// get into a log.
			scheme, _, found := strings.Cut(endpoint, "://")
			if !found {
				scheme = "<no scheme>"
			}
			return d, fmt.Errorf("daas-k3s: --datastore-endpoint=%s://... is not implemented; only etcd as http(s)://<host>:<port>[,...] without a user", scheme)
		}
	}
	if (d.Cert == "") != (d.KeyFile == "") {
		return d, errors.New("daas-k3s: --datastore-certfile and --datastore-keyfile go together; give both")
	}
	for _, path := range []string{d.CA, d.Cert, d.KeyFile} {
		if path != "" && !files.Exists(path) {
			return d, fmt.Errorf("daas-k3s: the datastore's file %s is not there", path)
		}
	}
	return d, nil
}
