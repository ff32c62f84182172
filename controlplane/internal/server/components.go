package server

import (
	"strings"

	"daas/controlplane/internal/args"
)

// authenticationConfig opens the four paths that say nothing but "alive" and
// closes everything else to callers without credentials, whatever RBAC says.
const authenticationConfig = `apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous:
  enabled: true
  conditions:
  - path: /livez
  - path: /readyz
  - path: /healthz
  - path: /version
`

// PublicClientCA is where a node gets the CA that its kubelet accepts clients
// of; the path is K3s's.
const (
	PublicServerCA = "/cacerts"
	PublicClientCA = "/v1-k3s/client-ca.crt"
)

// APIServerCommand is the API server's command line.
func (c *Config) APIServerCommand(embeddedEndpoint string) []string {
	l := c.Layout
	issuer := "https://kubernetes.default.svc." + c.ClusterDomain
	p := []args.Pair{
		{Key: "advertise-address", Value: c.AdvertiseAddress},
		{Key: "allow-privileged", Value: "true"},
		{Key: "authorization-mode", Value: "Node,RBAC"},
		{Key: "bind-address", Value: c.BindAddress},
		{Key: "client-ca-file", Value: l.ClientCA.Cert},
		{Key: "enable-admission-plugins", Value: "NodeRestriction"},
		{Key: "enable-bootstrap-token-auth", Value: "true"},
		{Key: "kubelet-certificate-authority", Value: l.ServerCA.Cert},
		{Key: "kubelet-client-certificate", Value: l.KubeletClient.Cert},
		{Key: "kubelet-client-key", Value: l.KubeletClient.Key},
		// Node names resolve on few networks; addresses need no DNS.
		{Key: "kubelet-preferred-address-types", Value: "InternalIP,ExternalIP,Hostname"},
		{Key: "profiling", Value: "false"},
		{Key: "proxy-client-cert-file", Value: l.ProxyClient.Cert},
		{Key: "proxy-client-key-file", Value: l.ProxyClient.Key},
		{Key: "requestheader-allowed-names", Value: "system:auth-proxy"},
		{Key: "requestheader-client-ca-file", Value: l.RequestHeaderCA.Cert},
		{Key: "requestheader-extra-headers-prefix", Value: "X-Remote-Extra-"},
		{Key: "requestheader-group-headers", Value: "X-Remote-Group"},
		{Key: "requestheader-username-headers", Value: "X-Remote-User"},
		{Key: "secure-port", Value: c.Port},
		{Key: "service-account-issuer", Value: issuer},
		{Key: "service-account-key-file", Value: l.ServicePublic},
		{Key: "service-account-signing-key-file", Value: l.ServiceKey},
		{Key: "service-cluster-ip-range", Value: c.ServiceCIDR},
		{Key: "storage-backend", Value: "etcd3"},
		{Key: "tls-cert-file", Value: l.ServingAPI.Cert},
		{Key: "tls-min-version", Value: "VersionTLS12"},
		{Key: "tls-private-key-file", Value: l.ServingAPI.Key},
	}
	// The API server refuses its older flag beside the file.
	if !args.Has(c.APIServerArgs, "anonymous-auth", "oidc-issuer-url") {
		p = append(p, args.Pair{Key: "authentication-config", Value: l.AuthenticationConfig})
	} else {
		// Without the file upstream's default lets callers without credentials
		// in; whoever asks for another login has not asked for that.
		p = append(p, args.Pair{Key: "anonymous-auth", Value: "false"})
	}
	if c.SecretsEncryption {
		p = append(p, args.Pair{Key: "encryption-provider-config", Value: l.EncryptionConfig})
	}
	d := c.Datastore
	if len(d.Endpoints) == 0 {
		d = Datastore{Endpoints: []string{embeddedEndpoint}, CA: l.EtcdServerCA.Cert, Cert: l.EtcdClient.Cert, KeyFile: l.EtcdClient.Key}
	}
	p = append(p, args.Pair{Key: "etcd-servers", Value: strings.Join(d.Endpoints, ",")})
	for _, file := range []args.Pair{{Key: "etcd-cafile", Value: d.CA}, {Key: "etcd-certfile", Value: d.Cert}, {Key: "etcd-keyfile", Value: d.KeyFile}} {
		if file.Value != "" {
			p = append(p, file)
		}
	}
	return args.Merge(p, c.APIServerArgs)
}

// ControllerCommand is the controller manager's command line.
func (c *Config) ControllerCommand() []string {
	l := c.Layout
	controllers := "*,tokencleaner"
	if !c.NodeJoin {
		controllers += ",-certificatesigningrequest-approving-controller"
	}
	return args.Merge([]args.Pair{
		// No cloud, no routes, and pod ranges belong to the workers' network.
		{Key: "allocate-node-cidrs", Value: "false"},
		// For whoever opens the port below: upstream would listen everywhere.
		{Key: "bind-address", Value: "127.0.0.1"},
		{Key: "cluster-cidr", Value: c.ClusterCIDR},
		{Key: "cluster-signing-kube-apiserver-client-cert-file", Value: l.ClientCA.Cert},
		{Key: "cluster-signing-kube-apiserver-client-key-file", Value: l.ClientCA.Key},
		{Key: "cluster-signing-kubelet-client-cert-file", Value: l.ClientCA.Cert},
		{Key: "cluster-signing-kubelet-client-key-file", Value: l.ClientCA.Key},
		{Key: "cluster-signing-kubelet-serving-cert-file", Value: l.ServerCA.Cert},
		{Key: "cluster-signing-kubelet-serving-key-file", Value: l.ServerCA.Key},
		{Key: "cluster-signing-legacy-unknown-cert-file", Value: l.ServerCA.Cert},
		{Key: "cluster-signing-legacy-unknown-key-file", Value: l.ServerCA.Key},
		{Key: "configure-cloud-routes", Value: "false"},
		{Key: "controllers", Value: controllers},
		{Key: "kubeconfig", Value: l.ControllerKubeconfig},
		// One process holds the data folder; an election would only delay it.
		{Key: "leader-elect", Value: "false"},
		{Key: "profiling", Value: "false"},
		{Key: "root-ca-file", Value: l.ServerCA.Cert},
		// No second door: health is the API server's, metrics come from there.
		{Key: "secure-port", Value: "0"},
		{Key: "service-account-private-key-file", Value: l.ServiceKey},
		{Key: "service-cluster-ip-range", Value: c.ServiceCIDR},
		{Key: "use-service-account-credentials", Value: "true"},
	}, c.ControllerArgs)
}

// SchedulerCommand is the scheduler's command line.
func (c *Config) SchedulerCommand() []string {
	return args.Merge([]args.Pair{
		{Key: "bind-address", Value: "127.0.0.1"},
		{Key: "kubeconfig", Value: c.Layout.SchedulerKubeconf},
		{Key: "leader-elect", Value: "false"},
		{Key: "profiling", Value: "false"},
		{Key: "secure-port", Value: "0"},
	}, c.SchedulerArgs)
}
