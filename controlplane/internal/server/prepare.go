package server

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"

	"daas/controlplane/internal/files"
	"daas/controlplane/internal/kubeconfig"
	"daas/controlplane/internal/layout"
	"daas/controlplane/internal/pki"
	"daas/controlplane/internal/token"
)

// Prepared is what a start needs to know of the files that Prepare left.
type Prepared struct {
	// Bootstrap is the Kubernetes form of the node token; nil when nodes do not
	// join by it.
	Bootstrap *token.Bootstrap
	// Issued names the certificates made in this start and why.
	Issued []string
}

// Prepare makes what is missing below the data folder and checks what is there.
func (c *Config) Prepare(now time.Time) (*Prepared, error) {
	p := &Prepared{}
	if err := c.certificates(p, now); err != nil {
		return nil, err
	}
	if err := c.kubeconfigs(); err != nil {
		return nil, err
	}
	if err := c.tokens(p); err != nil {
		return nil, err
	}
	if err := files.Write(c.Layout.AuthenticationConfig, []byte(authenticationConfig), files.Private); err != nil {
		return nil, err
	}
	if c.SecretsEncryption {
		return p, ensureEncryption(c.Layout.EncryptionConfig)
	}
	if files.Exists(c.Layout.EncryptionConfig) {
		return nil, fmt.Errorf("daas-k3s: %s exists, so Secrets of this cluster are encrypted; start with --secrets-encryption, or remove the file if the datastore is new", c.Layout.EncryptionConfig)
	}
	return p, nil
}

func (c *Config) certificates(p *Prepared, now time.Time) error {
	l := c.Layout
	authorities := map[string]*pki.Authority{}
	cas := []struct {
		pair layout.Pair
		name string
	}{{l.ServerCA, "daas-k3s-server-ca"}, {l.ClientCA, "daas-k3s-client-ca"}, {l.RequestHeaderCA, "daas-k3s-request-header-ca"}}
	if len(c.Datastore.Endpoints) == 0 {
		cas = append(cas, cas[0], cas[0])
		cas[3].pair, cas[3].name = l.EtcdServerCA, "daas-k3s-etcd-server-ca"
		cas[4].pair, cas[4].name = l.EtcdPeerCA, "daas-k3s-etcd-peer-ca"
	}
	// Every CA is looked at before any is used: one message per start at most
	// would make repairing three of them take three starts.
	var problems []error
	for _, ca := range cas {
		authority, err := pki.LoadOrMake(ca.pair, ca.name, now)
		problems = append(problems, err)
		authorities[ca.pair.Name] = authority
	}
	problems = append(problems, pki.EnsureServiceKey(l.ServiceKey, l.ServicePublic))
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("daas-k3s: %w", err)
	}
	for _, leaf := range c.leaves() {
		reason, err := authorities[leaf.ca].Ensure(leaf.Leaf, now)
		if err != nil {
			return fmt.Errorf("daas-k3s: %w", err)
		}
		if reason != "" {
			p.Issued = append(p.Issued, leaf.Pair.Name+" ("+reason+")")
		}
	}
	return nil
}

type signedLeaf struct {
	ca string
	pki.Leaf
}

func (c *Config) leaves() []signedLeaf {
	l := c.Layout
	client := func(ca layout.Pair, pair layout.Pair, name string, groups ...string) signedLeaf {
		return signedLeaf{ca.Name, pki.Leaf{Pair: pair, CommonName: name, Organizations: groups, Client: true}}
	}
	leaves := []signedLeaf{
		{l.ServerCA.Name, pki.Leaf{Pair: l.ServingAPI, CommonName: "kube-apiserver", Names: c.servingNames(), Server: true}},
		// No group: what it may do at kubelets is bound to its name.
		client(l.ClientCA, l.KubeletClient, KubeletClientUser),
		client(l.RequestHeaderCA, l.ProxyClient, "system:auth-proxy"),
		client(l.ClientCA, l.Admin, "system:admin", "system:masters"),
		client(l.ClientCA, l.Controller, "system:kube-controller-manager"),
		client(l.ClientCA, l.Scheduler, "system:kube-scheduler"),
	}
	if len(c.Datastore.Endpoints) == 0 {
		loopback := []string{"localhost", "127.0.0.1", "::1"}
		leaves = append(leaves,
			// etcd's own gateway dials itself with its serving certificate.
			signedLeaf{l.EtcdServerCA.Name, pki.Leaf{Pair: l.EtcdServer, CommonName: "etcd-server", Names: loopback, Server: true, Client: true}},
			signedLeaf{l.EtcdPeerCA.Name, pki.Leaf{Pair: l.EtcdPeer, CommonName: "etcd-peer", Names: loopback, Server: true, Client: true}},
			client(l.EtcdServerCA, l.EtcdClient, "etcd-client"))
	}
	return leaves
}

// KubeletClientUser is who the API server is at a kubelet.
const KubeletClientUser = "system:apiserver"

// ReservedNames are the names by which clients know the API server and no node.
// One CA vouches for both, so that a node with a certificate for one of them
// could pass for the server. The machine's own addresses are not among them: a
// worker may run beside its server.
func (c *Config) ReservedNames() []string {
	return []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + c.ClusterDomain,
		"localhost", "127.0.0.1", "::1", firstAddress(c.ServiceCIDR)}
}

func (c *Config) servingNames() []string {
	names := append(c.ReservedNames(), c.AdvertiseAddress)
	if !net.ParseIP(c.BindAddress).IsUnspecified() {
		names = append(names, c.BindAddress)
	}
	return append(names, c.SANs...)
}

// firstAddress is the address the service 'kubernetes' gets.
func firstAddress(cidr string) string {
	_, network, err := net.ParseCIDR(cidr)
	if err != nil {
		return ""
	}
	ip := network.IP
	for i := len(ip) - 1; i >= 0; i-- {
		if ip[i]++; ip[i] != 0 {
			break
		}
	}
	return ip.String()
}

func (c *Config) kubeconfigs() error {
	l := c.Layout
	for _, k := range []struct {
		path string
		pair layout.Pair
		mode os.FileMode
	}{
		{c.Kubeconfig, l.Admin, c.KubeconfigMode},
		{l.ControllerKubeconfig, l.Controller, files.Private},
		{l.SchedulerKubeconf, l.Scheduler, files.Private},
	} {
		data, err := kubeconfig.FromFiles(c.URL(), l.ServerCA.Cert, k.pair.Cert, k.pair.Key)
		if err != nil {
			return fmt.Errorf("daas-k3s: %w", err)
		}
		if err := files.Write(k.path, data, k.mode); err != nil {
			return fmt.Errorf("daas-k3s: %w", err)
		}
	}
	return nil
}

func (c *Config) tokens(p *Prepared) error {
	ca, err := os.ReadFile(c.Layout.ServerCA.Cert)
	if err != nil {
		return fmt.Errorf("daas-k3s: %w", err)
	}
	password, err := c.password(ca)
	if err != nil {
		return err
	}
	agent := password
	if c.AgentTok != "" {
		if agent, err = token.Password(c.AgentTok, ca); err != nil {
			return fmt.Errorf("daas-k3s: --agent-token: %w", err)
		}
	}
	if err := writeToken(c.Layout.Token, ca, password); err != nil {
		return err
	}
	if !c.NodeJoin {
		// A node token that opens nothing would only be tried.
		if err := os.Remove(c.Layout.NodeToken); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("daas-k3s: %w", err)
		}
		return nil
	}
	bootstrap := token.Derive(token.HashCA(ca), agent)
	p.Bootstrap = &bootstrap
	return writeToken(c.Layout.NodeToken, ca, agent)
}

// password is the given one, else the one of the last start, else a new one.
func (c *Config) password(ca []byte) (string, error) {
	if c.Token != "" {
		password, err := token.Password(c.Token, ca)
		if err != nil {
			return "", fmt.Errorf("daas-k3s: --token: %w", err)
		}
		return password, nil
	}
	data, err := os.ReadFile(c.Layout.Token)
	if errors.Is(err, fs.ErrNotExist) {
		return token.Random()
	}
	if err != nil {
		return "", fmt.Errorf("daas-k3s: %w", err)
	}
	// The hash may be of an older CA; the password stays.
	_, credentials, _ := strings.Cut(strings.TrimSpace(string(data)), "::")
	if _, password, found := strings.Cut(credentials, ":"); found && password != "" {
		return password, nil
	}
	return "", fmt.Errorf("daas-k3s: %s holds no token of the form K10<hash>::server:<password>; restore it, or remove it to have a new one made", c.Layout.Token)
}

func writeToken(path string, ca []byte, password string) error {
	return files.Write(path, []byte(token.Format(ca, token.ServerUser, password)+"\n"), files.Private)
}

// ensureEncryption makes the key that encrypts Secrets in the datastore; once
// made it has to stay, or the Secrets are lost.
func ensureEncryption(path string) error {
	if files.Exists(path) {
		return nil
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return fmt.Errorf("cannot make an encryption key: %w", err)
	}
	type m = map[string]any
	data, err := json.MarshalIndent(m{
		"kind": "EncryptionConfiguration", "apiVersion": "apiserver.config.k8s.io/v1",
		"resources": []m{{"resources": []string{"secrets"}, "providers": []m{
			{"secretbox": m{"keys": []m{{"name": "key1", "secret": base64.StdEncoding.EncodeToString(key)}}}},
			{"identity": m{}},
		}}},
	}, "", "  ")
	if err != nil {
		return err
	}
	return files.Write(path, append(data, '\n'), files.Private)
}
