// Package agent decides how a worker joins: it checks the server's CA against
// the token before the token goes anywhere, and writes what the kubelet needs
// for its own TLS bootstrap.
package agent

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"daas/controlplane/internal/args"
	"daas/controlplane/internal/flags"
	"daas/controlplane/internal/layout"
	"daas/controlplane/internal/server"
	"daas/controlplane/internal/token"
)

// Config is an agent's command line, checked as a whole.
type Config struct {
	Layout   layout.Agent
	Server   string
	Token    token.Token
	NodeName string
	NodeIP   string
	Labels   []string
	Taints   []string
	Runtime  string
	Kubelet  []args.Pair
	// CgroupV1 is a machine whose cgroups the kubelet accepts only when told.
	CgroupV1 bool
}

// Machine is what a configuration has to know about the machine.
type Machine struct {
	Hostname   string
	DefaultDir string
	CgroupV1   bool
	ReadFile   func(string) ([]byte, error)
}

// NewConfig checks an agent's flags against each other.
func NewConfig(v *flags.Values, m Machine) (*Config, error) {
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
		Layout:   layout.ForAgent(dataDir),
		NodeName: v.Get("node-name"),
		NodeIP:   v.Get("node-ip"),
		Labels:   v.All("node-label"),
		Taints:   v.All("node-taint"),
		Runtime:  v.Get("container-runtime-endpoint"),
		CgroupV1: m.CgroupV1,
	}
	if c.NodeName == "" {
		c.NodeName = strings.ToLower(m.Hostname)
	}
	if c.Runtime == "" {
		return nil, errors.New("daas-k3s: --container-runtime-endpoint is missing and no container runtime is in this binary; start containerd and give unix:///run/containerd/containerd.sock")
	}
	if !strings.Contains(c.Runtime, "://") {
		c.Runtime = "unix://" + c.Runtime
	}
	if c.Server, err = serverURL(v.Get("server")); err != nil {
		return nil, err
	}
	text, err := server.ReadToken(v, m.ReadFile)
	if err != nil {
		return nil, err
	}
	if text == "" {
		return nil, errors.New("daas-k3s: --token or --token-file is missing; give the line of the server's node-token file")
	}
	if c.Token, err = token.Parse(text); err != nil {
		return nil, fmt.Errorf("daas-k3s: --token: %w", err)
	}
	if c.Kubelet, err = args.Parse("kubelet-arg", v.All("kubelet-arg")); err != nil {
		return nil, fmt.Errorf("daas-k3s: %w", err)
	}
	return c, nil
}

func serverURL(text string) (string, error) {
	if text == "" {
		return "", errors.New("daas-k3s: --server is missing; give https://<host>:<port> of the server")
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		return "", fmt.Errorf("daas-k3s: --server=%s is not of the form https://<host>:<port>", text)
	}
	return "https://" + u.Host, nil
}
