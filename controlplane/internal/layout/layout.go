// Package layout names every file below a data folder, as K3s names them.
package layout

import "path/filepath"

// Server is what `daas-k3s server` reads and writes.
type Server struct {
	DataDir string

	ServerCA, ClientCA, RequestHeaderCA     Pair
	EtcdServerCA, EtcdPeerCA                Pair
	ServiceKey, ServicePublic               string
	ServingAPI, KubeletClient, ProxyClient  Pair
	Admin, Controller, Scheduler            Pair
	EtcdServer, EtcdPeer, EtcdClient        Pair
	AdminKubeconfig                         string
	ControllerKubeconfig, SchedulerKubeconf string
	Token, NodeToken                        string
	AuthenticationConfig, EncryptionConfig  string
	Lock                                    string
	EtcdDir                                 string
}

// Pair is a certificate and its private key.
type Pair struct {
	Name string // how errors call it
	Cert string
	Key  string
}

// ForServer lays out a server's data folder.
func ForServer(dataDir string) Server {
	root := filepath.Join(dataDir, "server")
	tls := func(elem ...string) string { return filepath.Join(append([]string{root, "tls"}, elem...)...) }
	pair := func(name string) Pair {
		return Pair{Name: name, Cert: tls(name + ".crt"), Key: tls(name + ".key")}
	}
	cred := func(name string) string { return filepath.Join(root, "cred", name) }
	return Server{
		DataDir:              dataDir,
		ServerCA:             pair("server-ca"),
		ClientCA:             pair("client-ca"),
		RequestHeaderCA:      pair("request-header-ca"),
		EtcdServerCA:         pair("etcd/server-ca"),
		EtcdPeerCA:           pair("etcd/peer-ca"),
		ServiceKey:           tls("service.key"),
		ServicePublic:        tls("service.pub"),
		ServingAPI:           pair("serving-kube-apiserver"),
		KubeletClient:        pair("client-kube-apiserver"),
		ProxyClient:          pair("client-auth-proxy"),
		Admin:                pair("client-admin"),
		Controller:           pair("client-controller"),
		Scheduler:            pair("client-scheduler"),
		EtcdServer:           pair("etcd/server-client"),
		EtcdPeer:             pair("etcd/peer-server-client"),
		EtcdClient:           pair("etcd/client"),
		AdminKubeconfig:      cred("admin.kubeconfig"),
		ControllerKubeconfig: cred("controller.kubeconfig"),
		SchedulerKubeconf:    cred("scheduler.kubeconfig"),
		Token:                filepath.Join(root, "token"),
		NodeToken:            filepath.Join(root, "node-token"),
		AuthenticationConfig: filepath.Join(root, "etc", "authentication.yaml"),
		EncryptionConfig:     cred("encryption-config.json"),
		Lock:                 filepath.Join(root, "lock"),
		EtcdDir:              filepath.Join(root, "db", "etcd"),
	}
}

// Agent is what `daas-k3s agent` reads and writes.
type Agent struct {
	ServerCA            string
	ClientCA            string
	BootstrapKubeconfig string
	Kubeconfig          string
	KubeletConfig       string
	KubeletDropIns      string
	CertDir             string
	KubeletRoot         string
	PodLogs             string
}

// ForAgent lays out a worker's data folder.
func ForAgent(dataDir string) Agent {
	root := filepath.Join(dataDir, "agent")
	return Agent{
		ServerCA:            filepath.Join(root, "server-ca.crt"),
		ClientCA:            filepath.Join(root, "client-ca.crt"),
		BootstrapKubeconfig: filepath.Join(root, "bootstrap.kubeconfig"),
		Kubeconfig:          filepath.Join(root, "kubelet.kubeconfig"),
		KubeletConfig:       filepath.Join(root, "etc", "kubelet.json"),
		KubeletDropIns:      filepath.Join(root, "etc", "kubelet.conf.d"),
		CertDir:             filepath.Join(root, "pki"),
		KubeletRoot:         filepath.Join(root, "kubelet"),
		PodLogs:             filepath.Join(root, "logs", "pods"),
	}
}
