// Package etcd runs etcd: in this process for a server that was given no
// datastore, or as upstream's own program for `daas-k3s etcd`.
package etcd

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdmain"

	"daas/controlplane/internal/args"
	"daas/controlplane/internal/memory"
)

// startTimeout bounds the wait for a member to elect itself: a damaged data
// folder must end in a message, not in silence.
const startTimeout = 60 * time.Second

// Files are the certificates of the embedded member: mutual TLS even on
// loopback, because other users of a machine reach loopback too.
type Files struct {
	DataDir    string
	CA         string
	ServerCert string
	ServerKey  string
	PeerCA     string
	PeerCert   string
	PeerKey    string
}

// Member is a running embedded etcd.
type Member struct {
	etcd *embed.Etcd
}

// settable are the flags of etcd that --etcd-arg may set in the embedded
// member. All others either name addresses, certificates and membership, which
// the server decides itself, or are read by etcd's own main program only.
var settable = map[string]bool{
	"auto-compaction-mode": true, "auto-compaction-retention": true,
	"backend-batch-interval": true, "backend-batch-limit": true, "backend-bbolt-freelist-type": true,
	"compact-hash-check-time": true, "corrupt-check-time": true,
	"election-timeout": true, "heartbeat-interval": true, "initial-election-tick-advance": true,
	"grpc-keepalive-interval": true, "grpc-keepalive-min-time": true, "grpc-keepalive-timeout": true,
	"log-level": true, "max-request-bytes": true, "max-snapshots": true, "max-txn-ops": true, "max-wals": true,
	"pre-vote": true, "quota-backend-bytes": true, "snapshot-count": true, "unsafe-no-fsync": true,
	"tls-min-version": true, "tls-max-version": true,
}

// Configure builds the member's configuration.
func Configure(files Files, extra []args.Pair) (*embed.Config, error) {
	cfg := embed.NewConfig()
	fs := flag.NewFlagSet("etcd", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	cfg.AddFlags(fs)
	cfg.LogLevel = "warn"
	// Its only clients are compiled into this binary.
	cfg.TlsMinVersion = "TLS1.3"
	// Registering the flags sets this to zero, which logs every request.
	cfg.WarningUnaryRequestDuration = embed.DefaultWarningUnaryRequestDuration
	for _, pair := range extra {
		if !settable[pair.Key] {
			return nil, fmt.Errorf("--etcd-arg=%s is not implemented for the embedded etcd; run 'daas-k3s etcd --%s=...' apart and name it by --datastore-endpoint", pair.Key, pair.Key)
		}
		if err := fs.Set(pair.Key, pair.Value); err != nil {
			return nil, fmt.Errorf("--etcd-arg=%s=%s: %w", pair.Key, pair.Value, err)
		}
	}
	// Port 0: the system picks free ports, and two servers on one machine never
	// meet. The advertised addresses are only stored, as nobody else joins.
	loopback := url.URL{Scheme: "https", Host: "127.0.0.1:0"}
	cfg.Name = "default"
	cfg.Dir = files.DataDir
	cfg.ListenClientUrls = []url.URL{loopback}
	cfg.AdvertiseClientUrls = []url.URL{loopback}
	cfg.ListenPeerUrls = []url.URL{loopback}
	cfg.AdvertisePeerUrls = []url.URL{loopback}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.ClientTLSInfo.CertFile, cfg.ClientTLSInfo.KeyFile = files.ServerCert, files.ServerKey
	cfg.ClientTLSInfo.TrustedCAFile, cfg.ClientTLSInfo.ClientCertAuth = files.CA, true
	cfg.PeerTLSInfo.CertFile, cfg.PeerTLSInfo.KeyFile = files.PeerCert, files.PeerKey
	cfg.PeerTLSInfo.TrustedCAFile, cfg.PeerTLSInfo.ClientCertAuth = files.PeerCA, true
	cfg.EnableGRPCGateway = false
	cfg.Logger = "zap"
	cfg.LogOutputs = []string{"stderr"}
	return cfg, nil
}

// Start runs the member and waits until it serves.
func Start(ctx context.Context, cfg *embed.Config) (*Member, error) {
	etcd, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, fmt.Errorf("embedded etcd in %s: %w; is another server running on this --data-dir?", cfg.Dir, err)
	}
	timer := time.NewTimer(startTimeout)
	defer timer.Stop()
	select {
	case <-etcd.Server.ReadyNotify():
		return &Member{etcd: etcd}, nil
	case err := <-etcd.Err():
		etcd.Close()
		return nil, fmt.Errorf("embedded etcd in %s: %w", cfg.Dir, err)
	case <-ctx.Done():
		etcd.Close()
		return nil, ctx.Err()
	case <-timer.C:
		etcd.Close()
		return nil, fmt.Errorf("embedded etcd in %s did not become ready within %s; restore the folder from a copy, or move it away to start empty", cfg.Dir, startTimeout)
	}
}

// Endpoint is the client URL the system has given.
func (m *Member) Endpoint() string {
	return "https://" + m.etcd.Clients[0].Addr().String()
}

// Err reports a member that ends by itself.
func (m *Member) Err() <-chan error { return m.etcd.Err() }

// Close stops the member after its last write is on disk.
func (m *Member) Close() { m.etcd.Close() }

// Main is upstream's etcd program; it ends the process.
func Main(arguments []string) {
	os.Args = append([]string{"etcd"}, arguments...)
	go memory.Settle(context.Background())
	etcdmain.Main(os.Args)
}
